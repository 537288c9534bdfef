/** A process that looks like a member's hypervisor, but is in no record and belongs to no holder. */

import { start } from "../../src/system/process.ts";
import { until } from "./processes.ts";
import type { Store } from "../../src/store.ts";

export async function decoyMachine(store: Store, name: string): Promise<AsyncDisposable & { pid: number }> {
  const chardev = `socket,id=qmp,path=${store.member(name).qmpSocket.replaceAll(",", ",,")},server=on`;
  const child = start("perl", ["-e", "sleep 600", "--", "-name", `guest=${name}`, "-chardev", chardev]);
  // `start` returns before the child is its program.
  const isThere = () => Deno.readTextFileSync(`/proc/${child.pid}/cmdline`).includes("guest=");
  await until("the child is its program", isThere);
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
