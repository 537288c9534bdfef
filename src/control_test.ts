import assert from "node:assert/strict";
import { join } from "node:path";
import * as control from "./control.ts";
import { FleetboxError } from "./errors.ts";
import { Store } from "./store.ts";
import { encodeLine, type Event, type MemberReport, type State } from "./wire.ts";

/** A stand-in for a holder: answers each connection to a member's socket with what `reply` gives, then closes. */
async function withHolder(
  reply: (request: string) => string | undefined | AsyncIterable<string>,
  work: (store: Store) => Promise<void>,
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "ct" });
  const store = Store.at(join(root, "s"));
  store.ensure();
  const listener = Deno.listen({ transport: "unix", path: store.memberSocket("a") });
  const open = new Set<Deno.Conn>();
  const serving = (async () => {
    try {
      for await (const conn of listener) {
        open.add(conn);
        void (async () => {
          const buffer = new Uint8Array(4096);
          const count = await conn.read(buffer) ?? 0;
          const answer = reply(new TextDecoder().decode(buffer.subarray(0, count)).trim());
          if (answer === undefined) return; // silence
          const pieces = typeof answer === "string" ? [answer] : answer;
          for await (const piece of pieces) await conn.write(new TextEncoder().encode(piece));
          open.delete(conn);
          conn.close();
        })().catch(() => {});
      }
    } catch { /* closed */ }
  })();
  try {
    await work(store);
  } finally {
    listener.close();
    await serving;
    for (const conn of open) conn.close();
    Deno.removeSync(root, { recursive: true });
  }
}

function report(name: string, state: State, rest: Partial<MemberReport> = {}): MemberReport {
  const running = state !== "error" && state !== "stopped";
  return { name, pid: 1, running, ip: "", state, cpus: 1, memory_mb: 256, image: "micro", ...rest };
}
const member = (name: string, state: State, rest?: Partial<MemberReport>): Event => ({
  event: "member",
  member: report(name, state, rest),
});
const lines = (...events: object[]) => events.map(encodeLine).join("");

Deno.test("control: nobody serves a member whose socket is missing, or is dead", async () => {
  await withHolder(() => "", async (store) => {
    assert.equal(await control.getStatus(store, "b"), undefined);
    const dead = Deno.listen({ transport: "unix", path: store.memberSocket("dead") });
    Deno.renameSync(store.memberSocket("dead"), store.memberSocket("b"));
    dead.close();
    assert.equal(await control.isRunning(store, "b"), false);
    assert.equal(await control.stop(store, "b"), false);
    await assert.rejects(control.addMember(store, "b", "c"), /"b" is not running/);
    await assert.rejects(control.waitMembers(store, ["b"]), /"b" is not running/);
  });
});

Deno.test("control: a status is read whole, however it is split", async () => {
  const text = JSON.stringify({ name: "a", pid: 7, running: true, ip: "10.88.0.11", state: "running" });
  await withHolder(async function* () {
    for (const character of text) yield character;
  }, async (store) => {
    assert.deepEqual(await control.getStatus(store, "a"), JSON.parse(text));
  });
});

Deno.test("control: a holder that answers nonsense, or not at all, is an error that says so", async () => {
  await withHolder(() => "nonsense", async (store) => {
    await assert.rejects(control.getStatus(store, "a"), /did not answer with a status/);
    await assert.rejects(control.getReport(store, "a"), /something else than JSON/);
  });
  await withHolder(() => undefined, async (store) => {
    const late = (thrown: unknown) => thrown instanceof FleetboxError && thrown.code === "timeout";
    await assert.rejects(control.getStatus(store, "a", 30), late);
  });
});

Deno.test("control: a holder's error arrives as the error that it was", async () => {
  const error = { code: "not-found", message: "no", causes: ["because"], hint: "do" };
  await withHolder(
    (request) => lines(request.includes("add") ? { event: "error", ...error } : error),
    async (store) => {
      for (const asked of [control.getReport(store, "a"), control.addMember(store, "a", "b")]) {
        const matches = (thrown: unknown) =>
          thrown instanceof FleetboxError && thrown.code === "not-found" && thrown.hint === "do";
        await assert.rejects(asked, matches);
      }
    },
  );
});

Deno.test("control: waitMembers ends when all of them run, in the order that was asked", async () => {
  await withHolder(
    () => lines(member("b", "running"), member("a", "starting"), member("a", "running")),
    async (store) => {
      const reports = await control.waitMembers(store, ["a", "b"]);
      assert.deepEqual(reports.map(({ name, state }) => [name, state]), [["a", "running"], ["b", "running"]]);
    },
  );
});

Deno.test("control: waitMembers ends at once when one fails, with its cause", async () => {
  const failure = { code: "no-space" as const, message: "cannot boot b", causes: ["disk full"] };
  const events = lines(member("a", "starting"), member("b", "error", { failure }));
  await withHolder(async function* () {
    yield events;
    await new Promise(() => {});
  }, async (store) => {
    await assert.rejects(control.waitMembers(store, ["a", "b"]), (thrown) => {
      return thrown instanceof FleetboxError && thrown.code === "no-space" && thrown.message === "cannot boot b";
    });
  });
});

Deno.test("control: waitMembers says who is missing, and at which stage, when its limit has passed", async () => {
  await withHolder(async function* () {
    yield lines(member("a", "starting", { stage: "kernel" }));
    await new Promise(() => {});
  }, async (store) => {
    await assert.rejects(
      control.waitMembers(store, ["a"], { timeoutMs: 40 }),
      /Not running after 0.04 s: a \(kernel\)/,
    );
  });
});

Deno.test("control: time spent downloading is not charged, and is announced once", async () => {
  const downloads: string[] = [];
  await withHolder(async function* () {
    yield lines(member("a", "downloading"), member("a", "downloading"));
    await new Promise((later) => setTimeout(later, 400));
    yield lines(member("a", "starting"), member("a", "running"));
  }, async (store) => {
    await control.waitMembers(store, ["a"], { timeoutMs: 200, onDownload: (name) => downloads.push(name) });
  });
  assert.deepEqual(downloads, ["a"]);
});

Deno.test("control: a signal ends a wait as interrupted", async () => {
  await withHolder(async function* () {
    yield lines(member("a", "starting"));
    await new Promise(() => {});
  }, async (store) => {
    const abort = new AbortController();
    const wait = control.waitMembers(store, ["a"], { signal: abort.signal, onEvent: () => abort.abort() });
    await assert.rejects(wait, (thrown) => thrown instanceof FleetboxError && thrown.code === "interrupted");
  });
});

Deno.test("control: a holder that cannot serve tells why, and a silent one is reported with its log", async () => {
  const root = Deno.makeTempDirSync({ prefix: "ct" });
  try {
    const store = Store.at(join(root, "s"));
    const as = (script: string) => ({ exe: { program: "/bin/sh", args: ["-c", script] }, names: ["a"] });
    const error = JSON.stringify({ code: "conflict", message: "taken", causes: [] });
    await assert.rejects(control.spawn(store, as(`echo '${error}'; exit 1`)), (thrown) => {
      return thrown instanceof FleetboxError && thrown.code === "conflict" && thrown.message === "taken";
    });
    await assert.rejects(control.spawn(store, as("exit 7")), (thrown) => {
      return thrown instanceof FleetboxError && /with code 7/.test(thrown.message) &&
        /runner-a\.log/.test(thrown.hint!);
    });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
