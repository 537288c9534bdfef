/**
 * The fake QEMU's control socket: QMP as QEMU 7.2 speaks it, one client at a time.
 *
 * It holds the run state, knows the commands that fleetbox uses, and ends the process as QEMU ends: with a
 * SHUTDOWN event that says why, the socket removed, and code 0; or at once, with a message on standard error.
 */

import { type Behaviour, die } from "./qemu.ts";

type Json = Record<string, unknown>;

/** How a command ends; a throw of {@link Refusal} is an error reply. */
export class Refusal extends Error {
  constructor(readonly errorClass: string, message: string) {
    super(message);
  }
}

export class QmpServer {
  status = "running";
  /** The guest's side of the power button. */
  onPowerdown = () => {};
  /** Called when the machine is resumed: the writes that failed are tried again. */
  onCont = () => {};
  /** Called when the machine begins to run again, and just before it is paused. */
  onRun = () => {};
  onPause = () => {};
  /** Commands that only some processes have. */
  readonly commands = new Map<string, (args: Json) => unknown>();
  /** Commands of the human monitor. */
  onMonitor = (command: string): string | Promise<string> => `unknown command: '${command.split(" ")[0]}'\r\n`;
  readonly #listener: Deno.UnixListener;
  #client: Deno.Conn | undefined;
  #negotiated = false;
  #writing: Promise<unknown> = Promise.resolve();
  #ending = false;

  constructor(private readonly path: string, private readonly name: string, private readonly behaviour: Behaviour) {
    try {
      this.#listener = Deno.listen({ transport: "unix", path });
    } catch (thrown) {
      die(`-chardev socket,id=qmp: Failed to bind socket to ${path}: ${(thrown as Error).message}`);
    }
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      Deno.addSignalListener(signal, () => {
        if (this.behaviour.quit === "ignore") return;
        console.error(`qemu-system-x86_64: terminating on signal ${signal}`);
        this.end("host-signal", false);
      });
    }
  }

  /** Takes clients, one after another. */
  async serve(): Promise<void> {
    for await (const client of this.#listener) {
      this.#client = client;
      this.#negotiated = false;
      const [major, minor, micro] = (this.behaviour.version ?? "7.2.22").split(".").map(Number);
      const qemu = { major, minor, micro: micro ?? 0 };
      this.#send({ QMP: { version: { qemu, package: "fleetbox's fake QEMU" }, capabilities: ["oob"] } });
      await this.#read(client).catch(() => {});
      this.#client = undefined;
    }
  }

  event(event: string, data: Json = {}): void {
    const now = Date.now();
    const timestamp = { seconds: Math.floor(now / 1000), microseconds: (now % 1000) * 1000 };
    if (this.#negotiated) this.#send({ event, data, timestamp });
  }

  /** Sends anything at all. */
  raw(message: Json): void {
    if (this.#negotiated) this.#send(message);
  }

  /** An orderly end. */
  async end(reason: string, guest: boolean): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    this.event("SHUTDOWN", { guest, reason });
    await this.#writing;
    try {
      Deno.removeSync(this.path);
    } catch { /* someone was faster */ }
    Deno.exit(0);
  }

  /** A disorderly one. */
  die(message: string, code: number): never {
    try {
      Deno.removeSync(this.path);
    } catch { /* someone was faster */ }
    die(message, code);
  }

  #send(message: Json): void {
    const client = this.#client;
    if (!client) return;
    const bytes = new TextEncoder().encode(JSON.stringify(message) + "\r\n");
    this.#writing = this.#writing.then(() => client.write(bytes)).catch(() => {});
  }

  async #read(client: Deno.Conn): Promise<void> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(16 * 1024);
    let text = "";
    for (let count; (count = await client.read(buffer)) !== null;) {
      text += decoder.decode(buffer.subarray(0, count), { stream: true });
      const lines = text.split("\n");
      text = lines.pop()!;
      for (const line of lines) if (line.trim() !== "") await this.#answer(line);
    }
  }

  async #answer(line: string): Promise<void> {
    let id: unknown;
    try {
      const request = JSON.parse(line) as { execute: string; arguments?: Json; id?: unknown };
      id = request.id;
      const result = await this.#execute(request.execute, request.arguments ?? {});
      this.#send({ return: result, ...(id === undefined ? {} : { id }) });
      if (request.execute === "quit" && this.behaviour.quit !== "ignore") void this.end("host-qmp-quit", false);
    } catch (thrown) {
      const errorClass = thrown instanceof Refusal ? thrown.errorClass : "GenericError";
      this.#send({
        error: { class: errorClass, desc: (thrown as Error).message },
        ...(id === undefined ? {} : { id }),
      });
    }
  }

  #execute(command: string, args: Json): unknown {
    if (command === "qmp_capabilities") {
      this.#negotiated = true;
      return {};
    }
    if (!this.#negotiated) {
      throw new Refusal("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    switch (command) {
      case "query-status":
        return { running: this.status === "running", singlestep: false, status: this.status };
      case "query-name":
        return { name: this.name };
      case "query-version":
        return { qemu: { major: 7, minor: 2, micro: 22 }, package: "fleetbox's fake QEMU" };
      case "quit":
        return {};
      case "stop":
        if (this.status !== "running") return {};
        this.onPause();
        this.status = "paused";
        this.event("STOP");
        return {};
      case "cont":
        if (this.status === "finish-migrate") throw new Refusal("GenericError", "Migration is not finalized yet");
        if (this.status === "inmigrate") return {}; // it is remembered
        if (this.status !== "running") this.onRun();
        this.status = "running";
        this.event("RESUME");
        this.onCont();
        return {};
      case "system_reset":
        this.event("RESET", { guest: false, reason: "host-qmp-system-reset" });
        return {};
      case "system_powerdown":
        this.event("POWERDOWN");
        if (this.status === "running") this.onPowerdown();
        return {};
      case "human-monitor-command":
        return this.onMonitor(String(args["command-line"]));
      default: {
        const execute = this.commands.get(command);
        if (execute) return execute(args);
        throw new Refusal("CommandNotFound", `The command ${command} has not been found`);
      }
    }
  }
}
