/**
 * The one connection to a place: a ControlMaster of the user's own OpenSSH, so that keys, agents, jump hosts, second factors
 * and known hosts are theirs. Everything to the place goes through it: commands as sessions, members' sockets and ports as
 * forwards, which do not count against sshd's MaxSessions.
 *
 * The master is made when it is first needed, by one client at a time, and ends by itself when it has not been used for a
 * while.
 */

import { Limit } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { LOOPBACK } from "../../core/port_forwards.ts";
import { quoted, shellCommand } from "../../core/quoting.ts";
import type { Store } from "../../store.ts";
import { makePlaceDirectory, type Place, placePaths, placeStore } from "../../store/places.ts";
import { readIfThere, removeIfThere } from "../../system/files.ts";
import { withLock } from "../../system/locks.ts";
import { host } from "../../system/os.ts";
import { ProcessError, run } from "../../system/process.ts";
import { parseAddress } from "./address.ts";
import { asPattern, endKeptConnections, forgetKeptConnections, KeptConnection } from "./kept.ts";

/** How long it is kept without a user. */
const KEPT = "600s";
const HINT = `Install OpenSSH's client: ${host().install("openssh-client")}`;

/** A place that can be connected to, before its record is whole. */
export type Reachable = Pick<Place, "name" | "url">;

/** A way to a host that is not the one of the place's address: into a job of its engine. */
export interface Route {
  /** Its directory among those of places. */
  dir: string;
  /** What ssh needs for it. */
  options: string[];
  host: string;
  /** Where what its ProxyCommand says is. */
  complaints?: string;
}

export class PlaceConnection {
  /** The socket's path, and as ssh reads it. */
  readonly #socket: string;
  readonly #control: string;
  readonly #address: { options: string[]; host?: string };
  readonly #dir: string;
  /** Why it is over, when something else than OpenSSH knows. */
  explain: () => Promise<FleetboxError | undefined> = () => Promise.resolve(undefined);

