import * as assert from "#assert";
import { handled } from "../tests/support/socket.ts";
import { join } from "./system/path.ts";
import * as control from "./control.ts";
import { FleetboxError } from "./core/errors.ts";
import { identify } from "./system/process.ts";
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

Deno.test("control: a console's replay and its live bytes are told apart, however they arrive", async () => {
  const replies = [
    ['{"event":"console","replay":4}\npastnow'],
    ['{"event":"cons', 'ole","replay":4}', "\np", "a", "st", "now"],
    ['{"event":"console","replay":4}\npast', "n", "ow"],
  ];
  for (const pieces of replies) {
    await withHolder(async function* () {
      for (const piece of pieces) {
        yield piece;
        await new Promise((soon) => setTimeout(soon, 5));
      }
    }, async (store) => {
      using stream = (await control.openConsole(store, "a"))!;
      const text = (bytes?: Uint8Array) => new TextDecoder().decode(bytes);
      assert.equal(text(stream.replay), "past");
      let said = "";
      for (let bytes = await stream.read(); bytes; bytes = await stream.read()) said += text(bytes);
      assert.equal(said, "now");
    });
  }
  await withHolder(() => "", async (store) => {
    assert.equal(await control.openConsole(store, "a"), undefined, "it ended before it said anything");
    assert.equal(await control.openConsole(store, "b"), undefined);
  });
});

Deno.test("control: an older holder that does not know a request is reported, with what to do", async () => {
  const message = 'unknown op "console"; expected one of report, group';
  await withHolder(() => lines({ code: "protocol", message, causes: [], unknown_op: "console" }), async (store) => {
    const calls = [() => control.openConsole(store, "a"), () => control.forward(store, "a", { guest_port: 80 })];
    for (const call of calls) {
      await assert.rejects(call, (thrown: FleetboxError) => {
        assert.equal(thrown.code, "protocol");
        assert.equal(thrown.message, "The holder does not know console: it is from an older fleetbox");
        assert.match(thrown.hint!, /stop the group and start it again/);
        return true;
      });
    }
  });
});

Deno.test("control: an older holder that does not know an option of a new member is reported, with what to do", async () => {
  // The earliest ones have no field for it.
  for (
    const named of [{ message: 'Unknown option "must"; expected one of image' }, {
      message: "no",
      unknown_option: "must",
    }]
  ) {
    await withHolder(() => lines({ event: "error", code: "misuse", causes: [], ...named }), async (store) => {
      const refused = {
        code: "conflict",
        message: /the holder of "a" is of an earlier version/,
        hint: /^Stop all members/,
      };
      await assert.rejects(control.addMember(store, "a", "b", { options: { must: ["resize"] } }), refused);
    });
  }
});

