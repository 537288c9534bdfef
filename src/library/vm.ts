/** A machine in a test: its place in its group, its SSH connection, and the operations over that. */

import { healPauses } from "../control/faults.ts";
import { joined } from "../core/bytes.ts";
import { FleetboxError, fromWireError } from "../core/errors.ts";
import { checkWish } from "../core/options.ts";
import { newSeed } from "../core/random.ts";
import type { MemberReport, SshEndpoint, State } from "../wire.ts";
import { checked } from "./check.ts";
import { notSaved, save, type SavedCheckpoint, savedIn } from "./checkpoints/saved_checkpoint.ts";
import { lastLines } from "./console_log.ts";
import { checkGrows } from "../store/resources.ts";
import { copyFrom, copyTo } from "./copy.ts";
import { CommandError, execute, spawn } from "./exec.ts";
import { Files, piecesOf } from "./files.ts";
import { openFork } from "./checkpoints/open_fork.ts";
import { MachineDisk } from "./faults/disk_faults.ts";
import { GroupFaults } from "./faults/group_faults.ts";
import { VmClock } from "./faults/machine_clock.ts";
import type { Group, Home } from "./places/home.ts";
import { timed } from "./members/timed.ts";
import type * as types from "./types.ts";
import { EndWatch } from "./machine_end.ts";
import { begin, callSite } from "./trace/call_site.ts";
import type { GroupTrace } from "./trace/group_trace.ts";
import { sizesOf } from "./members/members.ts";
import { Lanes } from "./ssh/ssh_pool.ts";
import { untilHolds } from "./wait/condition.ts";
import { waitFor } from "./wait_for.ts";

/** A machine that was opened. */
export interface Opened {
  /** What its caller calls it. @default its name in the store */
  name?: string;
  report: MemberReport;
  /** Where the lines of this start begin in its console's log. */
  consoleStart: number;
}

export class Machine implements types.Vm {
  readonly name: string;
  readonly hostName: string;
  readonly storeName: string;
  readonly clock: VmClock;
  readonly #group: Group;
  readonly #lanes: Lanes;
  readonly #files: Files;
  readonly #endWatch: EndWatch;
  #ip: string;
  #endpoint: SshEndpoint;
  /** The offset of the latest start's lines. */
  #consoleStart: number;
  #isDestroyed = false;
  /** The end that is under way, or was; undefined: none, or its group's. */
  #ending: Promise<void> | undefined;
  readonly #onGone: () => Promise<void>;

