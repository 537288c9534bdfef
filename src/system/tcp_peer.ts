/**
 * Whose program is at the other end of a connection over the loopback. Linux tells the owner of each socket in `/proc/net/tcp`
 * (proc(5)); elsewhere nothing is known, and every program counts as ours.
 */

import { readIfThere } from "./files.ts";

/** The ports of a connection, as its client sees it. */
interface Connection {
  from: number;
  to: number;
}

/** 127.0.0.1, in the table of IPv4 and in that of IPv6. */
const LOOPBACK = ["0100007F", "0000000000000000FFFF00000100007F"];

/** Whether another user has made a connection over 127.0.0.1. Root may do all anyway, and is not another one. */
export function isOtherUsers(connection: Connection): boolean {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(readIfThere).filter((text) => text !== undefined);
  if (tables.length === 0) return false;
  const owner = tables.map((table) => ownerOf(table, connection)).find((uid) => uid !== undefined);
  return owner === undefined || (owner !== 0 && owner !== Deno.uid());
}

/** The user of a connection's client, in the text of a table; undefined: none, or it has let go of its socket. Pure. */
export function ownerOf(table: string, { from, to }: Connection): number | undefined {
  const [local, remote] = [from, to].map((port) => port.toString(16).toUpperCase().padStart(4, "0"));
  for (const line of table.split("\n").slice(1)) {
    const [, at = "", its = "", , , , , uid, , inode] = line.trim().split(/\s+/);
    if (!LOOPBACK.some((address) => at === `${address}:${local}` && its === `${address}:${remote}`)) continue;
    if (inode !== "0") return Number(uid); // a socket that was closed is said to be root's
  }
  return undefined;
}
