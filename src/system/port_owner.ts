/**
 * The program that listens on a port of this host, as far as it is visible. Used through `os.ts`, which knows the
 * system.
 *
 * Linux has it in `/proc` (proc(5)): a socket's inode in `/proc/net/tcp`, and the process that has it open. Processes
 * of other users are not visible. macOS has lsof(8), which reports both.
 */

import { entriesOf, readIfThere } from "./files.ts";

/** A program that listens. */
export interface PortOwner {
  /** The process, when it is visible to us. */
  pid?: number;
  /** Its program's name. */
  program?: string;
}

/** The state of a socket that listens, in `/proc/net/tcp`. */
const LISTEN = "0A";
/** Listening addresses that occupy a port of 127.0.0.1: itself, and all addresses (IPv4, IPv6, IPv4 in IPv6). */
const TAKES_LOOPBACK = /^(0100007F|00000000|0{32}|0{16}FFFF0000(0100007F|00000000))$/;

/** The owner of a port of 127.0.0.1, from `/proc`; undefined when none is visible. */
export function ownerInProc(port: number): PortOwner | undefined {
  const inode = ["/proc/net/tcp", "/proc/net/tcp6"].map((table) => listener(readIfThere(table) ?? "", port)).find(
    Boolean,
  );
  if (inode === undefined) return undefined;
  for (const { name } of entriesOf("/proc")) {
    const pid = Number(name);
    if (Number.isInteger(pid) && hasSocket(pid, inode)) return { pid, program: programOf(pid) };
  }
  return {};
}

/** The inode of the socket that listens on a port, in the text of `/proc/net/tcp` or `tcp6`. Pure. */
export function listener(table: string, port: number): string | undefined {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  for (const line of table.split("\n").slice(1)) {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [address, at] = local.split(":");
    if (at === wanted && state === LISTEN && TAKES_LOOPBACK.test(address)) return inode;
  }
  return undefined;
}

/** The same in what `lsof -nP -iTCP:PORT -sTCP:LISTEN -Fpc` prints: a line `pPID`, then a line `cPROGRAM`. Pure. */
export function ownerInLsof(text: string): PortOwner | undefined {
  const [, pid, program] = /^p(\d+)\nc(.+)$/m.exec(text) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), program };
}

function hasSocket(pid: number, inode: string): boolean {
  return entriesOf(`/proc/${pid}/fd`).some(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`) === `socket:[${inode}]`;
    } catch {
      return false;
    }
  });
}

function programOf(pid: number): string | undefined {
  const [path] = (readIfThere(`/proc/${pid}/cmdline`) ?? "").split("\0");
  const name = path.slice(path.lastIndexOf("/") + 1) || (readIfThere(`/proc/${pid}/comm`) ?? "").trim();
  return name.replace(/[^\x20-\x7e]/g, "?").slice(0, 80) || undefined;
}
