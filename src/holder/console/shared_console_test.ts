import * as assert from "#assert";
import { joined, SharedConsole, Tail, Viewer } from "./shared_console.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (some: Uint8Array) => new TextDecoder().decode(some);

Deno.test("a tail keeps the last bytes, however they come", () => {
  const tail = new Tail(5);
  assert.equal(text(tail.bytes()), "");
  let all = "";
  for (const piece of ["ab", "c", "", "defghij", "k", "lmno", "pqrst", "u"]) {
    tail.push(bytes(piece));
    all += piece;
    assert.equal(text(tail.bytes()), all.slice(-5));
  }
});

Deno.test("the log and what arrived are joined where they meet, whichever is ahead", () => {
  const join = (log: string, arrived: string) => text(joined(bytes(log), bytes(arrived)));
  const words = Array.from({ length: 40 }, (_, index) => `word ${index} `);
  const [first, last] = [words.slice(0, 30).join(""), words.slice(30).join("")];
  assert.equal(join(first + last, first), first, "the log is ahead: the rest comes as it arrives");
  assert.equal(join(first, first.slice(-200) + last), first + last, "the log is behind");
  assert.equal(join("of the log alone", ""), "of the log alone");
  assert.equal(join("", "has just arrived"), "has just arrived");
  assert.equal(join("of another boot", "nowhere"), "of another boot");
});

/** A client that takes bytes only when it is told to. */
class Slow {
  taken = "";
  #gate = Promise.withResolvers<void>();

  async write(some: Uint8Array): Promise<number> {
    await this.#gate.promise;
    this.taken += text(some);
    return some.length;
  }

  open(): void {
    this.#gate.resolve();
  }
}

Deno.test("a client that does not read loses bytes once a MiB waits for it, learns how many, and gets the last ones", async () => {
  const slow = new Slow();
  const viewer = new Viewer(slow);
  const piece = bytes("x".repeat(64 * 1024));
  for (let count = 0; count < 20; count++) viewer.push(piece);
  viewer.push(bytes("the last words"));
  slow.open();
  await new Promise((soon) => setTimeout(soon));
  viewer.push(bytes("after"));
  viewer.end();
  await viewer.ended;
  const note = `\r\n[fleetbox: ${4 * 64 * 1024 + 14 - 32 * 1024} bytes are missing here: read too slowly]\r\n`;
  const told = slow.taken.replaceAll(/x{9,}/g, (run) => `${run.length} x`);
  assert.equal(told, `${1024 * 1024} x${note}${32 * 1024 - 14} xthe last wordsafter`);
});

Deno.test("a client that was late by little loses nothing", async () => {
  const slow = new Slow();
  const viewer = new Viewer(slow);
  viewer.push(bytes("x".repeat(1024 * 1024)));
  viewer.push(bytes("one"));
  viewer.push(bytes("two"));
  slow.open();
  viewer.end();
  await viewer.ended;
  assert.equal(slow.taken.replace(/x+/, "…"), "…onetwo");
});

Deno.test("a client whose queue fills up is waited for once, and again only when it has caught up", async () => {
  const slow = new Slow();
  const viewer = new Viewer(slow);
  viewer.push(bytes("x".repeat(600 * 1024)));
  assert.ok(viewer.isFilling);
  await viewer.room(1);
  assert.ok(!viewer.isFilling, "it is slow: nobody waits for it");
  slow.open();
  await new Promise((soon) => setTimeout(soon));
  viewer.push(bytes("x".repeat(600 * 1024)));
  assert.ok(viewer.isFilling);
  await viewer.room(60_000); // it reads now
  assert.ok(!viewer.isFilling);
});

Deno.test("a client that has left ends its queue", async () => {
  const viewer = new Viewer({ write: () => Promise.reject(new Deno.errors.BrokenPipe()) });
  viewer.push(bytes("nobody reads"));
  await viewer.ended;
});

/** Two ends of a unix socket. */
async function pair(path: string): Promise<[Deno.UnixConn, Deno.UnixConn]> {
  using listener = Deno.listen({ transport: "unix", path });
  const accepted = listener.accept();
  return [await Deno.connect({ transport: "unix", path }), await accepted];
}

async function readUntil(conn: Deno.UnixConn, end: string): Promise<string> {
  const buffer = new Uint8Array(4096);
  let said = "";
  while (!said.endsWith(end)) {
    const count = await conn.read(buffer);
    if (count === null) return said;
    said += text(buffer.subarray(0, count));
  }
  return said;
}

Deno.test("several share a console: what was said before comes first, all hear the guest, all may type, and all hear the end", async () => {
  const dir = Deno.makeTempDirSync();
  const log = `${dir}/serial.log`;
  Deno.writeTextFileSync(log, "earlier boot\r\nSeaBIOS\r\n");
  const shared = new SharedConsole(log);
  const greeting = (replay: number) => bytes(`${replay}\n`);
  const served: Promise<void>[] = [];
  const attach = async (name: string) => {
    const [mine, theirs] = await pair(`${dir}/${name}`);
    served.push(shared.attach(theirs, greeting).finally(() => theirs.close()));
    return mine;
  };
  const listener = Deno.listen({ transport: "unix", path: `${dir}/console` });
  try {
    // Attached before there is a machine: what it types is lost, what the machine has said by then is not.
    using early = await attach("early");
    assert.equal(await readUntil(early, "SeaBIOS\r\n"), "23\nearlier boot\r\nSeaBIOS\r\n");
    await early.write(bytes("lost"));
    Deno.writeTextFileSync(log, "kernel\r\n", { append: true });
    let heard = "";
    const accepted = listener.accept();
    await shared.connect(`${dir}/console`, (some) => heard += text(some));
    using guest = await accepted;
    assert.ok(shared.isConnected);
    assert.equal(await readUntil(early, "\n"), "kernel\r\n");
    // Said before the hypervisor took the connection: in the log alone.
    Deno.writeTextFileSync(log, "network\r\n", { append: true });
    const say = async (said: string) => {
      await guest.write(bytes(said));
      Deno.writeTextFileSync(log, said, { append: true });
    };
    await say("login: ");
    assert.equal(await readUntil(early, "login: "), "network\r\nlogin: ");
    assert.equal(heard, "login: ");

    using late = await attach("late");
    assert.equal(await readUntil(late, "login: "), "47\nearlier boot\r\nSeaBIOS\r\nkernel\r\nnetwork\r\nlogin: ");
    await early.write(bytes("ro"));
    assert.equal(await readUntil(guest, "ro"), "ro");
    await late.write(bytes("ot"));
    assert.equal(await readUntil(guest, "ot"), "ot");
    await say("last words");
    guest.close();
    for (const conn of [early, late]) assert.equal(await readUntil(conn, "never"), "last words");
    await Promise.all(served);
    assert.ok(!shared.isConnected);
  } finally {
    listener.close();
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("clients that wait for a machine that never boots are released", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    const shared = new SharedConsole(`${dir}/none`);
    const [mine, theirs] = await pair(`${dir}/s`);
    const served = shared.attach(theirs, () => bytes("0\n"));
    assert.equal(await readUntil(mine, "\n"), "0\n");
    shared.end();
    await served;
    theirs.close();
    mine.close();
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
