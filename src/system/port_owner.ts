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

/** Where a port is. */
export interface PortAddress {
  /** An IPv4 address, or 0.0.0.0 for all. */
  address: string;
  isUdp: boolean;
}

const LOOPBACK: PortAddress = { address: "127.0.0.1", isUdp: false };

/** The state of a socket that listens, in `/proc/net/tcp`, and of one without a peer in `/proc/net/udp`. */
const LISTEN = "0A", UNCONNECTED = "07";

/** Listening addresses that occupy a port of an address: itself, and all addresses (IPv4, IPv6, IPv4 in IPv6). */
function takes({ address }: PortAddress): RegExp {
  const hex = address.split(".").toReversed().map((octet) => Number(octet).toString(16).padStart(2, "0")).join("")
    .toUpperCase();
  const one = address === "0.0.0.0" ? "[0-9A-F]{8}" : `(${hex}|00000000)`;
  return new RegExp(`^(${one}|0{32}|0{16}FFFF0000${one})$`);
}

/** The owner of a port, from `/proc`; undefined when none is visible. */
export function ownerInProc(port: number, at: PortAddress = LOOPBACK): PortOwner | undefined {
  const tables = at.isUdp ? ["/proc/net/udp", "/proc/net/udp6"] : ["/proc/net/tcp", "/proc/net/tcp6"];
  const inode = tables.map((table) => listener(readIfThere(table) ?? "", port, at)).find(Boolean);
  if (inode === undefined) return undefined;
  for (const { name } of entriesOf("/proc")) {
    const pid = Number(name);
    if (Number.isInteger(pid) && hasSocket(pid, inode)) return { pid, program: programOf(pid) };
  }
  return {};
}

/** The inode of the socket that listens on a port, in the text of a table of `/proc/net`. Pure. */
export function listener(table: string, port: number, at: PortAddress = LOOPBACK): string | undefined {
  const [address, listens] = [takes(at), at.isUdp ? UNCONNECTED : LISTEN];
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  for (const line of table.split("\n").slice(1)) {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [found, number] = local.split(":");
    if (number === wanted && state === listens && address.test(found)) return inode;
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
