/**
 * `make fuzz`: the full form, its counts and its record.
 *
 *     node_modules/.bin/deno run -A tests/fuzz/main.ts [--cases 1000000] [--seed N] [--only NAME [--chunk N]] [--live 20000]
 *
 * Each target runs in a process of its own, so that one that hangs is noticed and ended: no chunk takes two minutes.
 * Then a live holder gets as many requests as `--live` says while its "QEMU" sends garbage on every channel. Prints the seed
 * first and a table at the end; ends with 1 when a case failed.
 */

import { parseArgs } from "../../scripts/flags.ts";
import { liveHolder, type LiveOutcome } from "./live.ts";
import { type Outcome, run } from "./run.ts";
import { TARGETS } from "./targets.ts";

const { values } = parseArgs({
  options: {
    "cases": { type: "string", default: "1100000" },
    "seed": { type: "string", default: String(Date.now() % 1_000_000) },
    "only": { type: "string" },
    "chunk": { type: "string" },
    "live": { type: "string", default: "20000" },
    "child": { type: "boolean", default: false },
  },
});
const CHUNK_LIMIT_MS = 120_000;
const seed = Number(values.seed);

/** One target in this process; a line for each chunk, and the outcome as the last one. */
async function child(name: string): Promise<void> {
  const target = TARGETS.find((one) => one.name === name)!;
  const only = values.chunk === undefined ? undefined : Number(values.chunk);
  const outcome = await run(target, {
    seed,
    only,
    cases: Number(values.cases),
    onChunk: (chunk) => console.log(chunk),
  });
  console.log(JSON.stringify(outcome));
}

/** One target in another process, which is killed when it prints nothing for too long. */
async function parent(name: string, cases: number): Promise<Outcome> {
  // The young generation is kept small: its size must not count as memory that a case has left behind.
  const v8 = "--v8-flags=--expose-gc,--max-semi-space-size=2";
  const args = ["run", "-A", "--quiet", "--no-check", v8, new URL(import.meta.url).pathname];
  args.push("--child", "--only", name, "--seed", String(seed), "--cases", String(cases));
  if (values.chunk !== undefined) args.push("--chunk", values.chunk);
  const process = new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped", stderr: "inherit" })
    .spawn();
  let isSilent = false;
  const giveUp = () => {
    isSilent = true;
    process.kill("SIGKILL");
  };
  let limit = setTimeout(giveUp, CHUNK_LIMIT_MS);
  let said = "";
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(limit);
    limit = setTimeout(giveUp, CHUNK_LIMIT_MS);
    said += text;
  }
  clearTimeout(limit);
  const { success } = await process.status;
  const lines = said.trim().split("\n");
  if (success) return JSON.parse(lines.at(-1)!);
  const where = isSilent ? `a case hangs, after chunk ${lines.at(-1) || "-"}` : "a case failed, see above";
  throw new Error(`${name}: ${where} (seed ${seed})`);
}

function row({ cases, seconds, slowestMs, growthMiB }: Outcome, name: string): string {
  const numbers = [cases, seconds.toFixed(0), slowestMs.toFixed(0), Math.max(0, growthMiB).toFixed(0)];
  return `| ${name} | ${numbers.join(" | ")} |`;
}

function liveLines({ requests, frames, events, slowestMs, growthMiB }: LiveOutcome): string {
  return `live holder: ${requests} requests, ${frames} frames and ${events} events of a hostile QEMU; ` +
    `slowest answer ${slowestMs.toFixed(0)} ms, ${growthMiB.toFixed(0)} MiB more than at the start`;
}

async function main(): Promise<void> {
  console.log(`seed ${seed}`);
  const targets = TARGETS.filter(({ name }) => values.only === undefined || values.only === name);
  const shares = targets.reduce((sum, { share }) => sum + share, 0);
  console.log("| reader | cases | seconds | slowest case, ms | growth, MiB |\n| --- | --- | --- | --- | --- |");
  let total = 0, failed = 0;
  for (const { name, share } of targets) {
    try {
      const outcome = await parent(name, Math.ceil(Number(values.cases) * share / shares));
      total += outcome.cases;
      console.log(row(outcome, name));
    } catch (thrown) {
      failed++;
      console.error((thrown as Error).message);
    }
  }
  if (values.only === undefined && Number(values.live) > 0) {
    const live = await liveHolder({ seed, requests: Number(values.live) });
    total += live.requests + live.frames + live.events;
    console.log(liveLines(live));
  }
  console.log(`${total} cases, ${failed} readers failed, seed ${seed}`);
  if (failed > 0) Deno.exit(1);
}

if (values.child) await child(values.only!);
else await main();
