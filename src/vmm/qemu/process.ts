/**
 * One QEMU process and its control connection: a machine's, or the gateway's, which has no machine.
 *
 * {@link launch} starts one and resolves when its main loop answers; {@link adopt} connects to one whose starter died.
 * Both give a {@link QemuProcess}: its identity, its QMP client, its events, and one `exited` that resolves after the
 * process is gone, its events are delivered and its socket files are removed. {@link QemuProcess.end} is the last two
 * steps of every stop: QMP quit, SIGKILL.
 *
 * An adopted process is not our child, so the system does not report its end to us. Its control connection does (end of
 * file, at once); then the process table is checked every few milliseconds until it is gone. `exits.ts` interprets the
 * end.
 */

import { FleetboxError, isNotFound } from "../../core/errors.ts";
import { pause, settles } from "../../core/deadline.ts";
import { OutOfMemoryKills } from "../../system/room/control_groups.ts";
import { type Child, identify, isAlive, type ProcessIdentity, start } from "../../system/process.ts";
import { asText, type ConnectOptions, QmpClient, type QmpEvent } from "./qmp.ts";
import { boundWrapper } from "./arguments.ts";
import { installCommand } from "./packages.ts";
import { type QemuEnd, startFailure } from "./exits.ts";

/** How long QEMU may take from exec to its first answer: it can take seconds under load. */
const START_TIMEOUT_MS = 60_000;
/** How long an adopted QEMU may take to greet. If another holder is connected, it never does. */
const ADOPT_TIMEOUT_MS = 5_000;
/** How long QMP `quit` may take before SIGKILL: it flushes the disks. */
const QUIT_TIMEOUT_MS = 3_000;
/** How long the kernel may take to end a killed process before that is an error. */
const GONE_TIMEOUT_MS = 30_000;
/** Events held for the first listener. */
const MAX_HELD_EVENTS = 1_000;

const outOfMemoryKills = new OutOfMemoryKills();

interface LaunchOptions {
  /** Its name in errors: `QEMU of "a"`. */
  label: string;
  /** Program and arguments. */
  commandLine: readonly string[];
  controlSocket: string;
  /** Further sockets that it creates: stale ones are removed before its start, all after its end. */
  sockets: readonly string[];
  /** Whether it dies with this process. */
  bound: boolean;
  /** Aborts the start: the process is killed, and the signal's reason thrown. */
  signal?: AbortSignal;
  env?: Record<string, string>;
}

/** Starts QEMU. @throws {FleetboxError} as `Driver.start`; then no process is left. */
export async function launch(options: LaunchOptions): Promise<QemuProcess> {
  try {
    return await launchOnce(options);
  } catch (thrown) {
    // A build without seccomp does not know the option; its absence costs a second line of defence, not the machine.
    const at = options.commandLine.indexOf("-sandbox");
    if (at < 0 || !/-sandbox\b.*(option group|seccomp|not supported|invalid)/.test(String(thrown))) throw thrown;
    return await launchOnce({ ...options, commandLine: options.commandLine.toSpliced(at, 2) });
  }
}

async function launchOnce(options: LaunchOptions): Promise<QemuProcess> {
  const { label, controlSocket, bound } = options;
  const sockets = [controlSocket, ...options.sockets];
  await refuseAnswering(controlSocket, label);
  for (const path of sockets) removeSocket(path);
  const [program, ...args] = [...(bound ? boundWrapper() : []), ...options.commandLine];
  outOfMemoryKills.begin();
  const child = start(program, args, { env: options.env, hint: `Install it: ${installCommand("qemu-system-x86")}` });
  const identity = identify(child.pid) ?? { pid: child.pid, startTime: "" };
  const early = new AbortController();
  child.exited.then(() => early.abort(new FleetboxError("failed", `${label} ended at its start`)));
  const relay = new EventRelay();
  try {
    const signal = options.signal ? AbortSignal.any([early.signal, options.signal]) : early.signal;
    const connection: ConnectOptions = { timeoutMs: START_TIMEOUT_MS, signal, onEvent: relay.tell };
    return new QemuProcess(identity, await QmpClient.connect(controlSocket, connection), relay, sockets, child);
  } catch (cause) {
    // A dying QEMU closes its sockets a moment before it has written the reason and is gone.
    const isSilent = options.signal?.aborted || (cause instanceof FleetboxError && cause.code === "timeout");
    const spoke = isSilent ? false : await settles(child.exited, 2_000);
    if (!spoke) child.kill("SIGKILL");
    const { code, signal } = await child.exited;
    sockets.forEach(removeSocket);
    options.signal?.throwIfAborted();
    if (!spoke) throw new FleetboxError("timeout", `${label} does not answer`, { cause });
    const outOfMemory = signal === "SIGKILL" && outOfMemoryKills.take();
    throw startFailure(label, { code, signal: signal ?? undefined, outOfMemory, tail: child.tail() });
  }
}

interface AdoptOptions {
  label: string;
  identity: ProcessIdentity;
  /** The expected answer of `query-name`. */
  name: string;
  controlSocket: string;
  sockets: readonly string[];
  /** Whether its starter may have stopped it by a signal. */
  maybeStopped?: boolean;
}

