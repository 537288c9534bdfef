/** A detached group whose holder is killed comes back without any command, also when a command acts at the same moment. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { Client } from "../bound/bound.ts";
import { identify, isAlive } from "../../src/system/process.ts";
import { IS_COMPILED } from "../support/command.ts";
import { type Found, kill, signal, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

/** Returns when the group's guardian is its holder, every machine that ran runs, and there is a new guardian. */
async function comesBack(box: Sandbox, guardian: Found): Promise<void> {
  await until("the guardian holds the group", async () => {
    const [record] = box.store.groupRecords();
    if (record?.holder.pid !== guardian.pid || record.guardian === undefined) return false;
    const states = await Promise.all(record.served.map(async (name) => (await box.status(name))?.state));
    return states.length > 0 && states.every((state) => state === "running");
  });
}

/** The group's guardian, as soon as its holder has written down that it is there. */
async function guardianOf(box: Sandbox): Promise<Found> {
  return await until("there is a guardian", () => {
    const [record] = box.store.groupRecords();
    return box.processes("guardian").find(({ pid }) => record?.guardian?.pid === pid);
  });
}

/** A program `ssh` that succeeds. */
function fakeSsh({ root }: Sandbox): Record<string, string> {
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  Deno.writeTextFileSync(`${root}/bin/ssh`, "#!/bin/sh\n", { mode: 0o755 });
  return { PATH: `${root}/bin:${Deno.env.get("PATH")}` };
}

/** Two members whose holder is killed while its guardian is stopped by a signal: the test decides what happens next. */
async function inTheGap(box: Sandbox): Promise<Found> {
  await box.up("a,b");
  const guardian = await guardianOf(box);
  signal(guardian, "SIGSTOP");
  await box.killHolderAlone("a");
  return guardian;
}

test("kill -9 of a holder: the group comes back without a command, with its machines, gateway, ports and network", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c", "-p", "0:80");
  await box.ok("stop", "c");
  const [machines, gateway, before] = [box.machines(), box.process("gateway"), await box.ls()];
  for (let death = 1; death <= 2; death++) {
    const guardian = await guardianOf(box);
    await box.killHolderAlone("a");
    await comesBack(box, guardian);
  }
  assert.deepEqual(box.machines(), machines);
  assert.ok(isAlive(gateway));
  const after = await box.ls();
  for (const name of ["a", "b"]) {
    assert.deepEqual(after[name].ssh, before[name].ssh);
    assert.deepEqual(after[name].forwards, before[name].forwards);
  }
  assert.equal(after.c.state, "stopped", "what did not run is not booted");
  assert.match(box.holderLog("a"), /guardian: the holder of "a", process \d+, died: adopting the group/);

  await box.up("c");
  await box.ok("join", "d", "--via", "a");
  assert.deepEqual(new Set(Object.values(await box.ls()).map(({ group }) => group)), new Set(["a"]));
  await box.ok("stop", "--all");
  await box.empty();
});

