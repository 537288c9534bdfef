/** The steps that every way to a running machine has: a boot, a start from a template, an adoption. */

import { unlessAborted } from "../../core/deadline.ts";
import { FleetboxError, type WireError } from "../../core/errors.ts";
import { AGENT_VERSION } from "../../guest/agent_program.ts";
import type { Image } from "../../image/image.ts";
import { readEnd } from "../../system/files.ts";
import type { MemberConfig } from "../../store.ts";
import type { Machine, MachineSpec } from "../../vmm/contract.ts";
import type { SshEndpoint, Stage } from "../../wire.ts";
import { BootLines, type BootListener } from "../console/console.ts";
import { log } from "../log.ts";
import { keepLogShort, watchLog } from "../power_cut/write_log.ts";
import type { Boot } from "./boot.ts";
import { allowUse } from "./gateway_use.ts";
import { type GuestWay, MachineRun } from "./machine_run.ts";
import type { Member } from "./member.ts";
import { machineSpec, type Prepared } from "./prepare.ts";

/** How much console output from before the connection is examined. */
const EARLY_CONSOLE_BYTES = 64 * 1024;

/** The stages, in order: within one boot they only go forward. A guest that is up does not repeat them. */
const STAGES: readonly Stage[] = [
  "image",
  "waiting",
  "queued",
  "disk",
  "boot",
  "kernel",
  "network",
  "ssh",
  "cloud-init",
  "script",
  "adoption",
];

/** The driver's spec for a prepared member, checked. */
export async function specOf({ context }: Member, { config, image }: Prepared): Promise<MachineSpec> {
  const { store, bound, host, driver } = context;
  const { binary, accelerator } = await host.choice(image.arch);
  const spec = machineSpec(store, config, image, { binary, accelerator: accelerator.accelerator, bound });
  driver.check(spec);
  return spec;
}

/** How the guest of an image is reached. */
export function guestWay({ arch, agent, cloudInit }: Image, { agentSocket }: MachineSpec): GuestWay {
  return {
    arch,
    isRoot: cloudInit === false, // `micro`, whose root takes the key
    ...(agent === AGENT_VERSION && agentSocket !== undefined ? { agentSocket } : {}),
  };
}

/** From now on the phase owns the machine (or the stop that has just begun), with the resources released after it. */
export function holdMachine(boot: Boot, machine: Machine, before?: MachineRun): MachineRun {
  const { member, signal, isAdoption } = boot;
  const { context: { network }, name, phases } = member;
  const run = before ?? new MachineRun(machine, isAdoption);
  run.logStart = boot.logStart;
  const booting = { kind: "booting", boot, stage: "boot", run } as const;
  phases.to(phases.now.kind === "stopping" ? { ...phases.now, from: booting } : booting);
  if (!before) {
    run.defer(() => network.unplug(name));
    run.defer(() => member.console.end());
    run.defer(() => network.onActivity(name, undefined));
    member.watch(run);
    watchLog(member, run);
  }
  member.tell(`process ${machine.process.pid} runs it`);
  signal.throwIfAborted();
  return run;
}

/** Connects the link to the switch, the console and the ports. Returns the SSH endpoint. */
export async function connect(boot: Boot): Promise<SshEndpoint> {
  const { member, signal } = boot;
  const { context: { network }, name, paths } = member;
  const { ip, mac, user } = member.config!;
  network.onActivity(name, () => {
    advance(boot, "network");
    boot.sshHints.give();
  });
  const listener: BootListener = {
    onStage: (stage) => {
      advance(boot, stage);
      if (stage === "ssh") boot.sshHints.give();
    },
    onCloudInit: (what) => {
      boot.hasCloudInit = true;
      if (what === "finished") boot.cloudInitHints.give();
    },
    onFirmware: (line) => {
      if (member.context.driver.saysNothingToBoot(line)) boot.abort.abort(nothingToBoot(member.config!));
    },
  };
  const lines = new BootLines(listener);
  // Its rules apply at once, before the first frame; only a gateway that must change is waited for.
  const allowed = allowUse(member);
  const [, , port] = await Promise.all([
    network.plug({ name, mac, ip, netSocket: paths.netSocket }),
    member.console.connect(paths.consoleSocket, (bytes) => lines.push(bytes)),
    unlessAborted(allowed.then(() => network.sshPort(ip)), signal),
    unlessAborted(allowed.then(() => member.ports.open(ip, boot.isAdoption)), signal),
  ]);
  // Earlier output is only in the log, and firmware may have given up by then. Reading a line twice does no harm.
  new BootLines(listener).push(readEnd(paths.serialLog, boot.logStart, EARLY_CONSOLE_BYTES));
  signal.throwIfAborted();
  return { host: "127.0.0.1", port, user };
}

/** The firmware has given up: waiting longer is useless. */
function nothingToBoot({ image, firmware }: MemberConfig): FleetboxError {
  return new FleetboxError(
    "damaged",
    `The image ${image} does not boot: its firmware found nothing to boot on the disk`,
    {
      hint: firmware === "uefi"
        ? "Is it an image for the BIOS? --firmware bios. Is it for another processor? --arch"
        : "Is it an image for UEFI? --firmware uefi. Is it for another processor? --arch",
    },
  );
}

/** The guest answers. */
export function runs({ member }: Boot, run: MachineRun, problem: WireError | undefined, since?: Date): void {
  const { phases, name } = member;
  const where = `${member.config!.ip}, SSH on 127.0.0.1:${run.ssh!.port}`;
  member.tell(`it answers at ${where}`);
  const running = { kind: "running", run, problem } as const;
  const { now } = phases;
  phases.to(now.kind === "paused" ? { ...now, from: running } : running, since);
  log(`${name}: running at ${where}`);
  void keepLogShort(member, run);
}

/** Moves the boot to a later stage, for which it has its whole limit again. Ignores earlier stages, and signs from a paused machine. */
export function advance(boot: Boot, stage: Stage): void {
  const { phases } = boot.member;
  const { now } = phases;
  if ((now.kind !== "preparing" && now.kind !== "booting") || now.boot !== boot) return;
  if (now.kind === "preparing" && now.download) boot.limit.resume();
  const isLater = STAGES.indexOf(stage) > STAGES.indexOf(now.stage);
  if (!isLater) return;
  boot.limit.renew();
  boot.place?.renew();
  phases.to(now.kind === "preparing" ? { kind: "preparing", boot, stage } : { ...now, stage });
}
