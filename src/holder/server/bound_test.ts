import * as assert from "#assert";
import { join } from "../../system/path.ts";
import { until } from "../../../tests/support/processes.ts";
import { exists } from "../../system/files.ts";
import { connectUnix, type UnixConnection } from "../../system/sockets.ts";
import { listenForClient, watchParent } from "./bound.ts";

async function withSocket(work: (socket: string, gone: string[]) => Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "bt" });
  const socket = join(root, "x.ctl");
  const gone: string[] = [];
  const end = listenForClient(socket, (why) => gone.push(why));
  try {
    await work(socket, gone);
    if (exists(socket)) await allSeen(socket);
  } finally {
    end();
    end();
    assert.equal(exists(socket), false);
    Deno.removeSync(root, { recursive: true });
  }
}

/** Returns when the listener has seen all that clients did before: it has then heard, and sent away, a stranger. */
async function allSeen(socket: string): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const stranger = await client(socket);
    await stranger.write("\n");
    assert.equal(await stranger.read(), "");
    stranger.close();
  }
}

async function untilGone(gone: string[]): Promise<void> {
  await until("the client's end is told", () => gone.length > 0);
}

/** Connects and goes through the handshake as far as it is told. */
async function client(socket: string, ...steps: ("bind" | "version" | "ack")[]): Promise<UnixConnection> {
  const connection = await connectUnix(socket);
  assert.ok(connection);
  for (const step of steps) {
    if (step === "version") assert.equal(await connection.read(), "1");
    else await connection.write(step);
  }
  return connection;
}

Deno.test("bound: the end of an acknowledged connection is the client's end, reported once and at once", async () => {
  await withSocket(async (socket, gone) => {
    const held = await client(socket, "bind", "version", "ack");
    await allSeen(socket);
    assert.deepEqual(gone, []);
    held.close();
    await untilGone(gone);
    await allSeen(socket);
    assert.deepEqual(gone, ["its control connection ended"]);
  });
});

Deno.test("bound: a connection that closes before its ack means nothing, however far it came", async () => {
  await withSocket(async (socket, gone) => {
    (await client(socket)).close();
    (await client(socket, "bind")).close();
    (await client(socket, "bind", "version")).close();
    const rude = await client(socket, "bind", "version");
    await rude.write("ac");
    rude.close();
    await allSeen(socket);
    assert.deepEqual(gone, []);
    const held = await client(socket, "bind", "version", "ack");
    held.close();
    await untilGone(gone);
    assert.equal(gone.length, 1, "and the watch can be armed still");
  });
});

Deno.test("bound: a connection without a bind request gets no answer and has no effect", async () => {
  await withSocket(async (socket, gone) => {
    for (const text of ["status\n", "ack", "\n", "bin\n"]) {
      const stranger = await client(socket);
      await stranger.write(text);
      assert.equal(await stranger.read(), "");
      stranger.close();
    }
    await allSeen(socket);
    assert.deepEqual(gone, []);
  });
});

Deno.test("bound: a probing connection while the client is bound changes nothing", async () => {
  await withSocket(async (socket, gone) => {
    const held = await client(socket, "bind", "version", "ack");
    (await client(socket, "bind", "version")).close();
    (await client(socket)).close();
    await allSeen(socket);
    assert.deepEqual(gone, []);
    held.close();
    await untilGone(gone);
    assert.equal(gone.length, 1);
  });
});

Deno.test("bound: a bind and an ack in pieces, and a client that closes only its write side", async () => {
  await withSocket(async (socket, gone) => {
    const conn = await Deno.connect({ transport: "unix", path: socket });
    const write = (text: string) => conn.write(new TextEncoder().encode(text));
    await write("bi");
    await allSeen(socket);
    await write("nd\n");
    assert.equal(await conn.read(new Uint8Array(8)), 1);
    await write("a");
    await allSeen(socket);
    await write("ck\n");
    await allSeen(socket);
    assert.deepEqual(gone, []);
    await conn.closeWrite();
    await untilGone(gone);
    assert.equal(gone.length, 1);
    conn.close();
  });
});

Deno.test("bound: a stale control socket in the way is replaced", async () => {
  await withSocket(async (socket) => {
    const end = listenForClient(socket, () => {});
    (await client(socket, "bind", "version")).close();
    await allSeen(socket);
    end(); // removes the socket, which is no longer the first one's
  });
});

/** Watches a child until it says that the client is gone, or, when it is not `expected` to, for many looks. */
async function watched(
  pid: number,
  parentNow: () => number,
  expected: boolean,
  act: () => void | Promise<void> = () => {},
): Promise<string[]> {
  const gone: string[] = [];
  let looks = 0;
  const look = () => (looks++, parentNow());
  const end = watchParent(pid, (why) => gone.push(why), { parentNow: look, everyMs: 1 });
  await until("it has looked, or told", () => looks > 3 || gone.length > 0);
  await act();
  if (expected) await untilGone(gone);
  const since = looks;
  // Told once: a time is the subject. Nothing looks any more that could be waited for.
  if (expected) await new Promise((later) => setTimeout(later, 20));
  else await until("it has looked again", () => looks > since + 3 || gone.length > 0);
  end();
  return gone;
}

Deno.test("bound: the parent is gone when its process is, or when we have another parent; reported once", async () => {
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  const { pid } = child;
  let parent = pid;
  assert.deepEqual(await watched(pid, () => parent, false), []);
  assert.deepEqual(await watched(pid, () => parent, true, () => void (parent = 1)), [`process ${pid} is gone`]);
  // A wrapper between us and the client: its process id is not our parent's, and that is no reason to end.
  parent = 4242;
  assert.deepEqual(await watched(pid, () => parent, false), []);
  const dies = async () => {
    child.kill("SIGKILL");
    await child.status;
  };
  assert.deepEqual(await watched(pid, () => parent, true, dies), [`process ${pid} is gone`]);
  assert.deepEqual(await watched(pid, () => parent, true), [`process ${pid} is gone`], "dead from the start");
});

Deno.test("bound: a parent that is a zombie is gone", async () => {
  // The shell does not wait for its child: that stays a zombie until the shell, which became `sleep`, ends.
  const shell = new Deno.Command("/bin/sh", { args: ["-c", "true & echo $!; exec sleep 60"], stdout: "piped" }).spawn();
  const reader = shell.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  try {
    assert.deepEqual(await watched(pid, () => pid, true), [`process ${pid} is gone`]);
  } finally {
    shell.kill("SIGKILL");
    await shell.status;
    await reader.cancel();
  }
});
