/**
 * A fleetbox of its own for one test: the real executable, a store in a temporary directory, and either real QEMU or
 * the fake QEMU.
 *
 *     await using box = await sandbox({ fakeQemu: { b: { start: "die" } } });
 *     const up = await box.run("up", "a,b");
 *
 * At its end it stops every member by force, and checks that the holders end and that nothing remains (no process, no
 * socket, no record, no pidfile, no mount), and removes the directory. What remains is killed by its id, and fails the
 * test. A test that leaves debris on purpose says so with {@link Sandbox.leavesDebris}.
 *
 * A command may be started and awaited later: what fails before that is told by the test, and an error that no code awaits
 * fails the test at the sandbox's end.
 */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { fileURLToPath } from "node:url";
import { viewsOf } from "../../src/cli/member_view.ts";
import { getStatus, stop } from "../../src/control.ts";
import { observeAll } from "../../src/control/observe.ts";
import { isAlive } from "../../src/system/process.ts";
import { type GroupRecord, Store } from "../../src/store.ts";
import type { MemberReport, Status } from "../../src/wire.ts";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import type { Renewal } from "../fake_qemu/ssh.ts";
import { IS_COMPILED, type Result, Running } from "./command.ts";
import { filesBelow, writeTinyMicro } from "./files.ts";
import { type Found, kill, parentOf, processesOf, signal, until } from "./processes.ts";
import { handled, talkJson } from "./socket.ts";
import { SuiteStore } from "./suite_store.ts";
import { endedWithTest } from "./test.ts";
import { Uncaught } from "./uncaught.ts";

export { steps, test } from "./test.ts";

export interface SandboxOptions {
  /** The fake QEMU's behaviours by member name. Absent: real QEMU and the real micro image. */
  fakeQemu?: Record<string, Behaviour>;
  /** When a command that has not ended is killed. @default 120000 */
  limitMs?: number;
  /** Another program than the one that is tested. */
  program?: string;
  /** Further environment; an empty string takes a variable away. */
  env?: Record<string, string>;
  /** Whether templates of machines are taken and used. @default false: each new member boots */
  templates?: boolean;
  /**
   * Its members may start from templates that other such tests of the suite have taken (no boot: a third of the time), as those
   * of a user do. Its store is the suite's, then, one test at a time; what is not a cache is removed from it. Outside a suite it
   * boots. @default false
   */
  warm?: boolean;
  /** Whether `ssh` is a fake one, which does what a fake guest needs that goes on where it was saved. @default false */
  fakeSsh?: boolean;
  /** The name of the user's home directory, in which the store is then `.fleetbox`. */
  homeName?: string;
  /** The length of the store's path, in bytes. */
  storeDepth?: number;
  /** Puts the store on a file system of its own, of so many KiB. Needs root. */
  storeKiB?: number;
}

const FAKE_QEMU = fileURLToPath(new URL("../fake_qemu/qemu-system-x86_64", import.meta.url));
/** A directory with the fake `ssh` alone. */
const FAKE_SSH = fileURLToPath(new URL("../fake_qemu/bin", import.meta.url));
const LEAVE_LIMIT_MS = 20_000;
/** As `ls` has it. */
const LOOK_LIMIT_MS = 1_000;

/** Whether this process may mount file systems. */
export const MAY_MOUNT = Deno.uid() === 0;

export async function sandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const root = Deno.makeTempDirSync({ prefix: "s" });
  const box = new Sandbox(root, options);
  if (options.fakeQemu) {
    writeTinyMicro(join(root, "micro"));
    box.behave(options.fakeQemu);
  }
  if (options.storeKiB !== undefined) {
    Deno.mkdirSync(box.home);
    await box.mount(box.home, `size=${options.storeKiB}k,mode=0700`);
  }
  return box;
}

export class Sandbox implements AsyncDisposable {
  readonly home: string;
  readonly store: Store;
  readonly env: Record<string, string>;
  #commands: Running[] = [];
  #mounts: string[] = [];
  #children: Deno.ChildProcess[] = [];
  readonly #uncaught = new Uncaught();
  readonly #suite: SuiteStore | undefined;
  #debris = false;
  /** Whether a holder was killed: it may have been writing a file. */
  #killed = false;
  #end: Promise<void> | undefined;
  readonly #forget = endedWithTest({ look: () => this.#look(), end: () => this[Symbol.asyncDispose]() });

