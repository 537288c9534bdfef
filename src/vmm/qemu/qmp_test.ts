import * as assert from "#assert";
import { handled } from "../../../tests/support/socket.ts";
import { FleetboxError } from "../../core/errors.ts";
import { MAX_LINE_LENGTH, QmpClient, QmpClosedError, QmpCommandError, type QmpEvent } from "./qmp.ts";

type Request = { execute: string; id: number; arguments?: Record<string, unknown> };

/** A server for one client, which says what a test tells it to. */
class FakeQemu implements AsyncDisposable {
  readonly path = `${Deno.makeTempDirSync({ prefix: "fleetbox-qmp-" })}/s`;
  readonly listener = Deno.listen({ transport: "unix", path: this.path });
  conn: Deno.Conn | undefined;
  /** Resolves when a command has been read. */
  readonly asked = Promise.withResolvers<void>();
  readonly done: Promise<void>;

  constructor(answer: (request: Request, say: (text: string) => Promise<void>) => unknown, greets = true) {
    this.done = (async () => {
      const conn = this.conn = await this.listener.accept();
      const say = async (text: string) => {
        for (let rest = new TextEncoder().encode(text); rest.length > 0;) rest = rest.subarray(await conn.write(rest));
      };
      if (greets) await say('{"QMP":{"version":{"qemu":{"major":9,"minor":1,"micro":2}},"capabilities":["oob"]}}\r\n');
      const decoder = new TextDecoder();
      for await (const chunk of conn.readable) {
        for (const line of decoder.decode(chunk).trim().split("\n")) {
          const request = JSON.parse(line) as Request;
          if (request.execute === "qmp_capabilities") await say(`{"return":{},"id":${request.id}}\r\n`);
          else {
            this.asked.resolve();
            await answer(request, say);
          }
        }
      }
    })().catch(() => {});
  }

  async [Symbol.asyncDispose]() {
    try {
      this.conn?.close();
    } catch { /* it is already closed */ }
    this.listener.close();
    await this.done;
    await Deno.remove(this.path.slice(0, -2), { recursive: true });
  }
}

Deno.test("replies find their command, whatever order and pieces they come in", async () => {
  const waiting: Request[] = [];
  await using server = new FakeQemu(async (request, say) => {
    waiting.push(request);
    if (waiting.length < 3) return;
    const text = waiting.reverse().map(({ id, execute }) => `{"return":{"said":"${execute} ü"},"id":${id}}\r\n`).join(
      "",
    );
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += 7) {
      await server.conn!.write(bytes.subarray(at, at + 7));
      if (at % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await say("");
  });
  const qmp = await QmpClient.connect(server.path);
  assert.deepEqual(qmp.version, [9, 1, 2]);
  const replies = await Promise.all(["x", "y", "z"].map((command) => qmp.execute<{ said: string }>(command)));
  assert.deepEqual(replies.map(({ said }) => said), ["x ü", "y ü", "z ü"]);
  qmp.close();
  assert.equal(await qmp.closed, undefined);
});

Deno.test("events between a command and its reply are delivered in order, and a listener that throws does not affect others", async () => {
  await using server = new FakeQemu(({ id }, say) =>
    say(
      `{"event":"STOP","timestamp":{"seconds":1,"microseconds":2}}\r\n{"event":"SHUTDOWN","data":{"guest":true}}\r\n` +
        `{"return":7,"id":${id}}\r\n`,
    )
  );
  const told: QmpEvent[] = [];
  const errors: unknown[] = [];
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    errors.push(event.error);
  };
  globalThis.addEventListener("error", onError);
  const qmp = await QmpClient.connect(server.path, {
    onEvent: (event) => {
      told.push(event);
      throw new Error("a defect");
    },
  });
  assert.equal(await qmp.execute<number>("x"), 7);
  globalThis.removeEventListener("error", onError);
  assert.deepEqual(told.map(({ event, data }) => [event, data]), [["STOP", {}], ["SHUTDOWN", { guest: true }]]);
  assert.equal(errors.length, 2);
  qmp.close();
});

Deno.test("a refusal carries its class and words", async () => {
  await using server = new FakeQemu(({ id }, say) =>
    say(`{"error":{"class":"DeviceNotFound","desc":"Device 'x' not found"},"id":${id}}\r\n`)
  );
  const qmp = await QmpClient.connect(server.path);
  await assert.rejects(
    qmp.execute("device_del"),
    (error) =>
      error instanceof QmpCommandError && error.errorClass === "DeviceNotFound" && /'x' not found/.test(error.message),
  );
  qmp.close();
});

