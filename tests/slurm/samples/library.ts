/**
 * A program that uses the library at a Slurm cluster, whose guests are fake: it prints a line of JSON for each thing that it was
 * told to do. `library.ts` beside this folder runs it.
 */

import process from "node:process";
import { type Cluster, openCheckpoint, start, startCluster } from "../../../mod.ts";
import { answerAt, tell, thrown } from "../../support/library_program.ts";

/** Longer than a job without machines lasts for a command. */
const IDLE_MS = 11_000;
const options = { on: "lab", egress: "off", memoryMiB: 128 } as const;

/** What one of the parallel tests does beside asking its machines. */
const WORK: ((cluster: Cluster) => Promise<unknown>)[] = [
  async (cluster) => (await (await cluster.add("c")).state()),
  async (cluster) => {
    await (await cluster.partition([["a"], ["b"]])).heal();
    return await answerAt(await cluster.get("b").forward(22));
  },
  async ({ vms }) => {
    await Promise.all(vms.map((vm) => vm.stop()));
    await new Promise((later) => setTimeout(later, IDLE_MS)); // a time is the subject: the job lasts as long as the group
    await Promise.all(vms.map((vm) => vm.start()));
    return await answerAt(vms[1].ssh.port);
  },
  async (cluster) => {
    const own = await cluster.checkpoint();
    await cluster.checkpoint("seeded");
    await cluster.close(); // and its job with it: the checkpoint needs none
    await using fork = await own.fork();
    const seen = [fork.vms.map(({ hostName }) => hostName).join(), await answerAt(fork.vms[0].ssh.port)];
    await own.remove();
    const seeded = await openCheckpoint("seeded", { on: "lab" });
    await seeded.remove();
    return [...seen, seeded.members.join()];
  },
];

async function one(index: number): Promise<unknown> {
  await using cluster = await startCluster(["a", "b"], options);
  const [a, b] = cluster.vms;
  const seen = [
    a.ip,
    b.ip,
    await a.state(),
    await answerAt(a.ssh.port),
    (await b.console()).includes("fleetbox-micro:"),
  ];
  return [...seen, await WORK[index]?.(cluster)];
}

const [what] = process.argv.slice(2);
switch (what) {
  case "matrix":
    for (const result of await Promise.allSettled(Array.from({ length: 20 }, (_, index) => one(index)))) {
      tell(result.status === "fulfilled" ? result.value : String(result.reason));
    }
    break;
  case "die":
    tell((await start("doomed", options)).name);
    setInterval(() => {}, 1_000);
    break;
  case "queued": {
    const over = new AbortController();
    process.once("SIGUSR1", () => over.abort());
    tell("begins");
    tell(await thrown(() => start("late", { ...options, signal: over.signal })));
    tell(await thrown(() => start("huge", { ...options, memoryMiB: 64_000 })));
    process.exit();
    break;
  }
  case "cancelled": {
    const vm = await start("ended", options);
    tell(vm.name);
    tell(
      await thrown(async () => {
        for (;;) await vm.state();
      }),
    );
    tell(await thrown(() => vm[Symbol.asyncDispose]()));
    process.exit();
    break;
  }
}
