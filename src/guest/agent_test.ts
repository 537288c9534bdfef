/** Talking with a guest's agent over a socket; the guest is an object here (`fake_kernel.ts`). */

import * as assert from "#assert";
import { FakeKernel } from "../../tests/fake_qemu/fake_kernel.ts";
import { FleetboxError } from "../core/errors.ts";
import { Agent } from "./agent.ts";
import { agentMessage, agentProgram } from "./agent_program.ts";
import { replied } from "./program_file.ts";
import { HOSTS, renew } from "./renewal.ts";

const AGENT = agentProgram("x86_64");

/** A socket as QEMU has for a guest's port. Dispose of it. */
class Port implements Disposable {
  readonly #directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  readonly path = `${this.#directory}/agt`;
  readonly #listener = Deno.listen({ transport: "unix", path: this.path });

  /** @param hear gets what comes; `say` sends, and ends the connection with undefined */
  constructor(hear: (bytes: Uint8Array, say: (bytes: Uint8Array | undefined) => void) => void) {
    void this.#serve(hear).catch(() => {});
  }

  async #serve(hear: (bytes: Uint8Array, say: (bytes: Uint8Array | undefined) => void) => void): Promise<void> {
    for await (const conn of this.#listener) {
      let said = Promise.resolve();
      const say = (bytes: Uint8Array | undefined) => {
        said = said.then(async () => bytes ? void await conn.write(bytes) : conn.close()).catch(() => {});
      };
      void (async () => {
        const buffer = new Uint8Array(100);
        for (let count; (count = await conn.read(buffer)) !== null;) hear(buffer.slice(0, count), say);
        conn.close();
      })().catch(() => {});
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

/** The port of a guest whose agent listens. */
function portOf(guest: FakeKernel): Port {
  guest.load(AGENT.file);
  return new Port((bytes, say) => {
    guest.feed(bytes);
    const output = guest.take();
    for (let at = 0; at < output.length; at += 50) say(output.slice(at, at + 50));
  });
}

const reach = (port: Port, options: { signal?: AbortSignal; answerMs?: number } = {}) =>
  Agent.reach(port.path, { arch: "x86_64", signal: new AbortController().signal, ...options });

const error = (code: string, message: RegExp) => (thrown: unknown) =>
  thrown instanceof FleetboxError && thrown.code === code && message.test(thrown.message);

Deno.test("agent: a guest gets the time, random numbers and a host name, for one holder after the other", async () => {
  const guest = new FakeKernel();
  using port = portOf(guest);
  for (const [hostName, oldHostName] of [["web", "a"], ["b", "web"]]) {
    using agent = await reach(port);
    await renew(agent, { clock: "set", hostName, oldHostName });
    assert.equal(guest.hostName, hostName);
    assert.equal(
      guest.files.get(HOSTS),
      `127.0.0.1 localhost\n10.88.0.11 ${hostName}.fleetbox.internal ${hostName} # fleetbox\n`,
    );
  }
  assert.ok(Math.abs(guest.clockMs - Date.now()) < 10_000);
  assert.deepEqual([guest.settings, guest.reseeds], [2, 2]);
  using agent = await reach(port);
  await renew(agent, { clock: "keep" });
  assert.deepEqual([guest.settings, guest.reseeds], [2, 3]);
});

Deno.test("agent: a guest that cannot read its hosts file says so", async () => {
  const guest = new FakeKernel();
  guest.files.delete(HOSTS);
  using port = portOf(guest);
  using agent = await reach(port);
  assert.equal(await agent.file(), -2);
  guest.files.set(HOSTS, "");
  assert.deepEqual(await agent.file(), new Uint8Array(0));
});

Deno.test("agent: what an earlier holder left half said does not last", async () => {
  const guest = new FakeKernel();
  using port = portOf(guest);
  const { message } = agentMessage("x86_64", replied([{ name: "clock_settime", args: [0, 0] }], AGENT.wait));
  for (const count of [3, 30, message.length - 1]) {
    guest.feed(message.subarray(0, count));
    using agent = await reach(port);
    await agent.ready();
  }
  assert.equal(guest.settings, 0);
});

Deno.test("agent: one that is silent, one whose port is closed, and one that is not there are told", async () => {
  {
    using port = new Port(() => {});
    using agent = await reach(port, { answerMs: 500 });
    await assert.rejects(agent.ready(), error("timeout", /^no answer in 0\.5 s$/));
  }
  const closed = new Port((_, say) => say(undefined));
  {
    using agent = await reach(closed);
    await assert.rejects(agent.ready(), error("failed", /port was closed/));
  }
  closed[Symbol.dispose]();
  await assert.rejects(reach(closed), error("not-found", /^nobody listens at /));
});

Deno.test("agent: noise before the answer is passed over; noise without end, and an answer without a body, are refused", async () => {
  const guest = new FakeKernel();
  guest.load(AGENT.file);
  {
    using port = new Port((bytes, say) => {
      say(new Uint8Array(30_000).fill(7));
      guest.feed(bytes);
      say(guest.take());
    });
    using agent = await reach(port);
    await agent.ready();
  }
  {
    using port = new Port((_, say) => say(new Uint8Array(1024 * 1024)));
    using agent = await reach(port);
    await assert.rejects(agent.ready(), error("protocol", /says something else/));
  }
  using port = new Port((bytes, say) => say(bytes.slice(-20))); // the mark, and what is behind it, as it came
  using agent = await reach(port);
  await assert.rejects(agent.ready(), error("protocol", /says \d+ bytes, expected \d+/));
});

Deno.test("agent: a file whose length is a lie is not waited for", async () => {
  const guest = new FakeKernel();
  guest.load(AGENT.file);
  using port = new Port((bytes, say) => {
    guest.feed(bytes);
    const output = guest.take();
    // The result of its second call, read(2), in the table that comes back.
    if (output.length > 120) new DataView(output.buffer).setInt32(40 + 36, 0x7000_0000, true);
    say(output);
  });
  using agent = await reach(port);
  await assert.rejects(agent.file(), error("protocol", /has read 1879048192 bytes .*, expected 65536 at most/));
});

Deno.test("agent: the signal ends the wait, with its reason", async () => {
  using port = new Port(() => {});
  const reason = new FleetboxError("timeout", "too late");
  const limit = new AbortController();
  using agent = await reach(port, { signal: limit.signal });
  const ended = agent.ready();
  setTimeout(() => limit.abort(reason), 20);
  await assert.rejects(ended, (thrown) => thrown === reason);
  await assert.rejects(reach(port, { signal: limit.signal }), (thrown) => thrown === reason);
});