test("a guardian is small, has a session of its own, holds no terminal and no output, and ends with its group", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const { pid, command } = await guardianOf(box);
  assert.doesNotMatch(command, /--fleetbox-runner/, "a search for holders must not find guardians");
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const [, , group, session, terminal] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  assert.deepEqual([group, session, terminal], [pid, pid, 0]);
  for (const fd of [1, 2]) assert.equal(Deno.readLinkSync(`/proc/${pid}/fd/${fd}`), "/dev/null");
  assert.match(Deno.readLinkSync(`/proc/${pid}/fd/0`), /^(pipe|socket):/);
  assert.equal(Deno.readLinkSync(`/proc/${pid}/cwd`), "/");
  const kiB = Number(/^Pss:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`))?.[1]);
  assert.ok(kiB > 0 && kiB <= 2048, `${kiB} KiB`);
  await box.ok("stop", "a");
  await box.empty();
  assert.deepEqual(box.debris(), []);
});

test.source("after the third death within a minute the group stays orphaned, the log says so, and up adopts it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const machines = box.machines();
  for (let death = 1; death <= 3; death++) {
    const guardian = await guardianOf(box);
    await box.killHolderAlone("a");
    if (death < 3) await comesBack(box, guardian);
    else await until("the guardian has left", () => !isAlive(guardian));
  }
  assert.equal(await box.states(), "a=orphaned b=orphaned");
  assert.deepEqual(box.processes("holder"), []);
  assert.match(
    box.holderLog("a"),
    /the holder of "a" died 3 times within a minute: not started again; adopt the group with fleetbox up a\n/,
  );
  await box.up("a");
  assert.deepEqual(box.machines(), machines);
  assert.equal(await box.states(), "a=running b=running");
});

test.source("a killed guardian is replaced, but not the third within a minute; killed together with its holder, the group is orphaned", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  for (let death = 1; death <= 3; death++) await kill(await guardianOf(box));
  await until("the record names none", () => box.record().guardian === undefined);
  assert.deepEqual(box.processes("guardian"), []);
  assert.match(box.holderLog("a"), /guardian: killed 3 times within a minute: the group has none from here on/);
  await box.killHolderAlone("a");
  assert.equal(await box.states(), "a=orphaned");
  await box.up("a");
  await guardianOf(box);
  await box.killHolder("a");
  assert.deepEqual([box.processes("guardian"), box.processes("holder")], [[], []]);
  assert.match(
    (await box.ok("ls")).stdout,
    /^a: orphaned: run fleetbox up a \(its holder is gone, its machine runs\)$/m,
  );
  await box.up("a");
});

test.source("a bound group has no guardian: it ends with its holder", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["a"], then: ["up"] });
  await client.said(/^up$/m);
  assert.equal(box.processes("holder").length, 1);
  assert.deepEqual(box.processes("guardian"), []);
});

test.source("ls and status say that a killed holder's group is coming back", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const guardian = await inTheGap(box);
  const words = /its holder died, its machine runs; it is being adopted$/m;
  const ls = await box.ok("ls");
  assert.match(ls.stdout, /^a +orphaned/m);
  assert.match(ls.stdout, /^a, b: orphaned: its holder died/m);
  assert.match(ls.stdout, words);
  assert.match((await box.ok("status", "b")).stdout, words);
  signal(guardian, "SIGCONT");
  await comesBack(box, guardian);
});

test.source("when a command adopts the group before its guardian does, the guardian ends and changes nothing", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const guardian = await inTheGap(box);
  await box.up("a,b");
  const [machines, record] = [box.machines(), box.record()];
  signal(guardian, "SIGCONT");
  await until("it has left", () => !isAlive(guardian));
  assert.match(box.holderLog("a"), /guardian: another process has adopted it/);
  assert.deepEqual(box.machines(), machines);
  assert.deepEqual(box.record(), record);
  assert.equal(await box.states(), "a=running b=running");
});

test.source("after stop --all or rm the guardian finds no group, and brings nothing back", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (const command of [["stop", "--all"], ["rm", "--all", "-f"]]) {
    const guardian = await inTheGap(box);
    await box.ok(...command);
    signal(guardian, "SIGCONT");
    await box.empty();
    assert.deepEqual(box.debris(), []);
    assert.equal(await box.states(), command[0] === "rm" ? "" : "a=stopped b=stopped");
  }
});

test.source("a command at the same moment as the guardian succeeds, whichever of both is quicker", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const commands = [
    { args: ["up", "a,b"], states: "a=running b=running" },
    { args: ["join", "c", "--via", "b"], states: "a=running b=running c=running" },
    { args: ["exec", "a", "--", "true"], states: "a=running b=running c=running" },
    { args: ["rm", "-f", "c"], states: "a=running b=running" },
    { args: ["stop", "--all"], states: "a=stopped b=stopped" },
  ];
  for (const { args, states } of commands) {
    await box.up("a,b");
    await box.killHolder("a");
    await box.up("a,b"); // the count of deaths starts at 0 for this holder
    await guardianOf(box);
    const machines = box.machines().filter((machine) => !machine.startsWith("c:"));
    await box.killHolderAlone("a");
    const end = await box.start(args, { env: fakeSsh(box) }).done;
    assert.equal(end.code, 0, told(end));
    await until("no other holder is starting", () => {
      const held = box.store.groupRecords().map(({ holder }) => holder.pid).sort();
      return `${box.processes("holder").map(({ pid }) => pid).sort()}` === `${held}`;
    });
    // An adoption may still go on: the command waits for its own members only.
    await until(`${args}: ${states}`, async () => await box.states() === states);
    if (args[1] !== "--all") {
      assert.deepEqual(box.machines().filter((machine) => !machine.startsWith("c:")), machines, `${args}`);
    }
  }
  await box.empty();
});

test.source("a guardian whose group was held by another holder between its look and its claim gives the names back and adopts nothing", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const record = box.record();
  const guardian = await guardianOf(box);
  using lock = Deno.openSync(box.store.claimLock, { read: true, write: true });
  await lock.lock(true);
  await box.killHolderAlone("a");
  await until("it has looked, and waits to claim", () => {
    const files = [...Deno.readDirSync(`/proc/${guardian.pid}/fd`)].map(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${guardian.pid}/fd/${name}`);
      } catch {
        return "";
      }
    });
    return files.includes(box.store.claimLock);
  });
  await box.store.writeGroupRecord({ ...record, holder: identify(Deno.pid)! });
  await lock.unlock();
  await until("it has left", () => !isAlive(guardian));
  assert.match(box.holderLog("a"), /was adopted by another process meanwhile/);
  assert.deepEqual(box.processes("holder"), []);
  assert.equal(box.machines().length, 2);
  await box.store.writeGroupRecord(record);
  await box.up("a,b");
});

