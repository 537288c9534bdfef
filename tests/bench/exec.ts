/**
 * A hundred commands in sequence on one machine: the library's `exec("true")` beside OpenSSH over one connection.
 *
 * Both go to the same machine, in turn. OpenSSH's side is that of a script: `ssh` a hundred times, each a process that
 * borrows the connection of a `ControlMaster`. Run alone it prints JSON:
 *
 *     node_modules/.bin/deno run -A tests/bench/exec.ts [RUNS]
 */

import { start } from "../../mod.ts";
import { sshArguments } from "../../src/guest/ssh_probe.ts";
import { Bench, inTurn, median, round, type Row } from "./bench.ts";

const COMMANDS = 100;
const LIMIT = 1.3;

export async function hundredCommands(bench: Bench): Promise<Row[]> {
  bench.say(`${COMMANDS} commands in sequence, ${bench.runs} times each way`);
  const store = await bench.store();
  await using vm = await start("commands", { store: store.root, egress: "off" });
  const { host, port, user, keyPath } = vm.ssh;
  const address = sshArguments({ host, port, user }, keyPath);
  const control = `${store.runDir}/cm`;
  const ssh = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command("ssh", {
      args: ["-o", `ControlPath=${control}`, ...args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) throw new Error(`ssh ended with code ${code}: ${new TextDecoder().decode(stderr)}`);
  };
  const master = bench.spawn("ssh", ["-M", "-N", "-o", `ControlPath=${control}`, ...address]);
  await vm.exec("true");
  for (let tries = 0;; tries++) {
    try {
      await ssh("-O", "check", ...address);
      break;
    } catch (thrown) {
      if (tries > 100) throw thrown;
      await new Promise((later) => setTimeout(later, 100));
    }
  }

  const timed = async (one: () => Promise<unknown>) => {
    const began = performance.now();
    for (let count = 0; count < COMMANDS; count++) await one();
    return performance.now() - began;
  };
  const [ours, theirs] = await inTurn(
    bench.runs,
    () => timed(() => vm.exec("true", { check: true })),
    () => timed(() => ssh(...address, "true")),
  );
  await ssh("-O", "exit", ...address);
  await master.status;
  return [{
    what: `library: ${COMMANDS} × exec("true")`,
    measured: round(median(ours)),
    unit: "ms",
    against: { what: "ssh, one connection", value: round(median(theirs)) },
    limit: { kind: "ratio", value: LIMIT },
    runs: { measured: ours.map((ms) => round(ms)), against: theirs.map((ms) => round(ms)) },
  }];
}

if (import.meta.main) {
  const bench = await Bench.open(Number(Deno.args[0] ?? 3), (line) => console.error(`bench: ${line}`));
  try {
    console.log(JSON.stringify(await hundredCommands(bench), null, 2));
  } finally {
    await bench[Symbol.asyncDispose]();
  }
}
