/**
 * For tests: a directory with a machine's spec in it, for the fake QEMU or for real QEMU, that cleans up after itself.
 */

import type { MachineSpec } from "../../src/vmm/contract.ts";
import { run } from "../../src/system/process.ts";
import type { Behaviour } from "./qemu.ts";

/** The fake QEMU's executable. */
export const FAKE_QEMU = new URL("qemu-system-x86_64", import.meta.url).pathname;

/** A directory that is removed at the end of its scope. */
export class Workspace implements AsyncDisposable {
  constructor(readonly path = Deno.makeTempDirSync({ prefix: "fleetbox-test-" })) {}

  /** A spec of a machine named `a`, with a disk and a seed. */
  async spec(changes: Partial<MachineSpec> = {}): Promise<MachineSpec> {
    const at = (name: string) => `${this.path}/${name}`;
    await run("qemu-img", ["create", "-q", "-f", "qcow2", at("disk.qcow2"), "16M"]);
    const seed = new Uint8Array(64 * 1024);
    seed.set(new TextEncoder().encode('    addresses: ["10.88.0.11/24"]\n'), 4096);
    Deno.writeFileSync(at("seed.img"), seed);
    return {
      name: "a",
      cpus: 1,
      memoryMiB: 64,
      mac: "52:54:00:00:00:0b",
      disk: at("disk.qcow2"),
      seed: at("seed.img"),
      boot: { kind: "firmware" },
      controlSocket: at("qmp.sock"),
      netSocket: at("net.sock"),
      consoleSocket: at("console.sock"),
      serialLog: at("serial.log"),
      bound: true,
      accelerator: "tcg",
      binary: FAKE_QEMU,
      ...changes,
    };
  }

  /** Sets the fake QEMU's behaviours, for what starts until the end of the scope. */
  behave(behaviours: Record<string, Behaviour>): Disposable {
    Deno.env.set("FLEETBOX_FAKE_QEMU", JSON.stringify(behaviours));
    return { [Symbol.dispose]: () => Deno.env.delete("FLEETBOX_FAKE_QEMU") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
