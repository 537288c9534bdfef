/**
 * The processes that drivers have started, as everybody sees them, and the programs that this program's driver needs: what
 * `ls`, `up` and a test's skip ask without loading a driver.
 */

import { host } from "../system/os.ts";
import * as qemu from "./qemu/processes.ts";

/** All drivers, the one of this program first: a store may have machines that another one has started. */
const DRIVERS = [qemu];

/** The programs without which no machine of the host's own kind runs. */
export const requiredPrograms = DRIVERS[0].requiredPrograms;

/**
 * Looks among the host's processes for the hypervisors (gateways too) that were started with one of these control
 * sockets, made yet or not: a socket is of one store and of one member alone. Calls back with each that it finds.
 */
export function findHypervisors(controlSockets: ReadonlyMap<string, (pid: number) => void>): void {
  for (const { pid, args } of host().commandLines()) {
    if (pid === Deno.pid) continue;
    const hasSocket = DRIVERS.map((driver) => driver.controlSocketTest(args)).find(Boolean);
    if (!hasSocket) continue;
    for (const [socket, found] of controlSockets) if (hasSocket(socket)) found(pid);
  }
}