Deno.test("the end of the connection rejects what is pending, and what comes after", async () => {
  await using server = new FakeQemu((): void => server.conn!.close());
  const qmp = await QmpClient.connect(server.path);
  await assert.rejects(qmp.execute("quit"), QmpClosedError);
  assert.ok(await qmp.closed instanceof QmpClosedError);
  await assert.rejects(qmp.execute("query-status"), /did not answer query-status/);
  assert.equal(qmp.open, false);
});

Deno.test("what was sent before the connection ended is delivered, also when a command meets the end first", async () => {
  const release = Promise.withResolvers<void>();
  // It reads nothing from the command on, so that its close() is at once.
  await using server = new FakeQemu(() => release.promise);
  const told: string[] = [];
  const qmp = await QmpClient.connect(server.path, { onEvent: ({ event }) => told.push(event) });
  const first = assert.rejects(qmp.execute("query-status"), QmpClosedError);
  await server.asked.promise;
  // More than a read takes: the second command's write fails before the last line is read.
  const events = `{"event":"STOP","data":{"pad":"${".".repeat(500)}"}}\r\n`.repeat(100) + '{"event":"SHUTDOWN"}\r\n';
  const bytes = new TextEncoder().encode(events);
  const written = server.conn!.write(bytes);
  server.conn!.close();
  await assert.rejects(qmp.execute("system_powerdown"), QmpClosedError);
  await first;
  assert.equal(await written, bytes.length);
  assert.ok(await qmp.closed instanceof QmpClosedError);
  assert.equal(told.length, 101);
  assert.equal(told.at(-1), "SHUTDOWN");
  release.resolve();
});

Deno.test("a command times out alone: a late reply is dropped, the next command works", async () => {
  let late: number | undefined;
  await using server = new FakeQemu(({ id }, say) => {
    if (late === undefined) return void (late = id);
    return say(`{"return":"late","id":${late}}\r\n{"return":"good","id":${id}}\r\n`);
  });
  const qmp = await QmpClient.connect(server.path);
  await assert.rejects(
    qmp.execute("slow", undefined, { timeoutMs: 20 }),
    (error) => error instanceof FleetboxError && error.code === "timeout",
  );
  assert.equal(await qmp.execute("next"), "good");
  qmp.close();
});

for (
  const [what, bytes] of [
    ["what is not JSON", "HTTP/1.1 400 Bad Request\r\n"],
    ["JSON that is no object", "42\r\n"],
    ["a line without an end", "x".repeat(MAX_LINE_LENGTH + 1)],
  ]
) {
  Deno.test(`${what} ends the connection with an error that says so`, async () => {
    await using server = new FakeQemu((_, say) => say(bytes));
    const qmp = await QmpClient.connect(server.path);
    await assert.rejects(qmp.execute("x"), QmpClosedError);
    assert.match(String((await qmp.closed)!.cause), /is not QMP|more than/);
  });
}

Deno.test("connect() waits for a socket that appears later", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "fleetbox-qmp-" });
  // Before each try it looks whether it is to end.
  const { signal } = new AbortController();
  const triedTwice = Promise.withResolvers<void>();
  let looks = 0;
  Object.defineProperty(signal, "aborted", {
    get() {
      if (++looks === 3) triedTwice.resolve();
      return false;
    },
  });
  const attempt = handled(QmpClient.connect(`${dir}/s`, { timeoutMs: 30_000, signal }));
  await triedTwice.promise;
  await using server = new FakeQemu(() => {});
  await Deno.rename(server.path, `${dir}/s`);
  (await attempt).close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("connect() gives up: no socket, no greeting, an abort", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "fleetbox-qmp-" });
  const code = (expected: string) => (error: unknown) => error instanceof FleetboxError && error.code === expected;
  await assert.rejects(QmpClient.connect(`${dir}/none`, { retry: false }), code("not-found"));
  await assert.rejects(QmpClient.connect(`${dir}/none`, { timeoutMs: 20 }), code("timeout"));
  const reason = new FleetboxError("interrupted", "enough");
  await assert.rejects(QmpClient.connect(`${dir}/none`, { signal: AbortSignal.abort(reason) }), reason);
  await using silent = new FakeQemu(() => {}, false);
  await assert.rejects(QmpClient.connect(silent.path, { timeoutMs: 20 }), code("timeout"));
  await Deno.remove(dir, { recursive: true });
});