test.source("what is left of a group whose holder and machines were all killed is swept", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const guardian = await inTheGap(box);
  await Promise.all(box.processes("machine").map(kill));
  signal(guardian, "SIGCONT");
  await until("all have left", () => box.processes().length === 0);
  assert.equal(await box.states(), "a=stopped b=stopped");
  assert.deepEqual(box.store.groupRecords(), []);
  await box.up("a,b");
});

test.source("a guardian does not make a store again that is gone", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const guardian = await inTheGap(box);
  await Promise.all([...box.processes("machine"), ...box.processes("gateway")].map(kill));
  Deno.removeSync(box.home, { recursive: true });
  signal(guardian, "SIGCONT");
  await box.empty();
  assert.throws(() => Deno.statSync(box.home), Deno.errors.NotFound);
});

test(
  "a guardian starts an executable that was replaced; if it is gone the log says so, and the group is orphaned",
  async () => {
    await using box = await sandbox({ fakeQemu: {} });
    const deno = `${box.root}/deno`;
    const install = () => Deno.copyFileSync(Deno.execPath(), deno);
    install();
    const helper = `${box.root}/helper`;
    const main = fileURLToPath(new URL("../../helper/main.ts", import.meta.url));
    const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
    Deno.writeTextFileSync(
      helper,
      `#!/bin/sh\nexec "${deno}" run -A --quiet --config="${config}" "${main}" "$@"\n`,
      { mode: 0o755 },
    );
    const up = await box.start(["up", "a", "--egress", "off"], { env: { FLEETBOX_HELPER: helper } }).done;
    assert.equal(up.code, 0, told(up));
    let guardian = await guardianOf(box);
    Deno.removeSync(deno);
    install();
    await box.killHolderAlone("a");
    await comesBack(box, guardian);

    guardian = await guardianOf(box);
    Deno.removeSync(deno);
    await box.killHolderAlone("a");
    await until("the guardian has left", () => !isAlive(guardian));
    assert.match(box.holderLog("a"), /guardian: \S+\/deno is gone, so the group has no holder; .* fleetbox up/);
    assert.equal(await box.states(), "a=orphaned");
    await box.up("a");
  },
  { ignore: IS_COMPILED },
);

test.source("a member whose holder is killed while it stops is stopped by the next one, and is not said to be down before", async () => {
  await using box = await sandbox({ fakeQemu: { a: { powerdownMs: 2_000 } } });
  await box.up("a");
  const stop = box.start(["stop", "a", "--verbose"]);
  await stop.printed(/power button is pressed/);
  await box.killHolderAlone("a");
  const stopped = await stop.done;
  assert.equal(stopped.code, 0, told(stopped));
  assert.deepEqual(box.processes("machine"), [], told(stopped));
  assert.equal(await box.states(), "a=stopped");
});

test.source("stop says of a machine whose holder was killed for good meanwhile that it runs on", async () => {
  await using box = await sandbox({ fakeQemu: { a: { powerdown: "ignore" } } });
  await box.up("a");
  const stop = box.start(["stop", "a", "--verbose"]);
  await stop.printed(/power button is pressed/);
  await box.killHolder("a");
  const failed = await stop.done;
  assert.equal(failed.code, 1, told(failed));
  assert.match(failed.stderr, /The holder of "a" was killed, and its machine runs on/, told(failed));
  assert.equal(await box.states(), "a=orphaned");
  await box.ok("stop", "a", "--force");
  assert.equal(await box.states(), "a=stopped");
});
