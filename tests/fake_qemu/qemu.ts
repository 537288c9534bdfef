/**
 * A fake QEMU: a program that takes our command lines and speaks QMP, so that the whole of fleetbox can be tested
 * in seconds. It boots nothing. It imitates what fleetbox sees of QEMU 7.2, wording and exit codes included:
 *
 * - A machine: control socket (one client at a time), console socket and log, network socket (Ethernet frames), a lock
 *   on its disk. Its "guest" takes its address from the seed volume, says the `fleetbox-micro:` lines, announces its
 *   address by ARP, answers ARP and ping, and powers off when the power button is pressed after it has booted. Where there
 *   is a port for it, its agent answers.
 * - Snapshots of a machine: `snapshots.ts`.
 * - A gateway (`-machine none`): the forwards are real sockets on 127.0.0.1. A connection is answered with an SSH banner
 *   when the guest answers ARP through the real switch; else it is held for 3 s and closed.
 * - The dry run (`-bios … -device isa-debug-exit`), and `--version`.
 *
 * Behaviours, by member name, `gateway` for the gateway, `*` for all: JSON in `FLEETBOX_FAKE_QEMU`, or in the file that
 * `FLEETBOX_FAKE_QEMU_FILE` names, read at each start. See {@link Behaviour} for the keys:
 *
 *     FLEETBOX_FAKE_QEMU='{"a": {"start": "die", "message": "no luck"}, "b": {"powerdown": "ignore"}, "*": {"bootMs": 5}}'
 *
 * Parts: this file (options, behaviours, what runs), `qmp_server.ts`, `guest.ts`, `agent.ts`, `snapshots.ts`, `usernet.ts`,
 * `written_disk.ts`, `frames.ts`, `hostile.ts`; and a fake `ssh` for its restored guests, `ssh.ts`.
 */

import { dirname } from "../../src/system/path.ts";
import { runGateway } from "./usernet.ts";
import { runGuest } from "./guest.ts";
import { QmpServer } from "./qmp_server.ts";
import { FakeMemory, serveSnapshots } from "./snapshots.ts";
import { WrittenDisk } from "./written_disk.ts";

export interface Behaviour {
  /** `die`: says `message` and ends with `code` before it answers. `hang`: never answers. */
  start?: "die" | "hang";
  message?: string;
  /** @default 1 */
  code?: number;
  /** From exec to the control socket. @default 0 */
  startMs?: number;
  /** `never`: the guest says `console`, and nothing more. */
  boot?: "never";
  /** From the control socket to SSH. @default 60 */
  bootMs?: number;
  /** What the guest says first. */
  console?: string[];
  /** `never`: the guest is on the network, but its SSH server does not answer. */
  ssh?: "never";
  /** `ignore`: the guest ignores the power button. */
  powerdown?: "ignore";
  /** It uses a core, as a guest does whose program never waits. */
  busy?: true;
  /** From the button to the end. @default 20 */
  powerdownMs?: number;
  /** `ignore`: QEMU does not quit when told, nor on SIGTERM; only SIGKILL ends it. */
  quit?: "ignore";
  /** QEMU crashes (code 134, `message` on standard error) so long after its start. */
  dieAfterMs?: number;
  /** The guest powers off by itself so long after its start. */
  powerOffAfterMs?: number;
  /** The guest's kernel panics so long after its start. */
  panicAfterMs?: number;
  /** The guest restarts itself so long after its start. */
  rebootAfterMs?: number;
  /**
   * A write fails because the disk is full, so long after the start: an error event, and the machine is paused until `cont`;
   * and again then, while there is no space.
   */
  diskFullAfterMs?: number;
  /** One of the five above, {@link ping} as it is by then, or a GiB more memory of the host, when the process gets a SIGUSR1. */
  onSignal?: "die" | "powerOff" | "panic" | "reboot" | "diskFull" | "ping" | "grow";
  /** Addresses that the guest pings once it is up; it says `ping ADDRESS: ok` or `ping ADDRESS: no answer`. */
  ping?: string[];
  /** A seed: once the guest is up, garbage on every channel, for ever. */
  hostile?: number;
  /**
   * What the guest's agent does, where the machine has a port for it. `silent`: nothing. `garbage`: it says more than
   * anybody asked for. @default "answers"
   */
  agent?: "answers" | "silent" | "garbage";
  /** `fail`: no layer of a disk's fault can be made. */
  faults?: "fail";
  /** `fail`: saving the devices fails. `hang`: it never ends, unless it is cancelled. */
  save?: "fail" | "hang";
  /** How long saving the devices takes. @default 0 */
  saveMs?: number;
  /** `fail`: loading a saved state fails, and QEMU ends. `hang`: it never ends. */
  incoming?: "fail" | "hang";
  /** What becomes of the program that fleetbox runs in a restored guest (under `*`): see `ssh.ts`. @default it works */
  renewal?: "fail" | "hang";
  /** `plain`: its memory is not a file, as an earlier fleetbox's. */
  memory?: "plain";
  /** `missing`: QEMU knows no `-sandbox`. */
  sandbox?: "missing";
  /** What a dry run with KVM does (under `*`). @default "works" */
  kvm?: "works" | "dies" | "crawls" | "hangs";
  /** What `--version` (under `*`) and the greeting say. @default "7.2.22" */
  version?: string;
  /** From exec to what `--version` (under `*`) says. @default 0 */
  versionMs?: number;
}

