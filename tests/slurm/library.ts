/** The library at a Slurm cluster, in programs of their own: they run where the client's store is. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import type { Running } from "../support/command.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, told } from "../support/sandbox.ts";
import type { Cluster } from "./slurm.ts";

const path = (from: string) => fileURLToPath(new URL(from, import.meta.url));

function start(here: Sandbox, what: string): Running {
  const words = ["run", "-A", "--no-check", `--config=${path("../../deno.json")}`, path("samples/library.ts"), what];
  return here.start(words, { program: Deno.execPath() });
}

/** What the program has told, when it has ended in order. */
async function all(program: Running): Promise<unknown[]> {
  const result = await program.done;
  assert.equal(result.code, 0, told(result));
  return result.stdout.trim().split("\n").map((line) => JSON.parse(line));
}

/** The jobs of the programs, also those that are over, by their member: `late PENDING n1`. */
async function jobs(slurm: Cluster, name: RegExp): Promise<string[]> {
  const lines = (await slurm.run("squeue", "-h", "-t", "all", "-o", "%j %T %N")).split("\n");
  return lines.map((line) => line.replace("fleetbox-", "").trim()).filter((line) => name.test(line));
}

export async function matrixPasses(here: Sandbox, slurm: Cluster): Promise<void> {
  const results = await all(start(here, "matrix"));
  const base = ["10.88.0.11", "10.88.0.12", "running", "SSH-2.0", true];
  const special = ["running", "SSH-2.0", "SSH-2.0", ["a,b", "SSH-2.0", "a,b"]];
  assert.deepEqual(results, Array.from({ length: 20 }, (_, index) => [...base, special[index] ?? null]));
  await slurm.empty();
  const its = (await jobs(slurm, /^a-/)).map((line) => line.split(" "));
  assert.equal(its.length, 21, "twenty, and a fork's");
  assert.deepEqual(new Set(its.map(([, state]) => state)), new Set(["COMPLETED"]));
  assert.deepEqual(new Set(its.map(([, , node]) => node)), new Set(["n1", "n2"]));
}

/** What is called when no node has room. */
export async function queueIsLeft(here: Sandbox, slurm: Cluster): Promise<void> {
  const program = start(here, "queued");
  await until("it waits", async () => (await jobs(slurm, /^late PENDING/)).length === 1);
  program.kill("SIGUSR1");
  const [, interrupted, refused] = (await all(program)).map((line) => JSON.stringify(line));
  assert.match(interrupted, /^\["interrupted","Starting \\"late\\" was interrupted"\]$/);
  assert.match(refused, /^\["unavailable","Slurm at \\"lab\\" takes no job for huge \(CPUs: 1, memory: 64672 MiB\): /);
  assert.match((await jobs(slurm, /^late /)).join(), /^late CANCELLED *$/);
}

export async function jobEndsWithTheProgram(here: Sandbox, slurm: Cluster): Promise<void> {
  const program = start(here, "die");
  await program.printed(/"doomed"/);
  program.kill("SIGKILL");
  await program.done;
  await until("its job is over", async () => /^doomed COMPLETED/.test((await jobs(slurm, /^doomed /)).join()), 30_000);
}

export async function endOfTheJobIsTold(here: Sandbox, slurm: Cluster): Promise<void> {
  const program = start(here, "cancelled");
  await program.printed(/"ended"/);
  await slurm.run("scancel", "--name=fleetbox-ended");
  const [, why, closed] = await all(program);
  assert.match(JSON.stringify(why), /^\["failed","Job \d+ of ended is over: it was cancelled \(CANCELLED\)"\]$/);
  assert.equal(closed, "nothing");
}
