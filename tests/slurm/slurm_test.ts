/** Places with Slurm as their engine: a real Slurm, two nodes on this host. */

import * as assert from "#assert";
import { bannerOf } from "../support/socket.ts";
import { join } from "../../src/system/path.ts";
import { which } from "../../src/system/process.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";
import { hostUser, sshHost } from "../places/sshd.ts";
import { endOfTheJobIsTold, jobEndsWithTheProgram, matrixPasses, queueIsLeft } from "./library.ts";
import { all } from "./all.ts";
import { cluster } from "./slurm.ts";

function names(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

/** `ls` at the place, as `a=running b=stopped`. */
async function states(here: Sandbox): Promise<string> {
  const views = JSON.parse((await here.ok("ls", "--json", "--on", "lab")).stdout);
  return views.map(({ name, state }: Record<string, string>) => `${name}=${state}`).join(" ");
}

test("Slurm chooses the host: a fake QEMU in its jobs", async (context) => {
  const step = async (name: string, run: () => Promise<void>) => void (await context.step(name, run));
  await using both = await all({ fakeQemu: {}, fakeSsh: true });
  const { here, there, slurm, place, add } = both;
  const jobs = async (format: string) => (await slurm.run("squeue", "-h", "-o", format)).trim().split("\n");
  const jobOf = async (name: string) => {
    return (await jobs("%i %j")).find((one) => one.endsWith(` fleetbox-${name}`))!.split(" ")[0];
  };
  const over = (id: string, limitMs?: number) => {
    return until(`job ${id} is over`, async () => !(await jobs("%i")).includes(id), limitMs);
  };
  const onlyMachineOf = (name: string) => {
    return until("no other machine runs", () => there.processes("machine").every((one) => one.name === name));
  };
  const records = () => names(join(there.home, "jobs")).filter((name) => name !== "ssh" && !name.endsWith(".sock"));
  let late = "";

  await step("a cluster is a place, and its options are of jobs", async () => {
    await here.fails(
      2,
      /--time is of jobs, found a place that is a host/,
      "place",
      "add",
      "lab",
      "ssh://x",
      "--time",
      "1",
    );
    const bin = join(here.root, "bin");
    Deno.mkdirSync(bin);
    for (const name of ["sh", "bash", "dirname", "readlink", "env"]) Deno.symlinkSync(which(name)!, join(bin, name));
    const none = await here.start([...place("slurm://"), "--yes"], { env: { PATH: bin } }).done;
    assert.match(none.stderr, /"lab" \(slurm:\/\/\) has no sbatch, expected a host of a Slurm cluster/, told(none));
    await add("--partition", "p", "--time", "10");
    const [listed] = JSON.parse((await here.ok("place", "ls", "--json")).stdout);
    assert.deepEqual([listed.engine.cluster, listed.engine.partition, listed.engine.time], ["fbt", "p", "10"]);
  });

  await step("a member runs in a job of its own", async () => {
    await here.ok("up", "t", "--egress", "off", "--on", "lab");
    late = await jobOf("t");
  });

  let forwarded = 0;
  await step("a group is a job, whose members are reached as at any place", async () => {
    const up = await here.ok("up", "a,b", "--egress", "off", "--on", "lab");
    assert.match(up.stdout, /^a, b: queued|^a/m, told(up));
    assert.equal(await states(here), "a=running b=running t=running");
    assert.match(await slurm.run("squeue", "-h", "-o", "%j %T %C"), /^fleetbox-a RUNNING 2$/m);
    assert.equal(JSON.parse((await here.ok("status", "a", "--json", "--on", "lab")).stdout).name, "a");
    await here.ok("join", "d", "--via", "b", "--egress", "off", "--on", "lab");
    assert.equal(await states(here), "a=running b=running d=running t=running");
    for (const [guestPort, isKept] of [["80", true], ["443", false]] as const) {
      const { added: [port] } = JSON.parse((await here.ok("forward", "b", guestPort, "--json", "--on", "lab")).stdout);
      assert.equal((await bannerOf(port.host_port)).trim(), `port ${guestPort} of 10.88.0.12`);
      if (isKept) forwarded = port.host_port;
      else await here.ok("forward", "b", String(port.host_port), "--remove", "--on", "lab");
    }
    assert.match(
      (await here.ok("forward", "b", "--on", "lab")).stdout,
      new RegExp(`^127\\.0\\.0\\.1:${forwarded} leads to port 80\\n$`),
    );
    await here.ok("up", "c", "--egress", "off", "--on", "lab");
    assert.equal((await jobs("%i")).length, 3);
    await here.fails(
      1,
      /is for members of one job, found job \d+ \(a,b,d\), job \d+ \(c\)/,
      "status",
      "a",
      "c",
      "--on",
      "lab",
    );
  });

  await step("the job ends with its last member", async () => {
    await here.ok("stop", "a", "b", "c", "d", "--on", "lab");
    assert.equal(await states(here), "a=stopped b=stopped c=stopped d=stopped t=running");
    await until("its job is over", async () => (await slurm.run("squeue", "-h", "-o", "%j")) === "fleetbox-t\n");
    await here.fails(1, /Cannot reach "b": it is not running/, "forward", "b", "--on", "lab");
    await until("the port has ended with it", () => bannerOf(forwarded).then(() => false, () => true));
    assert.deepEqual(records(), [`${late}@fbt.json`, `${late}@fbt.log`, `${late}@fbt.on`]);
    await here.ok("rm", "d", "--on", "lab");
  });

  await step("a full queue: the reason is told, and Ctrl-C cancels the job", async () => {
    const block = ["--parsable", "--nodes=1", "--exclusive", "--output=/dev/null", "--wrap", "exec sleep 600"];
    const full = (await slurm.run("sbatch", ...block, "--nodelist=n2")).trim();
    await slurm.run("scontrol", "update", "nodename=n1", "state=drain", "reason=test");
    const waiting = () => here.start(["up", "q", "--egress", "off", "--on", "lab"]);
    const first = waiting();
    await first.printed(/q: queued \([A-Z]\w+.*\), job \d+/);
    assert.equal(await states(here), "a=stopped b=stopped c=stopped q=queued t=running");
    const words = /q waits in the queue as job \d+ .*\n +try: .*fleetbox stop --on lab q/;
    await here.fails(1, words, "status", "q", "--on", "lab");
    first.kill("SIGINT");
    assert.equal((await first.done).code, 130);
    assert.doesNotMatch(await slurm.run("squeue", "-h", "-o", "%j"), /fleetbox-q/);
    const second = waiting();
    await second.printed(/q: queued/);
    assert.match((await here.ok("rm", "q", "--on", "lab")).stdout, /q waits no more: job \d+ is cancelled/);
    const { code, stderr } = await second.done;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /of q is over/);
    await queueIsLeft(here, slurm);
    await slurm.run("scancel", full);
    await slurm.run("scontrol", "update", "nodename=n1", "state=resume");
  });

  await step("scancel shuts the guests down; who is attached is told, and so is the next command", async () => {
    await here.ok("up", "e", "--egress", "off", "--on", "lab");
    const id = await jobOf("e");
    const follow = here.start(["logs", "-f", "e", "--on", "lab"]);
    await follow.printed(/./);
    await slurm.run("scancel", id);
    const { code, stderr } = await follow.done;
    assert.deepEqual([code, /Job \d+ of e is over: it was cancelled/.test(stderr)], [1, true], stderr);
    await onlyMachineOf("t");
    if (slurm.hasCgroups) assert.match(there.holderLog("e"), /e: stopped: The guest shut down/);
    await over(id);
    const told = await here.run("ls", "--on", "lab");
    assert.match(told.stderr, new RegExp(`Job ${id} of e is over: it was cancelled \\(CANCELLED\\)`));
    assert.equal((await here.run("ls", "--on", "lab")).stderr, "");
  });

  await step("a holder that is killed takes its machines and its job with it, and its members boot again", async () => {
    await here.ok("up", "e,f", "--egress", "off", "--on", "lab");
    const id = await jobOf("e");
    await there.killHolderAlone("e");
    await over(id);
    await onlyMachineOf("t");
    const up = await here.ok("up", "e", "--egress", "off", "--on", "lab");
    assert.match(up.stderr, /of e, f is over: it failed \(FAILED\)/);
    assert.match(await states(here), /e=running f=stopped/);
    await here.ok("stop", "e", "--on", "lab");
  });

  await step("a node that fails is told as that, to who is attached and to the next command", async () => {
    const nodeOf = async (name: string) => {
      return (await jobs("%j %N")).find((one) => one.startsWith(`fleetbox-${name} `))!.split(" ")[1];
    };
    const kept = await nodeOf("t");
    await slurm.run("scontrol", "update", `nodename=${kept}`, "state=drain", "reason=test");
    await here.ok("up", "e", "--egress", "off", "--on", "lab");
    const [failing, id] = [await nodeOf("e"), await jobOf("e")];
    assert.notEqual(failing, kept);
    const follow = here.start(["logs", "-f", "e", "--on", "lab"]);
    await follow.printed(/./);
    await slurm.run("scontrol", "update", `nodename=${failing}`, "state=down", "reason=test");
    const words = new RegExp(`Job ${id} of e is over: its node failed \\(NODE_FAIL\\)\n +try: `);
    const { code, stderr } = await follow.done;
    assert.deepEqual([code, words.test(stderr)], [1, true], stderr);
    await over(id);
    assert.match((await here.run("ls", "--on", "lab")).stderr, words);
    await onlyMachineOf("t");
    await slurm.run("scontrol", "update", `nodename=${kept}`, "state=resume");
    const state = async () => (await slurm.run("sinfo", "-h", "-p", "p", "-n", failing, "-o", "%t")).trim();
    await until("the node is back, by `ReturnToService`", async () => (await state()) === "idle", 60_000);
  });

  await step("a job whose memory does not suffice is told as that", async () => {
    there.behave({ e: { onSignal: "grow" } });
    await here.ok("up", "e", "--egress", "off", "--memory", "128M", "--on", "lab");
    const id = await jobOf("e");
    there.accident("e");
    if (slurm.hasCgroups) { // the kernel ends the process that has most of it
      let status = "";
      const isTold = /reason +The machine of "e" ended: The kernel has killed QEMU because memory ran out/;
      await until("why its machine ended is told", async () => {
        return isTold.test(status = (await here.run("status", "e", "--on", "lab")).stdout);
      }).catch((thrown) => assert.fail(`${thrown}\n${status}`));
      await there.killHolderAlone("e");
    }
    await over(id, 60_000);
    const told = await here.run("ls", "--on", "lab");
    const state = slurm.hasCgroups ? "OUT_OF_MEMORY" : "FAILED"; // what ended it was Slurm, in the second case
    assert.match(
      told.stderr,
      new RegExp(`Job ${id} of e is over: it used more memory than it had \\(${state}\\)[^]*\n +try: .*--memory`),
    );
    await onlyMachineOf("t");
    there.behave({});
  });

  await step("the library: twenty parallel tests on two nodes; a job that runs out of time is told", async () => {
    await slurm.run("scontrol", "update", `jobid=${late}`, "endtime=now"); // Slurm looks every 30 s
    await matrixPasses(here, slurm);
    await over(late, 70_000);
    const told = await here.run("status", "t", "--on", "lab");
    assert.match(told.stderr, /of t is over: it ran out of its time \(TIMEOUT\)\n +try: .*--time/);
    assert.deepEqual([records(), names(join(there.home, "snapshots/checkpoints"))], [[], []]);
    assert.equal(await states(here), "a=stopped b=stopped c=stopped e=stopped f=stopped t=stopped");
  });

  await step("the library: a job ends with its program, and a program is told why its job has ended", async () => {
    await Promise.all([jobEndsWithTheProgram(here, slurm), endOfTheJobIsTold(here, slurm)]);
    await slurm.empty();
    await until("no machine runs", () => there.processes("machine").length === 0);
  });
});