Deno.test("control: a member whose socket is missing or dead is not served", async () => {
  await withHolder(() => "", async (store) => {
    assert.equal(await control.getStatus(store, "b"), undefined);
    const dead = Deno.listen({ transport: "unix", path: store.memberSocket("dead") });
    Deno.renameSync(store.memberSocket("dead"), store.memberSocket("b"));
    dead.close();
    assert.equal(await control.getStatus(store, "b"), undefined);
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
    await assert.rejects(control.getStatus(store, "a"), /sent a malformed status/);
    await assert.rejects(control.getReport(store, "a"), /sent a malformed reply/);
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

Deno.test("control: waitMembers names the missing members and their stages when its limit has passed", async () => {
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

Deno.test("control: a limit for each stage begins anew with the next one", async () => {
  await withHolder(async function* () {
    for (const stage of ["boot", "kernel", "network"] as const) {
      yield lines(member("a", "starting", { stage }));
      // A time is the subject: all of them are longer than the limit.
      await new Promise((later) => setTimeout(later, 600));
    }
    yield lines(member("a", "running"));
  }, async (store) => {
    await control.waitMembers(store, ["a"], { timeoutMs: 1_500, byStage: true });
    await assert.rejects(control.waitMembers(store, ["a"], { timeoutMs: 1_500 }), /Not running after 1.5 s/);
  });
});

Deno.test("control: time spent downloading is not charged, and is announced once", async () => {
  const downloads: string[] = [];
  await withHolder(async function* () {
    yield lines(member("a", "downloading"), member("a", "downloading"));
    // A time is the subject: the limit would have passed, if it counted.
    await new Promise((later) => setTimeout(later, 1_200));
    yield lines(member("a", "starting"), member("a", "running"));
  }, async (store) => {
    await control.waitMembers(store, ["a"], { timeoutMs: 1_000, onDownload: (name) => downloads.push(name) });
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

Deno.test("control: a holder that cannot serve reports why, and a silent one is reported with its log", async () => {
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

/** A helper that says that it serves, beside a control socket that we play: its side of the handshake. */
async function withHelper(
  answer: ((conn: Deno.UnixConn) => Promise<void>) | undefined,
  work: (store: Store, spawned: () => Promise<control.Session>, pid: () => number) => Promise<void>,
  script = 'echo \'{"serving":["a"]}\'; exec sleep 60',
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "ct" });
  const store = Store.at(join(root, "s"));
  store.ensure();
  const listener = answer && Deno.listen({ transport: "unix", path: store.controlSocket("a") });
  const serving = (async () => {
    try {
      for await (const conn of listener ?? []) await answer!(conn).catch(() => {});
    } catch { /* closed */ }
  })();
  const exe = { program: "/bin/sh", args: ["-c", `echo $$ > ${root}/pid; ${script}`] };
  try {
    await work(
      store,
      () =>
        control.spawn(store, { exe, names: ["a"], bound: true }, { servingMs: 2_000, handshakeMs: 300, endMs: 500 }),
      () => Number(Deno.readTextFileSync(join(root, "pid"))),
    );
    assert.equal(
      identify(Number(Deno.readTextFileSync(join(root, "pid")))),
      undefined,
      "the helper is killed and reaped",
    );
  } finally {
    listener?.close();
    await serving;
    Deno.removeSync(root, { recursive: true });
  }
}

const encode = (text: string) => new TextEncoder().encode(text);
/** Hears `bind` and answers; holds the connection until the other side closes it. */
const speaks = (version: string) => async (conn: Deno.UnixConn) => {
  const buffer = new Uint8Array(64);
  const count = await conn.read(buffer);
  assert.equal(new TextDecoder().decode(buffer.subarray(0, count!)), "bind\n");
  await conn.write(encode(version));
  try {
    while (await conn.read(buffer) !== null);
  } finally {
    conn.close();
  }
};
const isProtocolError = (words: RegExp) => (thrown: unknown) => {
  assert.ok(thrown instanceof FleetboxError, String(thrown));
  assert.equal(thrown.code, "protocol");
  assert.match(thrown.message, words);
  assert.match(thrown.hint!, /of the same version/);
  return true;
};

for (
  const [what, version, words] of [
    ["another version", "2", /speaks version "2" of the protocol, expected version 1/],
    ["a version with a newline that is not ours", "12\n", /speaks version "12" of the protocol, expected version 1/],
    ["garbage", "\u0000\u0001garbage ".repeat(20), /speaks version ".*….* of the protocol, expected version 1/],
    ["an error", "err: unknown command", /speaks version "err: unknown command" of the protocol, expected version 1/],
  ] as const
) {
  Deno.test(`control: a helper that answers ${what} is killed, and the error names both versions`, async () => {
    await withHelper(speaks(version), async (_, spawned) => {
      await assert.rejects(spawned(), isProtocolError(words));
    });
  });
}

Deno.test("control: a helper that does not answer, or hangs up, or takes no bind, is killed, and the error says so", async () => {
  const silent = async (conn: Deno.UnixConn) => {
    try {
      while (await conn.read(new Uint8Array(64)) !== null);
    } finally {
      conn.close();
    }
  };
  const words = /does not say which version of the protocol it speaks, expected version 1/;
  await withHelper(silent, async (_, spawned) => {
    await assert.rejects(spawned(), isProtocolError(words));
  });
  const hangsUp = async (conn: Deno.UnixConn) => {
    await conn.read(new Uint8Array(64));
    conn.close();
  };
  await withHelper(hangsUp, async (_, spawned) => {
    await assert.rejects(spawned(), isProtocolError(words));
  });
  await withHelper((conn) => Promise.resolve(conn.close()), async (_, spawned) => {
    await assert.rejects(spawned(), (thrown) => thrown instanceof FleetboxError && thrown.code === "protocol");
  });
});

Deno.test("control: a helper of our version is held, with or without a newline, until close, which may be called twice", async () => {
  for (const version of ["1", "1\n"]) {
    const heard: string[] = [];
    const acknowledged = Promise.withResolvers<void>();
    const helper = async (conn: Deno.UnixConn) => {
      const buffer = new Uint8Array(64);
      for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
        heard.push(new TextDecoder().decode(buffer.subarray(0, count)));
        if (heard.length === 1) await conn.write(encode(version));
        else acknowledged.resolve();
      }
      heard.push("the end");
      conn.close();
    };
    await withHelper(helper, async (_, spawned, pid) => {
      const session = await spawned();
      assert.equal(session.pid, pid());
      await acknowledged.promise;
      assert.deepEqual(heard, ["bind\n", "ack\n"]);
      await Promise.all([session.close(), session.close()]); // this helper does not care: it is killed at last
      await session[Symbol.asyncDispose]();
      await session.ended;
      assert.deepEqual(heard, ["bind\n", "ack\n", "the end"]);
    });
  }
});

Deno.test("control: without a control socket a session is bound by its process id alone, and close ends the holder", async () => {
  await withHelper(undefined, async (_, spawned) => {
    const session = await spawned();
    assert.equal(session.bound, true);
    await session.close();
    await session.close();
  });
});

Deno.test("control: a control socket that is a moment late is found", async () => {
  const root = Deno.makeTempDirSync({ prefix: "ct" });
  const store = Store.at(join(root, "s"));
  store.ensure();
  try {
    const exe = { program: "/bin/sh", args: ["-c", 'echo \'{"serving":["a"]}\'; exec sleep 60'] };
    const path = store.controlSocket("a");
    const lookedTwice = Promise.withResolvers<void>();
    let looks = 0;
    store.controlSocket = () => {
      if (++looks === 2) lookedTwice.resolve();
      return path;
    };
    const spawned = handled(control.spawn(store, { exe, names: ["a"], bound: true }, { endMs: 500 }));
    await lookedTwice.promise;
    const listener = Deno.listen({ transport: "unix", path });
    const conn = await listener.accept();
    const buffer = new Uint8Array(64);
    assert.equal(await conn.read(buffer), "bind\n".length);
    await conn.write(encode("1"));
    const session = await spawned;
    assert.equal(await conn.read(buffer), "ack\n".length);
    listener.close();
    await session.close();
    assert.equal(await conn.read(buffer), null);
    conn.close();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("control: a program that is not a holder is recognised and ended", async () => {
  const cases: [script: string, code: string, words: RegExp][] = [
    ["echo hello; exec sleep 60", "protocol", /The program that was started is not a fleetbox holder/],
    ["echo '[]'; exec sleep 60", "protocol", /The program that was started is not a fleetbox holder/],
    [
      "yes | tr -d '\\n' | head -c 1000000; exec sleep 60",
      "protocol",
      /The program that was started is not a fleetbox holder/,
    ],
    ["exec sleep 60", "timeout", /was not ready after 2 s/],
    ["exec >&-; exec sleep 60", "failed", /closed its output/],
    ["exit 3", "failed", /ended before it served, with code 3/],
    ["kill -9 $$", "failed", /ended before it served, (SIGKILL|with code 137)/],
    [
      `echo '${JSON.stringify({ code: "no-space", message: "full", causes: ["disk"], hint: "free" })}'; exec sleep 60`,
      "no-space",
      /^full$/,
    ],
  ];
  await Promise.all(cases.map(([script, code, words]) =>
    withHelper(undefined, async (_, spawned) => {
      await assert.rejects(spawned(), (thrown) => {
        assert.ok(thrown instanceof FleetboxError, script);
        assert.deepEqual([thrown.code, words.test(thrown.message)], [code, true], `${script}: ${thrown.message}`);
        return true;
      });
    }, script)
  ));
});
