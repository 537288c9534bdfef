/**
 * Shared directories that the guest writes to: virtio-fs, by a `virtiofsd` for each, which QEMU connects to.
 *
 * The program of QEMU up to 7.2, and the later one before 1.13, keep the guest's users, so it must be root. Since then whoever
 * writes in the guest can be one user on this host, the one that runs this program, and that user's files are those of the guest's
 * first user. Each is confined to the directory (`namespace`: it is the root of all that it sees; `chroot` where a namespace of
 * mounts cannot be made), and ends by itself when its QEMU is gone, also one that was adopted.
 */

import { startLimit } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { readIfThere } from "../../system/files.ts";
import { host } from "../../system/os.ts";
import { type Child, start, which } from "../../system/process.ts";
import type { Requirement } from "../contract.ts";
import type { Share } from "../shares.ts";
import { boundWrapper } from "./arguments.ts";

/** Where distributions have it, besides `PATH`. */
const PLACES: readonly string[] = [
  "virtiofsd",
  "/usr/libexec/virtiofsd",
  "/usr/lib/virtiofsd",
  "/usr/lib/qemu/virtiofsd",
];
const READY = /Waiting for vhost-user socket connection/;
const START_MS = 30_000;

/** What `virtiofsd` can do: the one of QEMU, the later one, and since 1.13 that one with ids that it translates. */
export type Kind = "of-qemu" | "later" | "translating";

/** Who the guest's writes are on this host. */
interface Ids {
  uid: number;
  gid: number;
}

/** The guest's user that is seen as the owner of this user's files: the first one of every image. */
const GUEST_ID = 1000;
/** As many ids as there are. */
const ALL = 2 ** 32 - 1;

type Sandbox = "namespace" | "chroot";

/** A change of all mounts begins at the root, so that must be a mount itself: in a plain chroot, as of a build, it is none. */
export function sandboxFor(mountInfo: string | undefined): Sandbox {
  return mountInfo === undefined || /^\d+ \d+ \S+ \S+ \/ /m.test(mountInfo) ? "namespace" : "chroot";
}

/** Arguments of the program for one share. Pure. */
export function serverArguments(kind: Kind, { path, socket }: Share, { uid, gid }: Ids, sandbox: Sandbox): string[] {
  if (kind === "of-qemu") {
    const source = `source=${path.replace(/[\\,]/g, "\\$&")}`;
    return ["-f", `--socket-path=${socket}`, "-o", source, "-o", `sandbox=${sandbox}`];
  }
  const translate = (what: string, id: number) => [
    ...[`--translate-${what}`, `squash-guest:0:${id}:${ALL}`],
    ...[`--translate-${what}`, `host:${id}:${GUEST_ID}:1`],
  ];
  return [
    ...["--socket-path", socket, "--shared-dir", path, "--sandbox", sandbox],
    ...(kind === "translating" ? [...translate("uid", uid), ...translate("gid", gid)] : []),
  ];
}

/** @see ShareSupport.checkShares */
export function checkShares(): void {
  findServer();
}

/** What `up --share` needs, for `doctor`; nothing where it cannot work. @param places where to look */
export function shareRequirements(places: readonly string[] = PLACES): Requirement[] {
  if (host().name !== "linux") return [];
  const check = () => {
    const { program, kind } = findServer(places);
    const whose = kind === "translating"
      ? "what the guest writes is yours"
      : "what the guest writes keeps the guest's user id";
    return `${program}, for up --share: ${whose}`;
  };
  return [{ what: "virtiofsd", check, hint: "Share by --fixture, or fleetbox sync", fatal: false }];
}

/** The program, and which one it is. @throws {FleetboxError} `unavailable` */
function findServer(places = PLACES): { program: string; kind: Kind } {
  const unavailable = (why: string, next: string) =>
    new FleetboxError("unavailable", `Cannot share a directory read-write: ${why}`, {
      hint: `${next}; without it: --fixture (a read-only copy at boot), or fleetbox sync`,
    });
  if (host().name !== "linux") throw unavailable("virtio-fs needs Linux on the host", "Use a Linux host");
  const program = places.map((place) => which(place)).find((path) => path !== undefined);
  if (program === undefined) {
    const install = `${host().install("virtiofsd")} (on Debian 12: qemu-system-common)`;
    throw unavailable("the program virtiofsd is not installed", `Install it: ${install}`);
  }
  const { stdout, stderr } = new Deno.Command(program, { args: ["--help"], stdin: "null" }).outputSync();
  const help = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const kind = /--translate-uid/.test(help) ? "translating" : /--shared-dir/.test(help) ? "later" : "of-qemu";
  if (Deno.uid() !== 0 && kind !== "translating") {
    throw unavailable(`${program} can only share for root`, "Install virtiofsd 1.13 or newer, which is in Debian 13");
  }
  return { program, kind };
}

/** The programs that serve a machine's shares. */
export interface ShareServers {
  /** Ends them, and returns when they are gone. */
  end(): Promise<void>;
}

/** Starts a program for each share; returns when QEMU can connect. @throws {FleetboxError}; then none is left */
export async function serveShares(
  shares: readonly Share[],
  { bound, signal }: { bound: boolean; signal?: AbortSignal },
): Promise<ShareServers> {
  const { program, kind } = findServer();
  const children: Child[] = [];
  const end = async () => {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map((child) => child.exited));
  };
  try {
    await Promise.all(shares.map(async (share) => {
      const ids = { uid: Deno.uid()!, gid: Deno.gid()! };
      const sandbox = sandboxFor(readIfThere("/proc/self/mountinfo"));
      const args = [program, ...serverArguments(kind, share, ids, sandbox)];
      await serve([...(bound ? boundWrapper() : []), ...args], share, children, signal);
    }));
  } catch (thrown) {
    await end();
    throw thrown;
  }
  return { end };
}

function pidFile(socket: string): string {
  return `/run/virtiofsd/${socket.replaceAll("/", ".")}.pid`;
}

async function serve(
  [program, ...args]: string[],
  { path, socket }: Share,
  children: Child[],
  signal?: AbortSignal,
): Promise<void> {
  await Deno.remove(socket).catch(() => {});
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const child = start(program, args, { onOutput: () => READY.test(child.tail()) && resolve() });
  children.push(child);
  const fail = (why: string) => reject(new FleetboxError("failed", `Cannot share ${path}: virtiofsd ${why}`));
  void child.exited.then(({ code }) => fail(`ended with code ${code}: ${child.tail()}`));
  const endLimit = startLimit(START_MS, () => fail(`was not ready within ${START_MS / 1000} s: ${child.tail()}`));
  const abort = () => reject(signal!.reason);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    await ready;
    // The one of QEMU leaves a file with its process id behind, which it holds open.
    await Deno.remove(pidFile(socket)).catch(() => {});
  } finally {
    endLimit();
    signal?.removeEventListener("abort", abort);
  }
}