test("Slurm behind a login host, with a real machine and another user", async () => {
  await using stack = new AsyncDisposableStack();
  const user = stack.use(await hostUser());
  const slurm = stack.use(await cluster());
  const there = stack.use(await sandbox({}));
  const here = stack.use(await sandbox({ fakeQemu: {} }));
  const host = stack.use(await sshHost(user.name, there, here, `SLURM_CONF=${slurm.conf}`));
  Object.assign(here.env, host.env);
  host.know(host.hostKey);
  stack.defer(() => slurm.empty());
  stack.defer(async () => {
    await here.run("place", "rm", "lab");
  });
  const url = host.url.replace("ssh:", "slurm:");
  await here.ok("place", "add", "lab", url, "--store", there.home, "--executable", host.executable, "--yes");
  await here.ok("up", "a", "--egress", "off", "--memory", "128M", "--on", "lab");
  const exec = await here.run("exec", "a", "--on", "lab", "--", "sh", "-c", "echo out; echo err >&2; exit 7");
  assert.deepEqual([exec.code, exec.stdout, exec.stderr], [7, "out\n", "err\n"], told(exec));
  const file = join(here.root, "file");
  Deno.writeTextFileSync(file, "from here");
  await here.ok("cp", file, "a@lab:there");
  assert.equal((await here.ok("ssh", "a@lab", "cat there")).stdout, "from here");
  await here.ok("stop", "a", "--on", "lab");
  await here.fails(1, /"a": it is not running\n +try: Boot it: fleetbox up --on lab a/, "exec", "a@lab", "true");
});
