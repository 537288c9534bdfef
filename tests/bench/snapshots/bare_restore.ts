/**
 * Machines that are restored by hand from what `bare_save.ts` saved, any number at once, each with an overlay on the saved disk.
 *
 * Each is a QEMU with the saved machine's command line and `-S -incoming defer`: its memory is filled by `cp`, the devices'
 * state played to it, and then it runs. The clock starts with exec and stops when `ssh true` has worked in each. The
 * overlays are made before the clock starts. No guest's clock, random numbers or host name are set.
 */

import type { Store } from "../../../src/store.ts";
import { freePorts } from "../../support/free_ports.ts";
import { type BareMachine, bareMachine, type Stages } from "../bare_qemu.ts";
import type { Bench } from "../bench.ts";
import { type BareSnapshot, copy, makeOverlay, memoryOf, setCapabilities, untilSsh } from "./bare_save.ts";
import { Qmp } from "./qmp.ts";

/** Machines that wait to be restored; dispose of them, restored or not. */
export class BareCopies implements AsyncDisposable {
  readonly #children: Deno.ChildProcess[] = [];

  private constructor(
    readonly bench: Bench,
    readonly store: Store,
    readonly snapshot: BareSnapshot,
    readonly directory: string,
    readonly machines: BareMachine[],
  ) {}

  /** @param store the one whose key the guest accepts */
  static async prepare(bench: Bench, store: Store, snapshot: BareSnapshot, count: number): Promise<BareCopies> {
    const directory = await Deno.makeTempDir({ dir: bench.directory, prefix: "c" });
    const machines = [];
    for (const [index, port] of freePorts(count).entries()) {
      const at = `${directory}/${index}`;
      await makeOverlay(snapshot.disk, `${at}.qcow2`);
      machines.push(bareMachine({
        ...snapshot.machine.spec,
        disk: `${at}.qcow2`,
        controlSocket: `${at}.q`,
        consoleSocket: `${at}.c`,
        agentSocket: snapshot.machine.spec.agentSocket && `${at}.a`,
        serialLog: `${at}.log`,
      }, port));
    }
    return new BareCopies(bench, store, snapshot, directory, machines);
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid);
  }

  /** Restores all at once. */
  async restore(): Promise<{ ms: number; stages: Stages }> {
    const stages: Stages = {};
    const began = performance.now();
    const at = (stage: string) => stages[stage] = performance.now() - began; // the slowest one's counts
    await Promise.all(this.machines.map((machine) => this.#restoreOne(machine, at)));
    return { ms: performance.now() - began, stages };
  }

  async #restoreOne(machine: BareMachine, at: (stage: string) => void): Promise<void> {
    const [program, ...args] = machine.commandLine;
    const child = this.bench.spawn(program, [...args, "-S", "-incoming", "defer"]);
    this.#children.push(child);
    using qmp = await Qmp.open(machine.controlSocket);
    at("qemu");
    await copy("auto", this.snapshot.memory, memoryOf(child.pid));
    at("memory");
    await setCapabilities(qmp);
    const socket = machine.controlSocket.replace(/q$/, "i");
    const ended = qmp.event("MIGRATION", ({ status }) => status === "completed" || status === "failed");
    await qmp.execute("migrate-incoming", { uri: `unix:${socket}` });
    const connection = await Deno.connect({ transport: "unix", path: socket });
    await (await Deno.open(this.snapshot.devices)).readable.pipeTo(connection.writable);
    const { data } = await ended;
    if (data?.status !== "completed") throw new Error("QEMU by hand did not load the saved devices");
    at("devices");
    await qmp.execute("cont");
    at("resumed");
    await untilSsh(this.store, machine);
    at("ssh");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      try {
        child.kill("SIGKILL");
      } catch { /* it has ended */ }
      await child.status;
    }
    await Deno.remove(this.directory, { recursive: true });
  }
}
