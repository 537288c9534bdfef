/** Kept connections: whose they are. What OpenSSH makes of them is shown in `tests/places/`. */

import * as assert from "#assert";
import { placeStore } from "../../store/places.ts";
import { Store } from "../../store.ts";
import { exists, namesIn } from "../../system/files.ts";
import { join } from "../../system/path.ts";
import { forgetKeptConnections, KeptConnection } from "./kept.ts";

/** Runs a test with a directory for a place. */
function withDir(name: string, work: (dir: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const dir = Deno.makeTempDirSync();
    try {
      await work(dir);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  });
}

/** The socket that `ssh` uses, or makes. */
const socketOf = ({ options }: KeptConnection) => options[options.indexOf("-S") + 1].replaceAll("%%", "%");

/** A command that has taken one for which ssh has made a connection. */
function used(dir: string, machine: string): KeptConnection {
  const kept = KeptConnection.take(dir, machine)!;
  if (!exists(socketOf(kept))) Deno.writeTextFileSync(socketOf(kept), machine);
  return kept;
}

withDir("a command gives its connection back, and the next one to the same machine has it", async (dir) => {
  const first = used(dir, "a 1");
  first.giveBack();
  assert.equal(namesIn(dir).length, 1);
  assert.match(namesIn(dir)[0], /\.kept$/);
  const other = KeptConnection.take(dir, "b 1")!;
  assert.equal(exists(socketOf(other)), false);
  const again = KeptConnection.take(dir, "a 2")!; // another run of a's machine
  assert.equal(exists(socketOf(again)), false);
  const next = KeptConnection.take(dir, "a 1")!;
  assert.equal(Deno.readTextFileSync(socketOf(next)), "a 1");
  next.giveBack();
  for (const one of [first, other, again, next]) await one[Symbol.asyncDispose]();
  assert.equal(namesIn(dir).length, 1);
});

withDir("a connection is one command's at a time", async (dir) => {
  used(dir, "a").giveBack();
  const [first, second] = [KeptConnection.take(dir, "a")!, KeptConnection.take(dir, "a")!];
  assert.deepEqual([first, second].map((one) => exists(socketOf(one))), [true, false]);
  Deno.writeTextFileSync(socketOf(second), "another");
  for (const one of [first, second]) one.giveBack();
  for (const one of [first, second]) await one[Symbol.asyncDispose]();
  assert.equal(namesIn(dir).length, 1); // many at once leave one
  assert.equal(Deno.readTextFileSync(join(dir, namesIn(dir)[0])), "a");
});

withDir("what was not given back is gone, and one that is about to end is not taken", async (dir) => {
  const broken = used(dir, "a");
  await broken[Symbol.asyncDispose]();
  assert.deepEqual(namesIn(dir), []);
  used(dir, "a").giveBack();
  const resting = join(dir, namesIn(dir)[0]);
  const since = Math.round(Deno.statSync(resting).mtime!.getTime() / 1000);
  Deno.utimeSync(resting, since - 55, since - 55);
  const next = KeptConnection.take(dir, "a")!;
  assert.equal(exists(socketOf(next)), false);
  await next[Symbol.asyncDispose]();
});

withDir("a new connection to the place removes what the old one carried, and nothing else", (dir) => {
  used(dir, "a").giveBack();
  used(dir, "b"); // its command was killed
  for (const name of ["ctl", "ctl-p", "ports.json", "id_ed25519", ".lock"]) Deno.writeTextFileSync(join(dir, name), "");
  forgetKeptConnections(dir);
  assert.deepEqual(namesIn(dir).sort(), [".lock", "ctl", "ctl-p", "id_ed25519", "ports.json"]);
  forgetKeptConnections(join(dir, "nowhere"));
  return Promise.resolve();
});

Deno.test("a place whose store is as deep as it may be has room for ssh's name of the socket", () => {
  const deepest = (length: number) => Store.at(`/${"d".repeat(length)}`);
  let length = 1;
  while (isRoom(() => placeStore(deepest(length + 1), "p".repeat(20)))) length++;
  const { root } = placeStore(deepest(length), "p".repeat(20));
  const control = socketOf(KeptConnection.take(root, "a")!);
  assert.ok(`${control}.0123456789abcdef`.length < 104, control); // what ssh adds while it makes it
});

function isRoom(make: () => unknown): boolean {
  try {
    make();
    return true;
  } catch {
    return false;
  }
}
