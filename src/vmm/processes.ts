/**
 * The processes that the driver has started, as everybody sees them, and the programs that it needs: what `ls`, `up` and a
 * test's skip ask without loading the driver.
 */

import { host } from "../system/os.ts";
import { controlSocketTest, requiredPrograms } from "./qemu/processes.ts";

export { requiredPrograms };

/**
 * Looks among the host's processes for the hypervisors (gateways too) that were started with one of these control
 * sockets, made yet or not: a socket is of one store and of one member alone. Calls back with each that it finds.
 */
export function findHypervisors(controlSockets: ReadonlyMap<string, (pid: number) => void>): void {
  for (const { pid, args } of host().commandLines()) {
    if (pid === Deno.pid) continue;
    const hasSocket = controlSocketTest(args);
    if (!hasSocket) continue;
    for (const [socket, found] of controlSockets) if (hasSocket(socket)) found(pid);
  }
}