/** Options that take a value; the others that we use take none. */
const VALUED = new Set([
  ...[
    "-name",
    "-display",
    "-machine",
    "-accel",
    "-cpu",
    "-smp",
    "-m",
    "-rtc",
    "-boot",
    "-kernel",
    "-initrd",
    "-append",
  ],
  ...["-chardev", "-mon", "-serial", "-blockdev", "-netdev", "-device", "-object", "-sandbox", "-bios", "-incoming"],
]);
const FLAGS = new Set(["-nodefaults", "-no-user-config", "-no-reboot", "-S"]);

export type Values = Record<string, string[]>;

/** The command line: every option's values, in order. */
function parse(args: string[]): Map<string, string[]> {
  const options = new Map<string, string[]>();
  for (let index = 0; index < args.length; index++) {
    const name = args[index];
    if (!VALUED.has(name) && !FLAGS.has(name)) die(`${name}: invalid option`);
    if (VALUED.has(name) && index + 1 >= args.length) die(`${name}: requires an argument`);
    options.set(name, [...options.get(name) ?? [], ...(VALUED.has(name) ? [args[++index]] : [])]);
  }
  return options;
}

/** `first,key=value,…` with doubled commas undone. The first, when it has no key, is under the empty key. */
function keyed(text: string): Values {
  const values: Values = {};
  for (const part of text.replaceAll(",,", "\0").split(",")) {
    const at = part.indexOf("=");
    const key = at < 0 ? "" : part.slice(0, at);
    (values[key] ??= []).push(part.slice(at + 1).replaceAll("\0", ","));
  }
  return values;
}

export function die(message: string, code = 1): never {
  console.error(`qemu-system-x86_64: ${message}`);
  Deno.exit(code);
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function behaviourOf(name: string): Behaviour {
  const file = Deno.env.get("FLEETBOX_FAKE_QEMU_FILE");
  const text = (file ? Deno.readTextFileSync(file) : Deno.env.get("FLEETBOX_FAKE_QEMU")) || "{}";
  const all = JSON.parse(text) as Record<string, Behaviour>;
  return { ...all["*"], ...all[name] };
}

/** Locks the disk as QEMU does, until we are gone. The system's locks are advisory, so this does not stop `qemu-img`. */
async function lockDisk(path: string, argument: string): Promise<Deno.FsFile> {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true, write: true });
  } catch (thrown) {
    const why = thrown instanceof Deno.errors.NotFound ? "No such file or directory" : "Permission denied";
    die(`-blockdev ${argument}: Could not open '${path}': ${why}`);
  }
  const locked = file.lock(true).then(() => true);
  while (!await Promise.race([locked, sleep(100).then(() => false)])) {
    if (!isLockedByAnother(file)) continue; // on a slow host the lock may come late
    die(`-blockdev ${argument}: Failed to get "write" lock\nIs another process using the image [${path}]?`);
  }
  return file;
}

/** Whether the kernel's list (proc(5)) has a lock on the file that is held, and not by us. */
function isLockedByAnother(file: Deno.FsFile): boolean {
  const { ino } = file.statSync();
  return Deno.readTextFileSync("/proc/locks").split("\n").some((line) => {
    const [, kind, , , pid, place] = line.split(/\s+/); // a lock that is waited for has "->" instead of its kind
    return kind === "FLOCK" && place.endsWith(`:${ino}`) && Number(pid) !== Deno.pid;
  });
}