  constructor(readonly root: string, private readonly options: SandboxOptions) {
    const { storeDepth = root.length + 2 } = options;
    const { homeName } = options;
    this.#suite = options.warm ? SuiteStore.take() : undefined;
    this.home = this.#suite?.path ??
      join(root, homeName === undefined ? "h".repeat(storeDepth - root.length - 1) : `${homeName}/.fleetbox`);
    if (homeName !== undefined) Deno.mkdirSync(join(root, homeName));
    this.store = Store.at(this.home);
    const path = Deno.env.get("FLEETBOX_TEST_PATH");
    const inherited = ["PATH", "TMPDIR", "FLEETBOX_TEST_RUN", "FLEETBOX_DEBUG"].flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    });
    this.env = {
      ...Object.fromEntries(inherited),
      ...(path === undefined ? {} : { PATH: path }),
      HOME: homeName === undefined ? root : join(root, homeName),
      FLEETBOX_HOME: this.home,
      LANG: "C",
      ...(options.templates || this.#suite ? {} : { FLEETBOX_TEMPLATES: "0" }),
      // Else Deno would translate every module anew for each sandbox: its cache is below the home directory.
      ...(IS_COMPILED ? {} : { DENO_DIR: denoDirectory() }),
      ...(options.fakeQemu
        ? {
          FLEETBOX_QEMU: FAKE_QEMU,
          FLEETBOX_FAKE_QEMU_FILE: join(root, "behaviour.json"),
          FLEETBOX_MICRO: join(root, "micro"),
          FLEETBOX_ACCEL: "tcg", // no dry run
        }
        : {}),
      ...options.env,
    };
    if (options.fakeSsh) this.env.PATH = `${FAKE_SSH}:${this.env.PATH}`;
    for (const [name, value] of Object.entries(this.env)) if (value === "") delete this.env[name];
  }

  /** Changes the fake QEMU's behaviours, for the machines that start from now on. */
  behave(behaviours: Record<string, Behaviour>): void {
    Deno.writeTextFileSync(join(this.root, "behaviour.json"), JSON.stringify(behaviours));
  }

  /** Starts a command. */
  start(
    args: readonly string[],
    options: { env?: Record<string, string>; cwd?: string; program?: string } = {},
  ): Running {
    const running = new Running(args, { ...this.env, ...options.env }, {
      limitMs: this.options.limitMs,
      program: this.options.program,
      ...(IS_COMPILED ? { cwd: this.root } : {}),
      ...options,
    });
    this.#commands.push(running);
    return running;
  }

  /** Runs a command to its end, successful or not. */
  run(...args: string[]): Promise<Result> {
    return this.start(args).done;
  }

  /** Runs a command that must succeed. */
  ok(...args: string[]): Promise<Result> {
    return handled(
      this.run(...args).then((result) => {
        assert.equal(result.code, 0, told(result));
        return result;
      }),
    );
  }

  /** Runs a command that must fail, with this code and these words on standard error, and no stack trace. */
  fails(code: number, words: RegExp | readonly RegExp[], ...args: string[]): Promise<Result> {
    return handled(
      this.run(...args).then((result) => {
        assert.equal(result.code, code, told(result));
        for (const pattern of [words].flat()) assert.match(result.stderr, pattern, told(result));
        assert.doesNotMatch(result.stderr, /\n\s+at .*\.ts:\d+/, told(result));
        return result;
      }),
    );
  }

  /** `up` with egress off. */
  up(...args: string[]): Promise<Result> {
    return this.ok("up", ...args, "--egress", "off");
  }

  /** What `ls --json` prints, by name, without a process of its own for each look. */
  // deno-lint-ignore no-explicit-any
  async ls(): Promise<Record<string, any>> {
    const views = IS_COMPILED
      ? JSON.parse((await this.ok("ls", "--json")).stdout)
      : JSON.parse(JSON.stringify(viewsOf(await observeAll(this.store, LOOK_LIMIT_MS))));
    return Object.fromEntries(views.map((view: { name: string }) => [view.name, view]));
  }

  /** `ls`, as `a=running b=stopped`. */
  async states(): Promise<string> {
    return Object.values(await this.ls()).map(({ name, state }) => `${name}=${state}`).join(" ");
  }

  async status(name: string): Promise<Status | undefined> {
    return await getStatus(this.store, name);
  }

  async report(name: string): Promise<MemberReport> {
    const [report] = await talkJson(this.store.memberSocket(name), { op: "report" });
    assert.equal(report.name, name, JSON.stringify(report));
    return report;
  }

  processes(kind?: Found["kind"]): Found[] {
    return processesOf(this.home).filter((process) => kind === undefined || process.kind === kind);
  }

  /** The one process of a kind and a name. */
  process(kind: Found["kind"], name?: string): Found {
    const found = this.processes(kind).filter((process) => name === undefined || process.name === name);
    assert.equal(found.length, 1, `${kind} ${name ?? ""}: ${JSON.stringify(found)}`);
    return found[0];
  }

  /** Returns when no process works on the store any more: a holder ends a moment after its last member. */
  async empty(): Promise<void> {
    assert.deepEqual(this.processes("machine"), [], "a machine runs");
    await until("every process has left", () => this.processes().length === 0, LEAVE_LIMIT_MS).catch((thrown) => {
      throw new Error(`${thrown}: ${JSON.stringify(this.processes(), null, 2)}`);
    });
  }

  /** The machines that run, as `name:pid`, sorted. */
  machines(): string[] {
    return this.processes("machine").map(({ name, pid }) => `${name}:${pid}`).sort();
  }

  /** Makes a fake machine do what its `onSignal` says. */
  accident(name: string): void {
    signal(this.process("machine", name), "SIGUSR1");
  }

  /** The one group's record. */
  record(): GroupRecord {
    const records = this.store.groupRecords();
    assert.equal(records.length, 1, JSON.stringify(records));
    return records[0];
  }

  /** Kills the holder of a member and its guardian together. Its machines run on, and are not adopted. */
  async killHolder(name: string): Promise<Found> {
    const holder = await this.#holderOf(name);
    await this.killOrphaning(holder);
    return holder;
  }

  /** Kills the holder of a member. Its guardian adopts the group. */
  async killHolderAlone(name: string): Promise<Found> {
    const holder = await this.#holderOf(name);
    this.#killed = true;
    await kill(holder);
    return holder;
  }

  /** Kills a holder together with its guardian. The holder is stopped first, so that it starts no other guardian. */
  async killOrphaning(holder: Found): Promise<void> {
    this.#killed = true;
    signal(holder, "SIGSTOP");
    await Promise.all(this.processes("guardian").filter(({ pid }) => parentOf(pid) === holder.pid).map(kill));
    await kill(holder);
  }

  async #holderOf(name: string): Promise<Found> {
    const { pid } = await this.report(name);
    const holder = this.processes("holder").find((process) => process.pid === pid);
    assert.ok(holder, `the holder of ${name}, process ${pid}, is none of ours`);
    return holder;
  }

  /** Kills holders, guardians, machines and gateways at once. */
  async killAll(): Promise<void> {
    await Promise.all(this.processes("holder").map((holder) => this.killOrphaning(holder)));
    await Promise.all(this.processes().map(kill));
  }

  /** What fake guests that went on where they were saved were told, the latest last. */
  renewals(): Renewal[] {
    try {
      const lines = Deno.readTextFileSync(join(this.root, "renewals.jsonl")).trim().split("\n");
      return lines.map((line) => JSON.parse(line));
    } catch {
      return [];
    }
  }

  /** Fake machines that were loaded beside a disk that does not fit, see `written_disk.ts`. */
  torn(): string[] {
    try {
      return Deno.readTextFileSync(join(this.root, "torn")).trim().split("\n");
    } catch {
      return [];
    }
  }

  holderLog(first: string): string {
    try {
      return Deno.readTextFileSync(this.store.holderLog(first));
    } catch {
      return "";
    }
  }

  /** The logs of all holders so far. */
  holderLogs(): string {
    return this.#logs().join("\n");
  }

  /** Starts another program, which is ended with the sandbox. It does not have the store in its environment. */
  spawn(program: string, ...args: string[]): Deno.ChildProcess {
    const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
    this.#children.push(child);
    return child;
  }

  /** Mounts a tmpfs, which is unmounted with the sandbox. */
  async mount(path: string, options: string): Promise<void> {
    await tool("mount", "-t", "tmpfs", "-o", options, "tmpfs", path);
    if (!this.#mounts.includes(path)) this.#mounts.push(path);
  }

  /** Makes a mount `ro` or `rw`. A process that has just ended may hold a file open for a moment more. */
  async remount(path: string, mode: "ro" | "rw"): Promise<void> {
    let problem: unknown;
    await until(`${path} is ${mode}`, async () => {
      try {
        await tool("mount", "-o", `remount,${mode}`, path);
        return true;
      } catch (thrown) {
        problem = thrown;
      }
    }, 10_000).catch(() => {
      throw problem;
    });
  }

  /** Files in the store that only a served group has: sockets, records, pidfiles; and temporary files. */
  debris(): string[] {
    return filesBelow(this.home).map((path) => path.slice(this.home.length + 1)).filter((path) =>
      (path.startsWith("run/") && path !== "run/.lock") || /\/(pid|host)$|\.tmp$|\.d$|^clusters\/\.removed/.test(path)
    ).filter((path) => !(this.#killed && path.endsWith(".tmp")));
  }

  /** The members that have a directory in the store. */
  stored(): string[] {
    return filesBelow(this.store.clustersDir).flatMap((path) => /\/([^/]+)\/config\.json$/.exec(path)?.[1] ?? []);
  }

  /** This test leaves sockets and records behind on purpose: it kills what would remove them. */
  leavesDebris(): void {
    this.#debris = true;
  }

  /** Ends it; a second time, it is the same end. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#end ??= this.#dispose().finally(this.#forget);
  }

  /** The commands and processes that run, and what its holders have logged. */
  #look(): string {
    const commands = this.#commands.filter((command) => !command.hasEnded)
      .map(({ args }) => `command: ${args.join(" ")}`);
    const processes = this.processes().map(({ kind, name, pid }) => `${kind} ${name}: process ${pid}`);
    return [...commands, ...processes, ...this.#logs()].join("\n");
  }

  async #dispose(): Promise<void> {
    const problems: string[] = [];
    // Every step is done, whatever became of the one before.
    const step = async (work: () => unknown) => {
      try {
        await work();
      } catch (thrown) {
        problems.push(String(thrown));
      }
    };
    await step(() => Promise.all(this.#commands.map((command) => command.end())));
    for (const path of this.#mounts) await this.remount(path, "rw").catch(() => {});
    await step(async () => problems.push(...await this.#stopAll()));
    for (const process of this.processes()) {
      problems.push(`left behind: process ${process.pid}: ${process.command.slice(0, 200)}`);
      await step(() => kill(process));
    }
    for (const child of this.#children) {
      try {
        child.kill("SIGKILL");
      } catch { /* gone */ }
      await child.status;
    }
    if (!this.#debris) problems.push(...this.debris().map((path) => `left behind: ${path}`));
    problems.push(...this.torn(), ...this.#uncaught.errors);
    this.#uncaught[Symbol.dispose]();
    if (problems.length > 0) problems.push(...this.#logs());
    for (const path of this.#mounts.reverse()) await step(() => tool("umount", "-l", path));
    await step(() => Deno.removeSync(this.root, { recursive: true }));
    await step(() => this.#suite?.giveBack(problems.length === 0));
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }

  async #stopAll(): Promise<string[]> {
    const problems: string[] = [];
    const names = new Set([
      ...this.store.members().map(({ name }) => name),
      ...this.store.groupRecords().flatMap(({ members }) => members),
      ...this.processes("holder").flatMap(({ name }) => name.split(",")),
    ]);
    const holders = this.processes("holder");
    for (const holder of holders) signal(holder, "SIGCONT");
    await Promise.all([...names].map(async (name) => {
      try {
        await stop(this.store, name, { force: true, signal: AbortSignal.timeout(LEAVE_LIMIT_MS) });
      } catch (thrown) {
        problems.push(`${name}: ${thrown}`);
      }
    }));
    for (const holder of holders) {
      await until(`the holder of ${holder.name} has left`, () => !isAlive(holder), LEAVE_LIMIT_MS)
        .catch((thrown) => problems.push(String(thrown)));
    }
    // A killed holder's machines: the test that killed it has made its assertions.
    if (this.#debris) await Promise.all(this.processes().map(kill));
    return problems;
  }

  #logs(): string[] {
    return filesBelow(this.home).filter((path) => /\/runner-[^/]*\.log$/.test(path))
      .map((path) => `${path}:\n${Deno.readTextFileSync(path)}`);
  }
}

/** Where this process's own Deno keeps its cache. */
function denoDirectory(): string {
  const { DENO_DIR, XDG_CACHE_HOME, HOME } = Deno.env.toObject();
  return DENO_DIR || join(XDG_CACHE_HOME || join(HOME || "/var/tmp", ".cache"), "deno");
}

/** A result for an assertion's message. */
export function told({ args, code, signal, stdout, stderr }: Result): string {
  return `fleetbox ${args.join(" ")}: ${signal ?? `code ${code}`}\n${stdout}${stderr}`;
}

async function tool(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "piped" })
    .output();
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
