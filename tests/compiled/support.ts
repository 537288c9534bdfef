/** What tests of the compiled executable share. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import { IS_COMPILED } from "../support/command.ts";
import { type Sandbox, sandbox, type SandboxOptions } from "../support/sandbox.ts";

if (!IS_COMPILED) throw new Error("FLEETBOX_TEST_EXE is not set: run scripts/test compiled");

const SCRIPT = fileURLToPath(new URL("../../scripts/compile.ts", import.meta.url));

/** Compiles the program once more. */
export async function compile(...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", SCRIPT, "--offline", ...args],
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

/** With the micro image that is in the executable, not one of a few bytes. */
export function embedded(options: SandboxOptions = {}): Promise<Sandbox> {
  return sandbox({ fakeQemu: {}, ...options, env: { FLEETBOX_MICRO: "", ...options.env } });
}

/** A directory that goes with its scope. */
export function temporary(): AsyncDisposable & { path: string } {
  const path = Deno.makeTempDirSync({ prefix: "c" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

export const namesIn = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

/** That the store holds one micro, each of whose files has its digest. */
export async function isWhole(box: Sandbox): Promise<void> {
  const images = namesIn(box.store.imagesDir).filter((name) => name.startsWith("micro"));
  assert.equal(images.length, 1, images.join(" "));
  const place = join(box.store.imagesDir, images[0]);
  const { sha256, kernel, initrd, disk } = JSON.parse(Deno.readTextFileSync(join(place, "image.json")));
  for (const [file, digest] of [[kernel, sha256.kernel], [initrd, sha256.initrd], [disk, sha256.disk]]) {
    const found = await crypto.subtle.digest("SHA-256", Deno.readFileSync(join(place, file)));
    assert.equal(new Uint8Array(found).toHex(), digest, file);
  }
}
