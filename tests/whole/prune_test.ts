/** `fleetbox prune`: finds and removes what a crash left; never a disk, nor anything of a living group. */

import * as assert from "#assert";
import { dirname, join } from "../../src/system/path.ts";
import { isAlive } from "../../src/system/process.ts";
import { exists } from "../../src/system/files.ts";
import { digestOf } from "../../src/store.ts";
import { removeCheckpoint } from "../../src/store/snapshots.ts";
import { addCheckpoint, addLayer, deadProcess, id } from "../../src/store/snapshots/testing.ts";
import { kill } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { handled } from "../support/socket.ts";
import { OnTerminal } from "../support/terminal.ts";

interface Told {
  found: { kind: string; path: string; bytes: number; pid?: number }[];
  removed: { path: string }[];
  bytes: number;
}

async function prune(box: Sandbox, consent: "--force" | "--dry-run" = "--force"): Promise<Told> {
  return JSON.parse((await box.ok("prune", "--json", consent)).stdout);
}

/** Every file in the store, relative to it. */
function files(box: Sandbox, dir = box.home): string[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) => {
    const path = join(dir, name);
    return isDirectory
      ? [`${path.slice(box.home.length + 1)}/`, ...files(box, path)]
      : [path.slice(box.home.length + 1)];
  }).sort();
}

function write(path: string, text = "x"): void {
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeTextFileSync(path, text);
}

/** A socket on which no process listens any more. */
function staleSocket(path: string): void {
  const listener = Deno.listen({ transport: "unix", path: `${path}.x` });
  Deno.renameSync(`${path}.x`, path);
  listener.close();
}

/** Of a process that is gone. */
const DEAD = "4194304-0123abcd.tmp";

test("after everything was killed prune finds all of it, --dry-run removes nothing, and no disk is removed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("z");
  await box.ok("stop", "z");
  await box.empty();
  await box.up("a,b");
  const { home, store } = box;
  const disks = ["a", "b", "z"].map((name) => store.member(name).disk);
  const gateway = box.process("gateway");
  await box.killHolder("a"); // with its guardian: no holder adopts the rest
  for (const machine of box.processes("machine")) await kill(machine);
  assert.ok(isAlive(gateway), "the test needs a gateway that was left behind");

  // As real machines have them.
  const { agentSocket, snapshotSocket, shareSockets } = store.member("a");
  [agentSocket, snapshotSocket, ...shareSockets()].forEach(staleSocket);
  write(join(home, "images/0123456789abcdef.part"), "half a download");
  write(join(home, "images/0123456789abcdef.part.json"), "{}");
  write(join(home, "images/fedcba9876543210.lock"), "");
  write(join(home, "bin/fleetbox-helper-1.part"));
  write(join(home, "images/micro-older/image.json"), '{"name":"micro","version":"older","disk":"disk"}');
  write(join(home, "images/micro-older/disk"));
  write(join(home, "images/other-1/image.json"), '{"name":"other","version":"1","disk":"disk"}');
  write(join(home, `run/abc.json.${DEAD}`));
  write(join(home, `clusters/a/a/config.json.${DEAD}`));
  write(join(home, `clusters/.removed-x.${DEAD}/disk.qcow2`), "a disk all the same");
  write(join(home, `clusters/.removed-y.${DEAD}/seed.img`));
  write(join(home, "runner-gone.log"));
  write(join(home, `snapshots/making.${DEAD}/a/memory`));
  for (const number of [1, 2, 3]) addLayer(store, id(number));
  await addCheckpoint(store, "unnamed-x", { x: [id(3)] }, { owner: deadProcess() });
  write(join(home, "run/0123456789ab.json"), "half a rec");
  for (const file of [".lock", "seed.img", "pid"]) write(join(home, "clusters/half/half", file));
  write(join(home, "clusters/kept/kept/notes.txt"), "somebody's own");
  Deno.mkdirSync(join(home, "clusters/empty"));

  const before = files(box);
  const dry = await prune(box, "--dry-run");
  assert.deepEqual(files(box), before);
  assert.deepEqual([dry.removed, dry.bytes], [[], 0]);
  assert.match((await box.ok("prune", "--dry-run")).stdout, /^KIND +SIZE +PATH\n[^]*^image .*images\/micro-older$/m);
  assert.deepEqual(files(box), before);
  assert.ok(isAlive(gateway));

  const { found, removed, bytes } = await prune(box);
  assert.deepEqual(found, dry.found);
  assert.deepEqual(removed, found);
  assert.ok(bytes > 0);
  const kinds = new Set(found.map(({ kind }) => kind));
  const all = "checkpoint directory download gateway image layer log pidfile record socket temporary";
  assert.equal([...kinds].sort().join(" "), all);
  assert.ok(!isAlive(gateway));
  for (const { path, kind } of found) {
    assert.doesNotMatch(path, /disk\.qcow2/);
    assert.ok(kind === "gateway" || !exists(join(home, path)), path);
  }
  // What is left: the files of three stopped members, and what prune must not remove.
  const left = files(box).filter((path) => !path.endsWith("/"));
  const [kept] = left.filter((path) => /micro-(?!older)/.test(path)).map((path) => path.split("/")[1]);
  const member = (name: string) =>
    [".lock", "config.json", "disk.qcow2", "net.sock", "qmp.sock", "seed.img", "serial.log"].map((file) =>
      `clusters/${name}/${name}/${file}`
    );
  assert.deepEqual(
    left.filter((path) => !/^(id_ed25519|accelerator|bin\/\.lock)/.test(path)),
    [
      ...["a", "b", "z"].flatMap(member),
      `clusters/.removed-x.${DEAD}/disk.qcow2`,
      "clusters/kept/kept/notes.txt",
      ...["disk", "image.json", "initrd", "kernel"].map((file) => `images/${kept}/${file}`),
      "images/other-1/image.json",
      "run/.lock",
      "runner-a.log",
      "runner-z.log",
      "snapshots/.lock",
    ].sort(),
  );
  for (const disk of disks) assert.ok(exists(disk), disk);
  assert.equal((await box.ok("prune")).stdout, "nothing is left over\n");
  await box.up("a,b,z");
  assert.equal(await box.states(), "a=running b=running z=running");
  Deno.removeSync(join(home, "clusters/kept"), { recursive: true });
});

