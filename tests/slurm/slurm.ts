/**
 * A Slurm cluster of its own for a test: Debian's daemons, on loopback alone, with two nodes on this host. They are started for the
 * test, and ended with it, also when it fails: jobs first, because a job outlives the daemon that started it.
 */

import { join } from "../../src/system/path.ts";
import { which } from "../../src/system/process.ts";
import { freePorts } from "../support/free_ports.ts";
import { until } from "../support/processes.ts";

const PATH = `${Deno.env.get("PATH")}:/usr/sbin:/sbin:/usr/bin:/bin`;

export interface Cluster extends AsyncDisposable {
  /** For clients of it. */
  env: Record<string, string>;
  /** Where its configuration is. */
  conf: string;
  /** Whether jobs have a cgroup: then nothing of one is left when it ends, and the kernel bounds its memory. */
  hasCgroups: boolean;
  /** Runs one of its commands, and returns what it prints. */
  run(program: string, ...args: string[]): Promise<string>;
  /** Returns when no job is waiting or running. */
  empty(): Promise<void>;
}

/** Starts it, and returns when its nodes take jobs. */
export async function cluster(): Promise<Cluster> {
  for (const program of ["munged", "slurmctld", "slurmd", "sbatch"]) {
    if (!which(program, PATH)) throw new Error(`There is no ${program}: scripts/setup --tests installs Slurm`);
  }
  await using stack = new AsyncDisposableStack();
  const dir = Deno.makeTempDirSync({ prefix: "sl" });
  stack.defer(() => Deno.removeSync(dir, { recursive: true }));
  stack.defer(async () => {
    // slurmd leaves those of its node, which are empty.
    const groups = CONTROLLERS.flatMap((one) => ["n1", "n2"].map((node) => `/sys/fs/cgroup/${one}/slurm_${node}`))
      .filter(exists);
    const args = [...groups, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"];
    if (groups.length > 0) await new Deno.Command("find", { args, ...QUIET }).output();
  });
  for (const one of ["munge", "state", "log", "spool-n1", "spool-n2"]) Deno.mkdirSync(join(dir, one));
  for (const one of [dir, join(dir, "munge")]) Deno.chmodSync(one, 0o711); // jobs of others read the configuration
  Deno.writeFileSync(join(dir, "munge/key"), crypto.getRandomValues(new Uint8Array(1024)), { mode: 0o600 });
  const conf = join(dir, "slurm.conf");
  const hasCgroups = canMakeCgroups();
  Deno.writeTextFileSync(conf, configuration(dir, freePorts(3), hasCgroups));
  Deno.writeTextFileSync(
    join(dir, "cgroup.conf"),
    hasCgroups
      ? "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\nConstrainRAMSpace=yes\n"
      : "",
  );
  const env = { SLURM_CONF: conf };
  const run = async (program: string, ...args: string[]) => {
    const command = new Deno.Command(which(program, PATH)!, { args, env, stdin: "null" });
    const { code, stdout, stderr } = await command.output();
    if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  };
  const start = (program: string, ...args: string[]) => {
    const child = new Deno.Command(which(program, PATH)!, { args, env, ...QUIET }).spawn();
    stack.defer(async () => {
      try {
        child.kill("SIGTERM");
      } catch { /* it has ended */ }
      await child.status;
    });
  };
  const munge = (what: string) => `--${what}=${join(dir, "munge", what.replace("-file", ""))}`;
  start("munged", "-F", "--num-threads=2", ...["socket", "key-file", "log-file", "pid-file", "seed-file"].map(munge));
  await until("munged listens", () => exists(join(dir, "munge/socket")));
  start("slurmctld", "-D", "-f", conf);
  for (const node of ["n1", "n2"]) start("slurmd", "-D", "-N", node, "-f", conf);
  const empty = async () => {
    await until("no job is left", async () => (await run("squeue", "-h")).trim() === "", 30_000);
  };
  stack.defer(async () => {
    await run("scancel", "-u", Deno.uid() === 0 ? "root" : (await run("id", "-un")).trim()).catch(() => {});
    await empty();
    await until("no job's own daemon is left", () => jobDaemons(dir) === 0);
  });
  let seen = "";
  await until("both nodes are idle", async () => {
    seen = await run("sinfo", "-h", "-p", "p", "-o", "%D%t").catch(String);
    return seen.trim() === "2idle";
  }).catch((thrown) => {
    throw new Error(`${thrown}; sinfo: ${seen}\n${logs(dir)}`);
  });
  const all = stack.move();
  return { env, conf, hasCgroups, run, empty, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const QUIET = { stdin: "null", stdout: "null", stderr: "null" } as const;

/** What has Slurm's cgroups: a job's processes, and its memory, which the kernel bounds. */
const CONTROLLERS = ["freezer", "memory"];

/** Slurm 22.05 has cgroups of version 1, and those of version 2 only with systemd. */
function canMakeCgroups(): boolean {
  return CONTROLLERS.every((one) => {
    const probe = `/sys/fs/cgroup/${one}/fleetbox-test-${Deno.pid}`;
    try {
      Deno.mkdirSync(probe);
      Deno.removeSync(probe);
      return true;
    } catch {
      return false;
    }
  });
}

function configuration(dir: string, [controller, first, second]: number[], hasCgroups: boolean): string {
  const user = Deno.uid() === 0 ? "root" : Deno.env.get("USER") ?? "root";
  const host = Deno.hostname();
  return `ClusterName=fbt
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${controller}
AuthType=auth/munge
AuthInfo=socket=${dir}/munge/socket
SlurmUser=${user}
SlurmdUser=${user}
StateSaveLocation=${dir}/state
SlurmdSpoolDir=${dir}/spool-%n
SlurmctldPidFile=${dir}/slurmctld.pid
SlurmdPidFile=${dir}/slurmd-%n.pid
SlurmctldLogFile=${dir}/log/slurmctld
SlurmdLogFile=${dir}/log/slurmd-%n
ProctrackType=proctrack/${hasCgroups ? "cgroup" : "linuxproc"}
TaskPlugin=task/${hasCgroups ? "cgroup" : "none"}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/${
    // Without cgroups Slurm looks at a job's memory itself, each second.
    hasCgroups ? "none" : "linux\nJobAcctGatherFrequency=1\nJobAcctGatherParams=OverMemoryKill"}
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=10
OverTimeLimit=0
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=${host} NodeAddr=127.0.0.1 Port=${first} CPUs=16 RealMemory=20000
NodeName=n2 NodeHostname=${host} NodeAddr=127.0.0.1 Port=${second} CPUs=16 RealMemory=20000
PartitionName=p Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
PartitionName=narrow Nodes=n1 MaxTime=INFINITE State=UP
`;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** How many daemons of this cluster's jobs there are: another test's cluster may run beside it. Each writes to its node's log. */
function jobDaemons(dir: string): number {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => {
    try {
      if (!/^slurmstepd: /.test(Deno.readTextFileSync(`/proc/${name}/cmdline`))) return false;
      const files = [...Deno.readDirSync(`/proc/${name}/fd`)].map((file) => `/proc/${name}/fd/${file.name}`);
      return files.some((file) => Deno.readLinkSync(file).startsWith(`${dir}/`));
    } catch {
      return false; // no process, or one that has just ended
    }
  }).length;
}

function logs(dir: string): string {
  return [...Deno.readDirSync(join(dir, "log"))].map(({ name }) =>
    `${name}:\n${Deno.readTextFileSync(join(dir, "log", name)).split("\n").slice(-15).join("\n")}`
  ).join("\n");
}
