/** The fake QEMU's second serial port, and the guest's agent behind it. */

import { writeAll } from "../../src/core/bytes.ts";
import type { FakeKernel } from "./fake_kernel.ts";
import { type Behaviour, sleep } from "./qemu.ts";

/**
 * Listens at the port's socket, for one client at a time. The agent does what it is told, and the console says so: `renewed:
 * it is called "a"`.
 */
export function openAgentPort(
  socket: string,
  { agent = "answers" }: Behaviour,
  say: (line: string) => void,
  isRunning: () => boolean,
): void {
  const answer = makeAgent(say, isRunning);
  const listener = Deno.listen({ transport: "unix", path: socket });
  void (async () => {
    for await (const conn of listener) {
      try {
        if (agent === "answers") await answer(conn);
        else await beUseless(conn, agent);
      } catch { /* the client left */ }
      conn.close();
    }
  })();
}

/** One guest, for one client after the other. */
function makeAgent(say: (line: string) => void, isRunning: () => boolean): (conn: Deno.Conn) => Promise<void> {
  let loaded: Promise<FakeKernel> | undefined;
  let reseeds = 0;
  return async (conn) => {
    const kernel = await (loaded ??= loadKernel());
    const buffer = new Uint8Array(16);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      while (!isRunning()) await sleep(5);
      kernel.feed(buffer.subarray(0, count));
      if (kernel.reseeds > reseeds) say(`renewed: it is called "${kernel.hostName}"`);
      reseeds = kernel.reseeds;
      await writeAll(conn, kernel.take());
    }
  };
}

async function loadKernel(): Promise<FakeKernel> {
  const [{ agentProgram }, { FakeKernel }] = await Promise.all([
    import("../../src/guest/agent_program.ts"),
    import("./fake_kernel.ts"),
  ]);
  const kernel = new FakeKernel();
  kernel.load(agentProgram("x86_64").file);
  return kernel;
}

async function beUseless(conn: Deno.Conn, agent: "silent" | "garbage"): Promise<void> {
  const buffer = new Uint8Array(4096);
  while (await conn.read(buffer) !== null) {
    if (agent === "garbage") { for (let pieces = 0; pieces < 100; pieces++) await conn.write(buffer); }
  }
}