test("prune does not touch a group that runs, boots, or is orphaned", async () => {
  await using box = await sandbox({ fakeQemu: { c: { bootMs: 60_000 } } });
  await box.up("a,b");
  await box.up("c", "--no-wait");
  await box.ok("stop", "b");
  assert.deepEqual((await prune(box)).found, []);
  const before = box.machines();
  await box.killHolder("a");
  assert.deepEqual((await prune(box)).found, [], "orphaned: its socket and record are what it is adopted by");
  await box.up("a");
  assert.deepEqual(box.machines(), before);

  // A download that is being written, and a micro that a member uses or may use.
  const lock = join(box.home, "images/0123456789abcdef.lock");
  write(join(box.home, "images/0123456789abcdef.part"));
  write(lock, "");
  using held = await Deno.open(lock, { write: true });
  await held.lock(true);
  const current = box.store.config("b")!.image_id;
  write(join(box.home, "images/micro-older/image.json"), '{"name":"micro","version":"older","disk":"disk"}');
  const config = box.store.config("b")!;
  await box.store.writeConfig({ ...config, image_id: "micro-older" });
  assert.deepEqual((await prune(box)).found, []);
  await box.store.writeConfig({ ...config, image_id: current });
  Deno.writeTextFileSync(box.store.member("b").config, "damaged");
  assert.deepEqual((await prune(box)).found, []);
  await box.store.writeConfig(config);
  addLayer(box.store, id(1));
  await addCheckpoint(box.store, "base", { a: [id(1)] }, { image_id: "micro-older" });
  assert.deepEqual((await prune(box)).found, []);
  await removeCheckpoint(box.store, "base");
  held.close();
  const paths = (await prune(box)).removed.map(({ path }) => path);
  assert.deepEqual(paths, ["images/0123456789abcdef.part", "images/micro-older"]);
  assert.ok(!exists(lock));
});

test("prune repeatedly beside up: both succeed, and every member runs and can be reached", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 5 } } });
  const debris = () => {
    for (const name of ["a", "b", "c"]) staleSocket(join(box.home, "run", `${digestOf(name)}.qmp`));
    write(join(box.home, `run/x.json.${DEAD}`));
    write(join(box.home, "clusters/half/half/seed.img"));
  };
  for (let round = 0; round < 2; round++) {
    if (round > 0) debris();
    const up = box.start(["up", "a,b,c", "--egress", "off"]);
    let isUp = false;
    const pruning = handled((async () => {
      while (!isUp) await box.ok("prune", "-f");
    })());
    const { code, stdout, stderr } = await up.done;
    isUp = true;
    await pruning;
    assert.equal(code, 0, stdout + stderr);
    assert.equal(await box.states(), "a=running b=running c=running");
    for (const name of ["a", "b", "c"]) assert.ok(box.process("machine", name));
    await box.ok("stop", "--all");
    await box.empty();
  }
  await prune(box);
  assert.deepEqual(box.debris(), []);
});

test("on a terminal prune asks, and removes nothing after no", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  write(join(box.home, "runner-gone.log"));
  const no = new OnTerminal(["prune"], { env: box.env });
  await no.shows(/log +\S+ +runner-gone\.log[^]*Remove it\? \[y\/N\]/);
  await no.type("n\r");
  assert.equal(await no.done, 1, no.output);
  assert.match(no.output, /Nothing was removed/);
  assert.ok(exists(join(box.home, "runner-gone.log")));
  const yes = new OnTerminal(["prune"], { env: box.env });
  await yes.shows(/\[y\/N\]/);
  await yes.type("y\r");
  assert.equal(await yes.done, 0, yes.output);
  assert.ok(!exists(join(box.home, "runner-gone.log")));
});

test("without a terminal prune lists what it found, and removes nothing without --force", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const log = join(box.home, "runner-gone.log");
  write(log);
  const refused = await box.fails(2, [/runner-gone\.log/, /expected a terminal, or --force/], "prune");
  assert.match(refused.stdout, /^log +\S+ +runner-gone\.log$/m, "what it found is listed");
  assert.match(refused.stderr, /try: fleetbox prune --force$/m);
  await box.fails(2, /"hint":"fleetbox prune --json --force"/, "prune", "--json");
  assert.ok(exists(log));
  // On a terminal, but asked for JSON, it cannot ask either.
  const json = new OnTerminal(["prune", "--json"], { env: box.env });
  assert.equal(await json.done, 2, json.output);
  assert.ok(exists(log));
  assert.match((await box.ok("prune", "--force")).stdout, /^1 removed/m);
  assert.ok(!exists(log));
});
