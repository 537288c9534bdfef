/**
 * For tests that drive the driver itself: a machine's console, typed at and read; and its saved files' places.
 */

import { until } from "./processes.ts";
import type { Machine, MachineSpec, SavedMachine } from "../../src/vmm/contract.ts";
import { qemu } from "../../src/vmm/qemu/driver.ts";

/** A connection to a machine's serial console. */
export class TestConsole implements Disposable {
  text = "";
  readonly #conn: Deno.UnixConn;

  private constructor(conn: Deno.UnixConn) {
    this.#conn = conn;
    void this.#read();
  }

  static async open(path: string): Promise<TestConsole> {
    return new TestConsole(await Deno.connect({ transport: "unix", path }));
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(16 * 1024);
    for (;;) {
      const count = await this.#conn.read(buffer).catch(() => null);
      if (count === null) return;
      this.text += decoder.decode(buffer.subarray(0, count), { stream: true });
    }
  }

  async type(text: string): Promise<void> {
    await this.#conn.write(new TextEncoder().encode(text));
  }

  /** Waits for what is said from now on, or since `from`; returns the match. */
  async says(pattern: RegExp, from = this.text.length): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null;
    await until(`${pattern} on the console`, () => (found = pattern.exec(this.text.slice(from))) !== null, 120_000);
    return found!;
  }

  /** A root shell's answer to a command of one line. */
  async shell(command: string): Promise<string> {
    const from = this.text.length;
    // The echo of what is typed has the mark in two pieces.
    await this.type(`echo "<<$(${command})>"">"\r`);
    return (await this.says(/<<([^<>$]*)>>/, from))[1].replaceAll("\r\n", "\n");
  }

  [Symbol.dispose](): void {
    try {
      this.#conn.close();
    } catch { /* the machine has ended */ }
  }
}

/** A machine with its console. */
export interface Driven extends AsyncDisposable {
  machine: Machine;
  console: TestConsole;
  spec: MachineSpec;
}

export async function drive(spec: MachineSpec, saved?: SavedMachine): Promise<Driven> {
  const machine = await qemu.start(spec, undefined, saved);
  return await driven(spec, machine);
}

export async function driven(spec: MachineSpec, machine: Machine): Promise<Driven> {
  const terminal = await TestConsole.open(spec.consoleSocket);
  return {
    machine,
    console: terminal,
    spec,
    async [Symbol.asyncDispose]() {
      terminal[Symbol.dispose]();
      await machine.kill();
    },
  };
}

/** Places for a saved machine's files in a directory. */
export function filesIn(directory: string, name = "saved"): { devices: string; memory: string; socket: string } {
  return {
    devices: `${directory}/${name}.devices`,
    memory: `${directory}/${name}.memory`,
    socket: `${directory}/save.sock`,
  };
}

/**
 * Acts in the middle of something that takes some ten milliseconds at least, and returns how that failed. One that was
 * quicker is begun again.
 */
export async function amid(
  begin: () => { work: Promise<Machine | void>; isOn(): boolean },
  act: () => void,
): Promise<unknown> {
  for (let tries = 0; tries < 20; tries++) {
    const { work, isOn } = begin();
    let isOver = false;
    const outcome = work.then(
      async (result) => {
        if (result) await result.kill();
        return undefined;
      },
      (thrown) => thrown,
    ).finally(() => isOver = true);
    while (!isOver && !isOn()) await new Promise((resolve) => setTimeout(resolve, 1));
    if (!isOver) act();
    const failure = await outcome;
    if (failure !== undefined) return failure;
  }
  throw new Error("it was over 20 times before it could be disturbed");
}
