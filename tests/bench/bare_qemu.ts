/**
 * The counterpart of `up`: the same QEMU command line, started by hand.
 *
 * The arguments are the driver's own, from its pure `commandLine`, with one exchange: the `stream` netdev, which waits for
 * our switch, becomes QEMU's own `user` netdev with the same network and a forwarded port. Disk, seed, key and the choice
 * of the accelerator are made before the clock starts. That is the least that is needed to reach such a guest over
 * SSH: one process, no switch and no gateway. All that fleetbox does beyond it counts as its cost.
 */

import { SUBNET } from "../../src/network/subnet.ts";
import { DEFAULTS, type Options } from "../../src/core/options.ts";
import { machineSpec, prepareMember } from "../../src/holder/member/prepare.ts";
import type { Store } from "../../src/store.ts";
import type { MachineSpec } from "../../src/vmm/contract.ts";
import { chooseAccelerator } from "../../src/vmm/qemu/accelerator.ts";
import { findQemu } from "../../src/vmm/qemu/program.ts";
import { connectUnix, readLines, type UnixConnection } from "../../src/system/sockets.ts";
import { qemu } from "../../src/vmm/qemu/driver.ts";
import { freePort } from "../support/free_ports.ts";
import { type Bench, sleep } from "./bench.ts";

/** A machine that can be started. */
export interface BareMachine {
  spec: MachineSpec;
  commandLine: string[];
  consoleSocket: string;
  controlSocket: string;
  sshPort: number;
}

const BOOT_LIMIT_MS = 60_000;
const IP = "10.88.0.11";

/** The moments of a boot, in milliseconds since exec. */
export type Stages = Record<string, number>;

export interface Booted {
  bannerMs: number;
  stages: Stages;
  child: Deno.ChildProcess;
}

export async function prepareBare(store: Store, name: string, options: Options = {}): Promise<BareMachine> {
  const nothing = () => {};
  const prepared = await prepareMember({
    store,
    name,
    options,
    identity: { hostName: name, ip: IP, mac: SUBNET.macOf(IP) },
    group: "bare",
    groupName: "bare",
    onStage: nothing,
    onCreate: nothing,
    onDownload: nothing,
    signal: new AbortController().signal,
  });
  const binary = findQemu();
  const { accelerator } = await chooseAccelerator({ binary, cacheFile: store.acceleratorCache });
  const spec = machineSpec(store, prepared.config, prepared.image, { binary, accelerator, bound: false });
  if (prepared.config.memory_mb < DEFAULTS.memoryMiB) throw new Error("the counterpart has less memory than a member");
  return bareMachine(spec, freePort());
}

/** The machine of a spec on a network of its own, with a port of this host that leads to its SSH server. */
export function bareMachine(spec: MachineSpec, sshPort: number): BareMachine {
  const user =
    `user,id=net0,ipv6=off,net=${SUBNET.cidr},host=${SUBNET.gateway},dns=${SUBNET.dns},dhcpstart=${SUBNET.dhcpStart},restrict=on,` +
    `hostfwd=tcp:127.0.0.1:${sshPort}-${IP}:22`;
  const commandLine = qemu.commandLine(spec).map((argument) => argument.startsWith("stream,") ? user : argument);
  if (!commandLine.includes(user)) throw new Error("the driver's command line has no stream netdev to replace");
  return { spec, commandLine, consoleSocket: spec.consoleSocket, controlSocket: spec.controlSocket, sshPort };
}

/** Starts it; resolves with the first byte of the SSH banner. */
export async function bootBare(bench: Bench, machine: BareMachine): Promise<Booted> {
  const [program, ...args] = machine.commandLine;
  const stages: Stages = {};
  const began = performance.now();
  const child = bench.spawn(program, args);
  const console = await connectWhenThere(machine.consoleSocket);
  const answered = Promise.withResolvers<number>();
  const probe = async () => {
    while (!await hasBanner(machine.sshPort)) await sleep(5);
    answered.resolve(performance.now() - began);
  };
  void (async () => {
    for await (const line of readLines(console)) {
      const stage = /fleetbox-micro: (kernel|network|ssh)/.exec(line)?.[1];
      if (stage) stages[stage] ??= performance.now() - began;
      // The guest says when its server listens; from then on, every few milliseconds.
      if (stage === "ssh") void probe();
    }
  })().catch(answered.reject);
  void child.status.then(({ code }) => answered.reject(new Error(`QEMU by hand ended with code ${code}`)));
  const limit = setTimeout(() => answered.reject(new Error("QEMU by hand did not answer on SSH")), BOOT_LIMIT_MS);
  const bannerMs = await answered.promise;
  clearTimeout(limit);
  stages.running = bannerMs;
  return { bannerMs, stages, child };
}

/** Presses the power button by hand: QMP `system_powerdown`; resolves when the process is gone. */
export async function powerDown(machine: BareMachine, child: Deno.ChildProcess): Promise<number> {
  using conn = await Deno.connect({ transport: "unix", path: machine.controlSocket });
  const buffer = new Uint8Array(64 * 1024);
  await conn.read(buffer);
  await conn.write(new TextEncoder().encode('{"execute":"qmp_capabilities"}\n'));
  await conn.read(buffer);
  const began = performance.now();
  await conn.write(new TextEncoder().encode('{"execute":"system_powerdown"}\n'));
  await child.status;
  return performance.now() - began;
}

async function hasBanner(port: number): Promise<boolean> {
  try {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    return (await conn.read(new Uint8Array(1)) ?? 0) > 0;
  } catch {
    return false;
  }
}

async function connectWhenThere(path: string): Promise<UnixConnection> {
  for (let tries = 0; tries < 2_000; tries++) {
    const connection = await connectUnix(path);
    if (connection) return connection;
    await sleep(5);
  }
  throw new Error(`QEMU did not make its console, ${path}`);
}