/** Adopts a QEMU whose starter died. @throws {FleetboxError} as `Driver.adopt`; QEMU is left as it was. */
export async function adopt(options: AdoptOptions): Promise<QemuProcess> {
  const { label, identity, controlSocket, maybeStopped } = options;
  if (!isAlive(identity)) {
    throw new FleetboxError("not-found", `${label} no longer runs: process ${identity.pid} is gone`);
  }
  if (maybeStopped) {
    try {
      Deno.kill(identity.pid, "SIGCONT");
    } catch { /* it has just ended: that is found below */ }
  }
  const relay = new EventRelay();
  let qmp: QmpClient;
  try {
    qmp = await QmpClient.connect(controlSocket, { timeoutMs: ADOPT_TIMEOUT_MS, onEvent: relay.tell });
  } catch (cause) {
    throw new FleetboxError("conflict", `Cannot adopt ${label} (process ${identity.pid})`, { cause });
  }
  try {
    const name = (await qmp.execute<{ name?: unknown } | undefined>("query-name"))?.name;
    if (name !== options.name) {
      throw new FleetboxError("conflict", `${controlSocket} is answered by "${name}", expected "${options.name}"`);
    }
    if (!isAlive(identity)) throw new FleetboxError("not-found", `${label}: process ${identity.pid} is gone`);
  } catch (thrown) {
    qmp.close();
    throw thrown;
  }
  return new QemuProcess(identity, qmp, relay, [controlSocket, ...options.sockets]);
}

export class QemuProcess {
  /** Resolves when the process is gone, its events are delivered and its sockets are removed. Never rejects. */
  readonly exited: Promise<QemuEnd>;
  #gone = false;
  #killedByUs = false;

  constructor(
    readonly identity: ProcessIdentity,
    readonly qmp: QmpClient,
    private readonly relay: EventRelay,
    private readonly sockets: readonly string[],
    private readonly child?: Child,
  ) {
    this.exited = this.#watch();
  }

  get gone(): boolean {
    return this.#gone;
  }

  onEvent(listener: (event: QmpEvent) => void): () => void {
    return this.relay.add(listener);
  }

  /** The same for the driver itself: at once, and what is held for the first listener of {@link onEvent} stays held. */
  observe(observer: (event: QmpEvent) => void): () => void {
    return this.relay.observe(observer);
  }

  /** QMP quit with a limit, then SIGKILL. Resolves when the process is gone. @throws {FleetboxError} `failed` */
  async end(onKill?: () => void): Promise<QemuEnd> {
    if (!this.#gone && this.qmp.open) {
      this.qmp.execute("quit").catch(() => {}); // its reply may be cut off by its own end
      await settles(this.exited, QUIT_TIMEOUT_MS);
    }
    if (!this.#gone) {
      onKill?.();
      await this.kill();
    }
    return await this.exited;
  }

  /** SIGKILL at once. Resolves when the process is gone. @throws {FleetboxError} `failed` */
  async kill(): Promise<QemuEnd> {
    if (!this.#gone) {
      this.#kill();
      if (!await settles(this.exited, GONE_TIMEOUT_MS)) {
        throw new FleetboxError(
          "failed",
          `Process ${this.identity.pid} (QEMU) is still there ${GONE_TIMEOUT_MS / 1000} s after SIGKILL`,
          { hint: "The kernel cannot end it; check the host's disks and its log (dmesg)" },
        );
      }
    }
    return await this.exited;
  }

  /** Sends it a signal; false: it is gone. */
  signal(name: Deno.Signal): boolean {
    if (this.child) return this.child.kill(name);
    if (this.#gone || !isAlive(this.identity)) return false;
    try {
      Deno.kill(this.identity.pid, name);
      return true;
    } catch {
      return false; // it has just ended
    }
  }

  #kill(): void {
    this.#killedByUs = true;
    this.signal("SIGKILL");
  }

  async #watch(): Promise<QemuEnd> {
    const end: QemuEnd = { tail: "" };
    if (this.child) {
      const { code, signal } = await this.child.exited;
      if (signal === null) end.code = code;
      else end.signal = signal;
      end.tail = this.child.tail();
      await settles(this.qmp.closed, 1_000); // its last events are still in the socket
    } else {
      await this.qmp.closed;
      for (let delayMs = 2; isAlive(this.identity); delayMs = Math.min(delayMs * 2, 250)) {
        await pause(delayMs);
      }
    }
    this.qmp.close();
    this.#gone = true;
    end.reason = this.relay.shutdownReason;
    end.killedByUs = this.#killedByUs;
    if (end.signal === "SIGKILL" && !end.killedByUs) end.outOfMemory = outOfMemoryKills.take();
    this.sockets.forEach(removeSocket);
    return end;
  }
}

/** Passes events to listeners; events before the first listener are held for it. */
class EventRelay {
  /** The reason of the last SHUTDOWN. */
  shutdownReason: string | undefined;
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #observers = new Set<(event: QmpEvent) => void>();
  #held: QmpEvent[] | undefined = [];

  readonly tell = (event: QmpEvent): void => {
    for (const observer of [...this.#observers]) observer(event);
    this.#pass(event);
  };

  #pass(event: QmpEvent): void {
    if (event.event === "SHUTDOWN") this.shutdownReason = asText(event.data.reason, "unknown");
    if (this.#held) {
      if (this.#held.length < MAX_HELD_EVENTS) this.#held.push(event);
      return;
    }
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (thrown) {
        reportError(thrown);
      }
    }
  }

  observe(observer: (event: QmpEvent) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  add(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    if (this.#held && this.#listeners.size === 1) {
      queueMicrotask(() => {
        const held = this.#held ?? [];
        this.#held = undefined;
        held.forEach((event) => this.#pass(event));
      });
    }
    return () => this.#listeners.delete(listener);
  }
}

/** A socket that answers belongs to a running QEMU, which would lose it if it were removed. */
async function refuseAnswering(path: string, label: string): Promise<void> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch {
    return;
  }
  throw new FleetboxError("conflict", `Cannot start ${label}: another process answers at ${path}`);
}

function removeSocket(path: string): void {
  try {
    if (Deno.lstatSync(path).isSocket) Deno.removeSync(path);
    else throw new FleetboxError("conflict", `${path} is in the way: expected a socket, or nothing`);
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
  }
}