  /**
   * @param opened the machine, which runs.
   * @param onGone is called once it was destroyed or released.
   */
  constructor(group: Group, { name, report, consoleStart }: Opened, onGone: () => Promise<void>) {
    this.name = name ?? report.name;
    this.hostName = report.host_name ?? report.name;
    this.storeName = report.name;
    this.#group = group;
    this.#ip = report.ip;
    this.#endpoint = report.ssh!;
    this.#consoleStart = consoleStart;
    this.#onGone = onGone;
    const { store } = group.home;
    this.clock = new VmClock({
      store,
      storeName: this.storeName,
      name: this.name,
      faults: () => this.#faults(),
    });
    this.#lanes = new Lanes({
      name: this.name,
      key: store.key,
      endpoint: () => this.#whereItAnswers(),
    });
    this.#files = new Files(this.#lanes);
    this.#endWatch = new EndWatch({ store, name: this.storeName }, () => this.#lanes.drop());
    this.#lanes.warmUp();
  }

  /** Its group's; undefined: it is not traced. */
  get trace(): GroupTrace | undefined {
    return this.#group.trace;
  }

  get ip(): string {
    return this.#ip;
  }

  get ssh(): types.SshAddress {
    const { host, port, user } = this.#endpoint;
    return { host, port, user, keyPath: this.#group.home.store.key };
  }

  async exec(command: types.Command, options?: types.ExecOptions): Promise<types.ExecResult> {
    const request = checked("exec", this.#call("exec"), options);
    const ended = this.#group.trace?.command(this.storeName, command, callSite());
    try {
      const result = await this.#unlessItEnds("exec", execute(this.#lanes, command, request));
      ended?.({ result });
      return result;
    } catch (thrown) {
      ended?.(thrown instanceof CommandError ? { result: thrown.result } : { thrown });
      throw thrown;
    }
  }

  async spawn(command: types.Command, options?: types.ProcessOptions): Promise<types.Process> {
    const request = checked("spawn", this.#call("spawn"), options);
    const ended = this.#group.trace?.command(this.storeName, command, callSite());
    try {
      const process = await this.#unlessItEnds("spawn", spawn(this.#lanes, command, request));
      const status = this.#unlessItEnds("spawn", process.status);
      // Its output is the caller's. Callers that await its end get the error.
      status.then((end) => ended?.({ result: { ...end, stdout: "", stderr: "" } }), (thrown) => ended?.({ thrown }));
      return { ...process, status };
    } catch (thrown) {
      ended?.({ thrown });
      throw thrown;
    }
  }

  async copyTo(from: string, to: string, options?: types.CopyOptions): Promise<void> {
    await this.#timed("copyTo", `copying ${from} to ${to}`, options, (signal) => copyTo(this.#files, from, to, signal));
  }

  async copyFrom(from: string, to: string, options?: types.CopyOptions): Promise<void> {
    const copying = `copying ${from} to ${to} of this host`;
    await this.#timed("copyFrom", copying, options, (signal) => copyFrom(this.#files, from, to, signal));
  }

  async writeFile(
    path: string,
    content: string | Uint8Array | ReadableStream<Uint8Array>,
    options?: types.WriteOptions,
  ): Promise<void> {
    const { mode, ...limits } = checked("write", this.#call("writeFile"), options);
    const how = { mode: mode ?? 0o644, exactMode: mode !== undefined };
    const write = (signal?: AbortSignal) => this.#files.write(path, piecesOf(content, signal), { ...how, signal });
    await this.#timed("writeFile", `writing ${path}`, limits, write);
  }

  async readFile(path: string, options?: types.CopyOptions): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#timed("readFile", `reading ${path}`, options, (signal) => this.#read(path, { signal }));
  }

  async readTextFile(path: string, options?: types.CopyOptions): Promise<string> {
    const read = (signal?: AbortSignal) => this.#read(path, { signal });
    return new TextDecoder().decode(await this.#timed("readTextFile", `reading ${path}`, options, read));
  }

  /** A call that waits for the guest. @param doing what it does, for its errors */
  async #timed<T>(
    method: "copyTo" | "copyFrom" | "writeFile" | "readFile" | "readTextFile",
    doing: string,
    options: types.CopyOptions | undefined,
    work: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const call = { name: this.#call(method), doing, begun: begin(this[method]) };
    const limits = checked("copy", call.name, options);
    const run = (signal: AbortSignal | undefined) => this.#unlessItEnds(method, work(signal));
    return await timed(call, limits, run, (left) => this.#files.abandon(left));
  }

  async #read(path: string, options: { from?: number; signal?: AbortSignal }): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.#files.read(path, options)) pieces.push(piece); // Array.fromAsync() would cut an error's stack off
    return joined(pieces);
  }

  async forward(guestPort: number, hostPort?: number): Promise<number> {
    const wish = hostPort === undefined ? { guest_port: guestPort } : { guest_port: guestPort, host_port: hostPort };
    return (await this.#group.forward(this.storeName, checkWish(wish))).host_port;
  }

  async console(options?: types.ConsoleOptions): Promise<string> {
    const { lines, all } = checked("console", this.#call("console"), options);
    const text = await this.#group.home.console(this.storeName, all ? 0 : this.#consoleStart);
    return lines === undefined ? text : lastLines(text, lines);
  }

  async state(): Promise<State | "suspended" | "absent"> {
    if (this.#isDestroyed) return "absent";
    const report = await this.#group.report(this.storeName);
    return report?.state ?? await this.#group.home.standing(this.storeName);
  }

  async stop(options?: types.StopOptions): Promise<void> {
    const { graceMs, signal } = checked("stop", this.#call("stop"), options);
    await this.#lanes.drop();
    await this.#group.stop(this.storeName, { graceMs, signal });
  }

  async start(options?: types.RestartOptions): Promise<void> {
    await this.#boot(checked("restart", this.#call("start"), options));
  }

  async restart(options?: types.RebootOptions): Promise<void> {
    const { force, graceMs, ...request } = checked("reboot", this.#call("restart"), options);
    const config = await this.#group.home.config(this.storeName);
    if (config) checkGrows(config, sizesOf(request)); // before anything is stopped
    await (force ? this.kill() : this.stop({ graceMs, signal: request.signal }));
    await this.#boot(request);
  }

  async #boot(request: types.RebootOptions): Promise<void> {
    if (await this.state() !== "running") {
      this.#consoleStart = await this.#group.home.consoleSize(this.storeName);
    }
    this.goesOn(await this.#group.start(this.storeName, request), this.#consoleStart);
  }

  async suspend(): Promise<void> {
    await this.letGo();
    await this.#group.suspend([this.storeName]);
  }

  async pause(options?: types.FaultOptions): Promise<types.Fault> {
    return await this.#faults().ofMachine(this, { kind: "pause" }, checked("fault", this.#call("pause"), options));
  }

  async squeeze(options: types.FaultOptions & { availableMiB: number }): Promise<types.Fault> {
    const { availableMiB, ...times } = checked("squeeze", this.#call("squeeze"), options);
    return await this.#faults().ofMachine(this, { kind: "memory", availableMiB }, times);
  }

  async throttle(options: types.FaultOptions & { share: number }): Promise<types.Fault> {
    const { share, ...times } = checked("throttle", this.#call("throttle"), options);
    return await this.#faults().ofMachine(this, { kind: "cpu", share }, times);
  }

  get disk(): types.DiskFaults {
    return new MachineDisk(this.name, (wish, times) => this.#faults().ofMachine(this, wish, times));
  }

  #faults(): GroupFaults {
    const { store } = this.#group.home;
    const { storeName } = this;
    const via = () => Promise.resolve(storeName);
    return new GroupFaults({ store, storeName: () => storeName, via, all: () => [storeName] });
  }

  async resume(): Promise<void> {
    await healPauses(this.#group.home.store, this.storeName);
  }

  async checkpoint(name?: string, options?: types.CheckpointOptions): Promise<SavedCheckpoint<types.Vm>> {
    return await save({ group: this.#group, machines: [this.storeName], name, options }, forkMachine);
  }

  async restore(checkpoint: types.Checkpoint<types.Vm | types.Cluster>, options?: types.RestoreOptions): Promise<void> {
    const request = checked("restore", this.#call("restore"), options);
    const { home } = this.#group;
    const manifest = await savedIn(home, checkpoint);
    const [was] = Object.entries(manifest.members).find(([, one]) => one.host_name === this.hostName) ?? [];
    if (was === undefined) throw notSaved(this.hostName, manifest);
    if (this.#isDestroyed) throw new FleetboxError("conflict", `"${this.name}" was destroyed`);
    await this.letGo();
    const consoleStart = await home.consoleSize(this.storeName);
    const wish = { checkpoint: manifest.name, members: { [this.storeName]: was } };
    const [report] = await this.#group.restore(wish, request);
    this.goesOn(report, consoleStart);
  }

  /** Closes the connections; the next call opens new ones. */
  async letGo(): Promise<void> {
    await this.#lanes.drop();
  }

  /** It was started, or restored, and answers. */
  goesOn(report: MemberReport, consoleStart: number): void {
    this.#consoleStart = consoleStart;
    this.#ip = report.ip;
    this.#endpoint = report.ssh!;
    this.#lanes.warmUp();
  }

  async kill(options?: types.KillOptions): Promise<types.PowerCut | undefined> {
    const { loseUnflushed: mode = "none", seed = newSeed() } = checked("kill", this.#call("kill"), options);
    await this.#lanes.drop();
    const cut = await this.#group.kill(this.storeName, mode === "none" ? undefined : { mode, seed });
    if (!cut) return undefined;
    const { unflushed, lost, torn } = cut;
    return { unflushed, lost, ...(torn ? { torn } : {}), seed };
  }

  async destroy(): Promise<void> {
    await this.#end(() => this.#group.destroy(this.storeName));
  }

  /** Ends it: removed when its group made it, else shut down. */
  async release(): Promise<void> {
    await this.#end(() => this.#group.release(this.storeName));
  }

  /** Ends it once: calls that come meanwhile wait for the same end. */
  async #end(work: () => Promise<void>): Promise<void> {
    if (this.#isDestroyed) return await this.#ending;
    this.#isDestroyed = true;
    this.#ending = (async () => {
      await this.#lanes.close();
      await work();
      await this.#onGone();
    })();
    await this.#ending;
  }

  /** Shuts it down and keeps it beyond the end of its group, as if the user had made it. Returns its place. */
  async keep(graceMs: number): Promise<{ home: Home; paths: [what: string, path: string][] }> {
    const paths = await this.#group.keep(this.storeName);
    await this.stop({ graceMs });
    return { home: this.#group.home, paths };
  }

  /** Closes the connection, because the machine ends with its group. */
  async disconnect(): Promise<void> {
    this.#isDestroyed = true;
    await this.#lanes.close();
  }

  waitFor(target: { log: string | RegExp; in?: string }, options?: types.WaitOptions): Promise<string>;
  waitFor(target: types.WaitTarget, options?: types.WaitOptions): Promise<void | string>;
  waitFor<T>(condition: types.Condition<T>, options?: types.WaitOptions): Promise<types.Held<T>>;
  async waitFor(
    what: types.WaitTarget | types.Condition<unknown>,
    options?: types.WaitOptions,
  ): Promise<unknown> {
    const call = this.#call("waitFor");
    const whyNot = () => this.#whyNot();
    const begun = begin(this.waitFor);
    if (typeof what === "function") {
      const seen = () => Promise.resolve(` on "${this.name}"`);
      return await untilHolds(what, options, { call, begun, seen, whyNot });
    }
    return await waitFor(
      {
        name: this.name,
        ip: this.ip,
        probe: (host, port, signal) => this.#lanes.probe(host, port, signal),
        exists: async (path, signal) => await this.#files.stat(path, { follow: true, signal }) !== undefined,
        exec: (command, signal) => execute(this.#lanes, command, { signal }),
        console: () => this.console(),
        read: (path, from, signal) => this.#read(path, { from, signal }),
        whyNot,
      },
      what,
      checked("wait", call, options),
      begun,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #whereItAnswers(): Promise<SshEndpoint> {
    const why = await this.#whyNot(true);
    if (why) throw why;
    return this.#endpoint;
  }

  /** Why it cannot be used now; undefined when it runs. Remembers its endpoint. */
  async #whyNot(reach = false): Promise<FleetboxError | undefined> {
    const refuse = (found: string, cause?: unknown) =>
      new FleetboxError("conflict", `"${this.name}" does not run: it ${found}`, { cause });
    if (this.#isDestroyed) return refuse("was destroyed");
    const report = await this.#group.report(this.storeName, reach);
    if (!report) {
      const isSuspended = await this.#group.home.standing(this.storeName) === "suspended";
      return refuse(isSuspended ? "is suspended" : "is down");
    }
    if (report.state === "error") return refuse("failed", report.failure && fromWireError(report.failure));
    if (report.state !== "running" || !report.ssh) return refuse(`is ${report.stage ?? report.state}`);
    this.#ip = report.ip;
    this.#endpoint = report.ssh;
    return undefined;
  }

  /** Waits for work on it, or throws that it ended meanwhile. */
  async #unlessItEnds<T>(method: string, work: Promise<T>): Promise<T> {
    return await this.#endWatch.guard(this.#call(method), work);
  }

  #call(method: string): string {
    return `${method}() on "${this.name}"`;
  }
}

async function forkMachine(home: Home, checkpoint: string, options: types.ForkOptions): Promise<Machine> {
  const { group, machines } = await openFork({ home, checkpoint, options });
  return new Machine(group, machines[0], () => group.close());
}
