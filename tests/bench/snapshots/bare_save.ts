/**
 * A machine that is saved by hand: QMP `stop`, the disk moved on, the devices' state to a socket, the memory by `cp`, `cont`.
 *
 * State and memory are taken at the same time, because a shell can do that too; the overlay that the machine goes on with is
 * made before. How long the machine stood still is what QEMU says: the time of its `STOP` and `RESUME` events.
 */

import { answersSsh, sshArguments } from "../../../src/guest/ssh_probe.ts";
import type { Store } from "../../../src/store.ts";
import type { BareMachine, Stages } from "../bare_qemu.ts";
import { type Bench, sleep } from "../bench.ts";
import { SETTLE_MS } from "./own.ts";
import { Qmp, type QmpEvent, sentAt } from "./qmp.ts";

const USER = "fleetbox";
const PROBE_MS = 1_000;
/** A Debian's first boot, emulated, on a machine that does other work too. */
const BOOT_LIMIT_MS = 600_000;

/** A machine that runs, with its control connection. */
export interface RunningBare {
  machine: BareMachine;
  child: Deno.ChildProcess;
  qmp: Qmp;
  /** The file that it writes its disk to. */
  disk: string;
}

/** What a machine was at one moment. */
export interface BareSnapshot {
  machine: BareMachine;
  /** Its disk, which nobody writes to any more. */
  disk: string;
  devices: string;
  memory: string;
}

/**
 * Boots a machine and waits: until its SSH server answers, which is when a template of a micro is taken, or longer, until
 * cloud-init has finished and all is quiet.
 */
export async function bootByHand(
  bench: Bench,
  store: Store,
  machine: BareMachine,
  until: "ssh" | "quiet",
): Promise<RunningBare> {
  const [program, ...args] = machine.commandLine;
  const child = bench.spawn(program, args);
  const qmp = await Qmp.open(machine.controlSocket);
  bench.defer(() => qmp[Symbol.dispose]());
  const limit = AbortSignal.timeout(BOOT_LIMIT_MS);
  while (!await answersSsh({ host: "127.0.0.1", port: machine.sshPort }, limit, PROBE_MS)) {
    limit.throwIfAborted();
    await sleep(50);
  }
  if (until === "quiet") {
    await untilSsh(store, machine, "if command -v cloud-init >/dev/null; then sudo cloud-init status --wait; fi");
    await sleep(SETTLE_MS);
  }
  return { machine, child, qmp, disk: machine.spec.disk };
}

/** `ssh` with a command line, again until it works. */
export async function untilSsh(store: Store, machine: BareMachine, command = "true"): Promise<void> {
  const endpoint = { host: "127.0.0.1", port: machine.sshPort, user: USER };
  const args = ["-o", "ConnectTimeout=10", ...sshArguments(endpoint, store.key), command];
  const began = performance.now();
  for (;;) {
    const { code, stderr } = await new Deno.Command("ssh", { args, stdin: "null", stdout: "null" }).output();
    if (code === 0) return;
    if (performance.now() - began > 60_000) {
      throw new Error(`ssh to QEMU by hand ended with code ${code}: ${new TextDecoder().decode(stderr)}`);
    }
    await sleep(10);
  }
}

/**
 * Saves it into a directory that is there; it goes on then.
 * @returns what was saved; how long the machine was paused; and when each part was done, in ms after `stop`
 */
export async function saveByHand(
  running: RunningBare,
  directory: string,
): Promise<{ snapshot: BareSnapshot; pausedMs: number; stages: Stages }> {
  const { machine, qmp, disk } = running;
  const snapshot = { machine, disk, devices: `${directory}/devices`, memory: `${directory}/memory` };
  const overlay = `${directory}/next.qcow2`;
  await makeOverlay(disk, overlay);
  const memory = memoryOf(running.child.pid);
  await setCapabilities(qmp);

  const stages: Stages = {};
  const began = performance.now();
  const at = (stage: string) => stages[stage] = performance.now() - began;
  const [stopped, resumed] = [qmp.event("STOP"), qmp.event("RESUME")];
  await qmp.execute("stop");
  at("stopped");
  await moveDisk(qmp, overlay);
  at("disk");
  await Promise.all([
    saveDevices(qmp, `${directory}/s`, snapshot.devices).then(() => at("devices")),
    copy("always", memory, snapshot.memory).then(() => at("memory")),
  ]);
  await qmp.execute("cont");
  const events: QmpEvent[] = await Promise.all([stopped, resumed]);
  at("resumed");
  running.disk = overlay;
  return { snapshot, pausedMs: sentAt(events[1]) - sentAt(events[0]), stages };
}

/** Where a process's memory can be opened. */
export function memoryOf(pid: number): string {
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${name}`;
    if (/^\/memfd:(memory-backend-memfd|pc\.ram|mach-virt\.ram)\b/.test(readLink(path))) return path;
  }
  throw new Error("QEMU by hand has no memory that can be copied: the driver's command line has changed");
}

function readLink(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

export async function copy(sparse: "always" | "auto", from: string, to: string): Promise<void> {
  await run("cp", `--sparse=${sparse}`, from, to);
}

export async function makeOverlay(base: string, path: string): Promise<void> {
  await run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path);
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(program, { args, stdin: "null", stdout: "null" }).output();
  if (code !== 0) throw new Error(`${program} ended with code ${code}: ${new TextDecoder().decode(stderr)}`);
}

export async function setCapabilities(qmp: Qmp): Promise<void> {
  const capabilities = ["events", "x-ignore-shared"].map((capability) => ({ capability, state: true }));
  await qmp.execute("migrate-set-capabilities", { capabilities });
}

async function saveDevices(qmp: Qmp, socket: string, path: string): Promise<void> {
  using listener = Deno.listen({ transport: "unix", path: socket });
  const received = listener.accept().then(async (connection) => {
    await connection.readable.pipeTo((await Deno.open(path, { write: true, create: true })).writable);
  });
  const ended = qmp.event("MIGRATION", ({ status }) => status === "completed" || status === "failed");
  await qmp.execute("migrate", { uri: `unix:${socket}` });
  const { data } = await ended;
  if (data?.status !== "completed") throw new Error("QEMU by hand did not save its devices");
  await received;
  await Deno.remove(socket);
  // The event comes a moment before QEMU can be told to go on.
  while ((await qmp.execute("query-status") as { status: string }).status === "finish-migrate") await sleep(1);
}

let moves = 0;

async function moveDisk(qmp: Qmp, overlay: string): Promise<void> {
  const blocks = await qmp.execute("query-block") as { qdev?: string; inserted?: { "node-name": string } }[];
  const node = blocks.find(({ qdev }) => qdev?.includes("disk-device"))?.inserted?.["node-name"];
  const next = `by-hand-${++moves}`;
  await qmp.execute("blockdev-add", {
    driver: "qcow2",
    "node-name": next,
    file: { driver: "file", filename: overlay, discard: "unmap" },
    discard: "unmap",
    backing: null,
  });
  await qmp.execute("blockdev-snapshot", { node, overlay: next });
}