  /** @param how `keepsPorts`: it is the other one, which leads ports of this host there, and stays until it is closed */
  constructor(
    private readonly store: Store,
    readonly place: Reachable,
    private readonly how: { keepsPorts?: boolean; route?: Route } = {},
  ) {
    this.#dir = how.route?.dir ?? place.name;
    const { control, portsControl } = placePaths(store, this.#dir);
    this.#socket = how.keepsPorts ? portsControl : control;
    this.#control = asPattern(this.#socket);
    this.#address = how.route ?? parseAddress(place.url);
  }

  /** Its directory among those of places. */
  get dir(): string {
    return this.#dir;
  }

  /** A connection through this one to a guest, which is kept for the next command ({@link KeptConnection.take}). */
  takeKept(machine: string): KeptConnection | undefined {
    return KeptConnection.take(this.shadow.root, machine);
  }

  /** Ends those that are kept. */
  async endKept(): Promise<void> {
    await endKeptConnections(this.shadow.root);
  }

  /** Whether it leads into a job, with which it ends. */
  get isOfJob(): boolean {
    return this.how.route !== undefined;
  }

  /** The other one to the same host: it leads ports of this host there, and stays until it is closed. */
  forPorts(): PlaceConnection {
    return new PlaceConnection(this.store, this.place, { ...this.how, keepsPorts: true });
  }

  /** Whether the host is this one, so that there is nothing to connect to. */
  get isLocal(): boolean {
    return this.#address.host === undefined;
  }

  /** What a client here has of the store there. */
  get shadow(): Store {
    return placeStore(this.store, this.#dir);
  }

  /** The program that runs a line there, which any shell reads. @param given ssh's options */
  session(given: readonly string[], line: string): [program: string, args: string[]] {
    return this.isLocal ? ["sh", ["-c", line]] : ["ssh", this.args(given, [line])];
  }

  /** Arguments for `ssh` that use the connection. @param given options */
  args(given: readonly string[], words: readonly string[] = []): string[] {
    const { options, host = "" } = this.#address;
    return [
      ...options,
      ...["-S", this.#control, "-o", "ControlMaster=no", "-o", "LogLevel=ERROR"],
      ...given,
      ...["--", host],
      ...words,
    ];
  }

  /** Whether the connection is there. */
  async isOpen(signal?: AbortSignal): Promise<boolean> {
    if (this.isLocal) return true;
    try {
      await run("ssh", this.args(["-O", "check"]), { hint: HINT, signal });
      return true;
    } catch (thrown) {
      if (thrown instanceof ProcessError) return false;
      throw thrown;
    }
  }

  /**
   * Makes the connection where there is none. OpenSSH asks on the terminal for what it needs: a password, or whether an
   * unknown host's key is right. @param quietly nobody is asked @throws {FleetboxError} `unavailable`, with OpenSSH's own words
   */
  async open({ quietly = false, signal }: { quietly?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    if (!this.isLocal && await this.isOpen()) return;
    makePlaceDirectory(this.store, this.#dir);
    if (this.isLocal) return;
    await withLock(placePaths(this.store, this.#dir).lock, async () => {
      if (!await this.isOpen()) await this.#make(quietly, signal);
    });
  }

  async #make(quietly: boolean, signal?: AbortSignal): Promise<void> {
    const { keepsPorts } = this.how;
    removeIfThere(this.#socket); // of a master that was killed
    if (!keepsPorts) {
      removeIfThere(this.shadow.key); // the store there may be another one by now
      forgetKeptConnections(this.shadow.root);
    }
    const { options, host = "" } = this.#address;
    const args = [
      ...options,
      ...["-M", "-S", this.#control, "-f", "-N", "-o", `ControlPersist=${keepsPorts ? "yes" : KEPT}`],
      // A network that is gone sends nothing: noticed after 15 s.
      ...["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "ConnectTimeout=20"],
      ...["-o", "StreamLocalBindUnlink=yes", "-o", "StreamLocalBindMask=0177", "-o", "ExitOnForwardFailure=no"],
      ...["-o", "LogLevel=ERROR", "-o", "RemoteCommand=none", "-o", "RequestTTY=no", "-o", "ClearAllForwardings=yes"],
      ...(quietly ? ["-o", "BatchMode=yes"] : []),
      ...["--", host],
    ];
    try {
      await run("ssh", args, { hint: HINT, signal });
    } catch (cause) {
      throw await this.explain().catch(() => undefined) ?? this.unreachable(cause);
    }
  }

  /** The error for a place that cannot be reached, with OpenSSH's own words. */
  unreachable(cause: unknown): FleetboxError {
    if (!(cause instanceof ProcessError)) throw cause;
    const { name, url } = this.place;
    const complaints = this.how.route?.complaints && readIfThere(this.how.route.complaints)?.trim();
    const words = [complaints, cause.stderr || `ssh ended with code ${cause.exitCode}`].filter(Boolean).join("; ");
    return new FleetboxError("unavailable", `Cannot reach the place "${name}" (${url}): ${words}`, {
      hint: this.how.route
        ? undefined
        : `Try it with OpenSSH itself: ssh ${
          this.#address.options.map((one) => `${one} `).join("")
        }${this.#address.host}`,
    });
  }

  /**
   * Runs a POSIX shell script there, and returns its output. @param words `$1` and so on
   * @throws {ProcessError} it failed; `unavailable`: the connection did
   */
  async shell(script: string, words: readonly string[] = [], signal?: AbortSignal): Promise<string> {
    return await this.command(shellLine(script, words), signal);
  }

  /** Runs a line there that any shell reads, and returns its output. @throws {ProcessError} it failed */
  async command(line: string, signal?: AbortSignal): Promise<string> {
    const [program, args] = this.session(["-T"], line);
    return await run(program, args, { hint: HINT, signal });
  }

  /** Whether an SSH server answers at a port there, with its identification string, within `limitMs`. */
  async answersSsh({ host, port }: { host: string; port: number }, limitMs: number): Promise<boolean> {
    using limit = new Limit(limitMs);
    const { signal } = limit;
    const args = this.args(["-o", "BatchMode=yes", "-W", `[${host}]:${port}`]);
    try {
      const child = new Deno.Command("ssh", { args, stdin: "piped", stdout: "piped", stderr: "null", signal }).spawn();
      let text = "";
      for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
        text += piece;
        if (text.length >= 4) break;
      }
      await child.stdin.close().catch(() => {});
      child.kill();
      await child.status;
      return text.startsWith("SSH-");
    } catch {
      return false;
    }
  }

  /** Lets a unix socket here lead to one there. */
  async forwardSocket(here: string, there: string): Promise<void> {
    await this.#tell("forward", "-L", `${here}:${there}`);
  }

  /** Never fails: it may be gone by now. */
  async stopForwardingSocket(here: string, there: string): Promise<void> {
    await this.#tell("cancel", "-L", `${here}:${there}`).catch(() => {});
  }

  /** Lets a port here lead to one of 127.0.0.1 there, until it is disposed of. @throws {ProcessError} it is taken here */
  async forwardPort(here: number, there: number, address = LOOPBACK): Promise<AsyncDisposable> {
    await this.#tell("forward", "-L", `${address}:${here}:${LOOPBACK}:${there}`);
    return { [Symbol.asyncDispose]: () => this.stopForwardingPort(here, there, address) };
  }

  /** Never fails: it may be gone by now. */
  async stopForwardingPort(here: number, there: number, address = LOOPBACK): Promise<void> {
    await this.#tell("cancel", "-L", `${address}:${here}:${LOOPBACK}:${there}`).catch(() => {});
  }

  /** Does what `ssh -O` says. @throws {ProcessError} with its words */
  async #tell(what: string, ...given: string[]): Promise<void> {
    await run("ssh", this.args(["-O", what, ...given]), { hint: HINT });
  }

  /** Ends the connection, with all that goes through it; does nothing when there is none. */
  async close(): Promise<void> {
    if (this.isLocal) return;
    await this.#tell("exit").catch((thrown) => {
      if (!(thrown instanceof ProcessError)) throw thrown;
    });
  }
}

/** Ends the connections to a place of which nothing but the name is known. */
export async function closeConnections(store: Store, name: string): Promise<void> {
  for (const keepsPorts of [true, false]) {
    await new PlaceConnection(store, { name, url: "ssh://unknown" }, { keepsPorts }).close();
  }
}

/** A script with arguments as one line for any shell. */
export function shellLine(script: string, words: readonly string[] = []): string {
  return ["exec sh -c", quoted(script), "sh", ...words.map(quoted)].join(" ");
}

/** What fleetbox there printed as JSON, on one line: what the user's shell prints at its start comes before it. */
export function jsonIn(text: string): unknown {
  return JSON.parse(text.trim().split("\n").at(-1) ?? "");
}

/** fleetbox there, as a line for any shell. @param env variables for it */
export function commandThere(place: Place, env: Record<string, string>, words: readonly string[]): string {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return `exec ${shellCommand(["env", ...variables, place.program, ...words])}`;
}
