/**
 * Mounts a guest's shared read-write directories, over SSH when it answers: the same for every image. A line of its own in
 * `/etc/fstab` mounts each again when the guest restarts itself.
 */

import { printable } from "../../core/printable.ts";
import { quoted } from "../../core/quoting.ts";
import { messageOf } from "../../core/errors.ts";
import { ProcessError, run } from "../../system/process.ts";
import type { SshEndpoint } from "../../wire.ts";
import type { Options } from "../../core/options.ts";
import type { MemberConfig, MemberPaths, Store } from "../../store.ts";
import type { MachineSpec } from "../../vmm/contract.ts";
import { driver } from "../../vmm/driver.ts";
import { checkSharedDirectories, checkShareOutsideStore } from "./shared_directories.ts";
import { sessionArguments, sshHint } from "../ssh_probe.ts";

const CONNECT_SECONDS = 60;

/** The tag by which the guest knows the n-th of them. */
export function shareTag(index: number): string {
  return `fb-share-${index}`;
}

/** The script, for the guest's shell as root. Pure. */
export function mountScript(paths: readonly string[]): string {
  return [
    "PATH=$PATH:/usr/sbin:/sbin; status=0",
    ...paths.flatMap((path, index) => {
      const [tag, place] = [shareTag(index), quoted(path)];
      // fstab(5) spells blanks in octal.
      const field = path.replace(/[\\ ]/g, (char) => `\\0${char.charCodeAt(0).toString(8)}`);
      return [
        `grep -q '^${tag} ' /etc/fstab || printf '%s\\n' ${
          quoted(`${tag} ${field} virtiofs defaults,nofail 0 0`)
        } >>/etc/fstab`,
        `mkdir -p ${place} && { grep -q '^${tag} ' /proc/mounts || mount -t virtiofs ${tag} ${place}; } || status=1`,
      ];
    }),
    "exit $status",
  ].join("\n");
}

/** @returns why it could not be done; undefined: they are mounted */
export async function mountShares(
  endpoint: SshEndpoint,
  paths: readonly string[],
  { key, signal }: { key: string; signal: AbortSignal },
): Promise<string | undefined> {
  const script = `sh -c ${quoted(mountScript(paths))}`;
  const command = endpoint.user === "root" ? script : `sudo -n ${script}`;
  try {
    await run("ssh", sessionArguments(endpoint, key, { connectSeconds: CONNECT_SECONDS, command }), {
      signal,
      hint: sshHint(),
    });
    return undefined;
  } catch (thrown) {
    signal.throwIfAborted();
    return printable(thrown instanceof ProcessError ? thrown.stderr || thrown.message : messageOf(thrown)).trim();
  }
}

/** @throws {FleetboxError} a directory cannot be used, or none can be shared read-write on this host */
export function checkDirectories(
  store: Store,
  { fixtures = [], shares = [] }: Pick<Options, "fixtures" | "shares">,
): void {
  checkSharedDirectories(fixtures, shares);
  if (shares.length === 0) return;
  checkShareOutsideStore(store.root, shares);
  driver.checkShares();
}

/** What a machine shares with this host. */
export function sharesOf(paths: MemberPaths, { shares }: MemberConfig): Pick<MachineSpec, "shares"> {
  if (!shares) return {};
  const sockets = paths.shareSockets();
  return {
    shares: shares.map(({ host_path }, index) => ({ tag: shareTag(index), path: host_path, socket: sockets[index] })),
  };
}
