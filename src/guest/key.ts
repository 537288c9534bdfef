/**
 * The installation's own SSH key, made once by `ssh-keygen`; `~/.ssh` is never touched.
 *
 * Two processes that need it at once get the same one: each makes a temporary pair, and the first to link its private
 * key into place wins. A missing public key is derived from the private one again.
 */

import { join } from "../core/paths.ts";
import { FleetboxError, isNotFound } from "../core/errors.ts";
import { run } from "../system/process.ts";
import { storeError, writeDurably } from "../system/files.ts";
import type { Store } from "../store.ts";
import { withDirectoryBeside } from "../system/files.ts";
import { sshHint } from "./ssh_probe.ts";

/**
 * The public key, one line without a newline (`ssh-ed25519 AAAA… fleetbox`); the pair is made when it is missing.
 * @throws {FleetboxError} `unavailable`: no `ssh-keygen`; `denied`, `no-space`: the store cannot be written.
 */
export async function ensureKey(store: Store): Promise<string> {
  const known = readPublic(store);
  if (known !== undefined) return known;
  let made = making.get(store.key);
  if (!made) making.set(store.key, made = makeKey(store).finally(() => making.delete(store.key)));
  return await made;
}

/** Keys that are being made in this process, by path: members that boot together share one. */
const making = new Map<string, Promise<string>>();

function readPublic(store: Store): string | undefined {
  try {
    const { mode } = Deno.statSync(store.key);
    if (mode !== null && (mode & 0o077) !== 0) Deno.chmodSync(store.key, 0o600); // else ssh refuses it
    const text = Deno.readTextFileSync(store.publicKey).trim();
    return text === "" ? undefined : text;
  } catch (thrown) {
    if (isNotFound(thrown)) return undefined;
    throw storeError(`Cannot read the key ${store.publicKey}`, thrown);
  }
}

async function makeKey(store: Store): Promise<string> {
  return await withDirectoryBeside(store.key, async (directory) => {
    const aside = join(directory, "key");
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "fleetbox", "-f", aside], { hint: sshHint() });
    let isOurs = true;
    try {
      await Deno.link(aside, store.key);
    } catch (thrown) {
      isOurs = false;
      if (!(thrown instanceof Deno.errors.AlreadyExists)) throw storeError(`Cannot write the key ${store.key}`, thrown);
    }
    const publicKey = (isOurs
      ? await Deno.readTextFile(`${aside}.pub`)
      : await run("ssh-keygen", ["-y", "-f", store.key], { hint: sshHint() }))
      .trim();
    if (!publicKey.startsWith("ssh-")) {
      throw new FleetboxError("damaged", `The key ${store.key} cannot be read`, {
        hint: "Move it away; fleetbox makes a new one.",
      });
    }
    const line = publicKey.split(" ").length > 2 ? publicKey : `${publicKey} fleetbox`;
    await writeDurably(store.publicKey, line + "\n");
    return line;
  });
}