async function dryRun({ kvm = "works" }: Behaviour, accelerator: string): Promise<never> {
  const verdict = accelerator === "kvm" ? kvm : "works";
  if (verdict === "dies") die("error: failed to set MSR 0x10a to 0x69", 134);
  if (verdict === "hangs") await sleep(60_000);
  Deno.stdout.writeSync(new TextEncoder().encode("A"));
  if (verdict === "crawls") await sleep(60_000);
  Deno.exit(33);
}

async function main(args: string[]): Promise<void> {
  if (args[0] === "--version") {
    await sleep(behaviourOf("*").versionMs ?? 0);
    console.log(`QEMU emulator version ${behaviourOf("*").version ?? "7.2.22"} (fleetbox's fake QEMU)`);
    return;
  }
  const options = parse(args);
  const all = (name: string) => (options.get(name) ?? []).map(keyed);
  const isGateway = options.get("-machine")?.[0] === "none";
  const name = all("-name")[0]?.guest?.[0] ?? "";
  const behaviour = behaviourOf(isGateway ? "gateway" : name);
  if (behaviour.sandbox === "missing" && options.has("-sandbox")) {
    die(`-sandbox ${options.get("-sandbox")![0]}: There is no option group 'sandbox'`);
  }
  if (options.has("-bios")) await dryRun(behaviourOf("*"), options.get("-accel")![0]);

  const found = (id: string) => all("-chardev").find((values) => values.id[0] === id);
  const chardev = (id: string) => found(id) ?? die(`-chardev ${id}: it is missing`);
  const stream = all("-netdev").find((values) => values[""]?.[0] === "stream")!;
  const memoryMiB = parseInt(all("-m")[0]?.size?.[0] ?? "0");
  if (memoryMiB * 1024 * 1024 > Deno.systemMemoryInfo().total * 4) {
    die("cannot set up guest memory 'pc.ram': Cannot allocate memory");
  }
  if (behaviour.busy) new Worker("data:text/javascript,for(;;);", { type: "module" });
  await sleep(behaviour.startMs ?? 0);
  if (behaviour.start === "hang") await sleep(24 * 3600 * 1000);
  const qmp = new QmpServer(chardev("qmp").path[0], name, behaviour);
  if (behaviour.start === "die") qmp.die(behaviour.message ?? "it was told to die", behaviour.code ?? 1);

  if (isGateway) {
    const user = all("-netdev").find((values) => values[""]?.[0] === "user")!;
    const { dieAfterMs, message = "it was told to die", code = 134 } = behaviour;
    if (dieAfterMs !== undefined) setTimeout(() => qmp.die(message, code), dieAfterMs);
    await runGateway({ qmp, netSocket: stream["addr.path"][0], forwards: user.hostfwd ?? [] });
  } else {
    const disks = all("-blockdev").filter((values) => values.driver[0] === "file");
    const writable = disks.find((values) => values["read-only"]?.[0] !== "on")!;
    const argument = options.get("-blockdev")!.find((text) => text.includes("driver=file"))!;
    await lockDisk(writable.filename[0], argument);
    const writeLog = disks.find((values) => values["node-name"][0] === "disk-log-file")?.filename[0];
    const isFile = all("-object").some((values) => values[""]?.[0] === "memory-backend-memfd");
    const memory = new FakeMemory(
      isFile && behaviour.memory !== "plain",
      memoryMiB,
      dirname(Deno.env.get("FLEETBOX_FAKE_QEMU_FILE") ?? writable.filename[0]), // not on the store's disk: it may be full
    );
    const isIncoming = options.has("-incoming");
    if (isIncoming) qmp.status = "inmigrate";
    const file = Deno.env.get("FLEETBOX_FAKE_QEMU_FILE");
    const written = new WrittenDisk(file && dirname(file), memory, writable.filename[0]);
    qmp.onRun = qmp.onPause = () => written.write();
    if (!isIncoming) written.write();
    const guest = runGuest({
      behaviour,
      pings: () => behaviourOf(name).ping ?? [],
      qmp,
      netSocket: stream["addr.path"][0],
      consoleSocket: chardev("console").path[0],
      agentSocket: found("agent")?.path[0],
      log: chardev("console").logfile[0],
      seed: disks.find((values) => values["node-name"][0] === "seed-file")?.filename[0],
      disk: writable.filename[0],
      mac: all("-device").find((values) => values.netdev)!.mac[0],
      memory,
      isIncoming,
    });
    serveSnapshots({ qmp, behaviour, guest, memory, written, disk: writable.filename[0], writeLog });
  }
  qmp.serve();
}

if (import.meta.main) await main(Deno.args);
