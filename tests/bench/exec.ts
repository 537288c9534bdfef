/**
 * Commands in sequence on one machine: the library's `exec("true")` beside OpenSSH over one connection, and the command line's beside
 * OpenSSH with the file that `ssh-config` prints.
 *
 * Both go to the same machine, in turn. OpenSSH's side is that of a script: `ssh` a hundred times, each a process that
 * borrows the connection of a `ControlMaster`; for the command line five times, a connection each. Run alone it prints JSON:
 *
 *     node_modules/.bin/deno run -A tests/bench/exec.ts [RUNS]
 */

import { start } from "../../mod.ts";
import { sshArguments } from "../../src/guest/ssh_probe.ts";
import type { Store } from "../../src/store.ts";
import { Bench, inTurn, msRow, type Row, timed, timeFleetbox } from "./bench.ts";

const COMMANDS = 100;
const LIMIT = 1.3;
const LOGINS = 5;
const LOGINS_LIMIT = 1.1;

export async function hundredCommands(bench: Bench): Promise<Row[]> {
  bench.say(`${COMMANDS} commands in sequence, ${bench.runs} times each way`);
  const store = await bench.store();
  await using vm = await start("commands", { store: store.root, egress: "off" });
  const { host, port, user, keyPath } = vm.ssh;
  const address = sshArguments({ host, port, user }, keyPath);
  const control = `${store.runDir}/cm`;
  const ssh = (...args: string[]) => runSsh("-o", `ControlPath=${control}`, ...args);
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

  const [ours, theirs] = await inTurn(
    bench.runs,
    () => timed(() => vm.exec("true", { check: true }), COMMANDS),
    () => timed(() => ssh(...address, "true"), COMMANDS),
  );
  await ssh("-O", "exit", ...address);
  await master.status;
  return [
    msRow(`library: ${COMMANDS} × exec("true")`, ours, "ssh, one connection", theirs, LIMIT),
    await commandLine(bench, store, vm.name),
  ];
}

/** A login each. */
async function commandLine(bench: Bench, store: Store, name: string): Promise<Row> {
  const file = `${store.runDir}/ssh-config`;
  await timeFleetbox(store, ["ssh-config", name], {
    onLine: (line) => Deno.writeTextFileSync(file, `${line}\n`, { append: true }),
  });
  const [ours, theirs] = await inTurn(
    bench.runs,
    () => timed(() => timeFleetbox(store, ["exec", name, "--", "true"]), LOGINS),
    () => timed(() => runSsh("-F", file, name, "true"), LOGINS),
  );
  return msRow(`${LOGINS} × exec ${name} -- true`, ours, "ssh", theirs, LOGINS_LIMIT);
}

async function runSsh(...args: string[]): Promise<void> {
  const options = { stdin: "null", stdout: "null", stderr: "piped" } as const;
  const { code, stderr } = await new Deno.Command("ssh", { args, ...options }).output();
  if (code !== 0) throw new Error(`ssh ended with code ${code}: ${new TextDecoder().decode(stderr)}`);
}

if (import.meta.main) {
  const bench = await Bench.open(Number(Deno.args[0] ?? 3), (line) => console.error(`bench: ${line}`));
  try {
    console.log(JSON.stringify(await hundredCommands(bench), null, 2));
  } finally {
    await bench[Symbol.asyncDispose]();
  }
}
