/**
 * The one SSH connection to a machine: opened when it is first needed, kept, shared, and opened again when it broke.
 *
 * A channel costs a round trip, a connection a handshake. A machine that restarts breaks the connection; the next who
 * needs it connects again, and waits while the guest's server is not back yet. A command that was under way when the
 * connection broke is not tried again: nobody knows how far it came. OpenSSH allows ten channels a connection, so that
 * is the limit here, one of them for files. Only this file and those that it hands a channel to know the SSH library.
 */

import { connect } from "node:net";
import type { Client, ClientChannel, SFTPWrapper } from "./ssh2.d.ts";
import { FleetboxError, messageOf } from "../errors.ts";
import type { SshEndpoint } from "../wire.ts";
import { pause } from "./poll.ts";
import { Slots } from "./slots.ts";

/** OpenSSH's `MaxSessions` is 10: one is for files, one is spare for ending a command that hangs. */
const COMMANDS_AT_ONCE = 8;
/** How long a machine may be unreachable before who waits is told so. */
const CONNECT_LIMIT_MS = 60_000;
const HANDSHAKE_LIMIT_MS = 10_000;
const RETRY_MS = 200;
/** A guest that is gone without a word is noticed after six of these without an answer. */
const KEEPALIVE_MS = 10_000;
const KEEPALIVE_MISSES = 6;

/** What a connection is to. */
export interface Target {
  name: string;
  /** The private key's path. */
  key: string;
  /** Where it answers now. @throws {FleetboxError} it does not run. */
  endpoint(): Promise<SshEndpoint>;
}

export class Connection {
  #client: Promise<Client> | undefined;
  /** The same, once it is open. */
  #open: Client | undefined;
  #files: Promise<SFTPWrapper> | undefined;
  #isClosed = false;
  readonly #slots = new Slots(COMMANDS_AT_ONCE);
  readonly #end = new AbortController();

  constructor(readonly target: Target) {}

  /**
   * Opens a channel for one command. The caller frees the slot when the channel is closed.
   * @param isExtra goes past the limit: for ending a command that hangs.
   * @param discard is given a channel that came after the signal had fired. Without it, that is closed.
   */
  async command(
    line: string,
    options: { signal?: AbortSignal; isExtra?: boolean; discard?: (late: ClientChannel) => void } = {},
  ): Promise<{ channel: ClientChannel; free: () => void }> {
    const { signal } = options;
    const free = options.isExtra ? () => {} : await this.#slots.take(signal);
    try {
      const client = await this.client(signal);
      const channel = await abandonable<ClientChannel>(
        signal,
        (done) => client.exec(line, done),
        options.discard ?? ((late) => late.close()),
      );
      return { channel, free };
    } catch (thrown) {
      free();
      throw signal?.aborted ? signal.reason : this.#failure("run a command on", thrown, line);
    }
  }

  /** Opens a stream to a TCP port, as the guest sees it, and closes it again. @throws when nobody listens there. */
  async probe(host: string, port: number, signal?: AbortSignal): Promise<void> {
    const client = await this.client(signal);
    const channel = await abandonable<ClientChannel>(
      signal,
      (done) => client.forwardOut("127.0.0.1", 0, host, port, done),
      (late) => late.close(),
    );
    channel.on("error", () => {});
    channel.resume();
    channel.destroy();
  }

  /** The channel for files, one for all. */
  async files(signal?: AbortSignal): Promise<SFTPWrapper> {
    const opening = this.#files ??= this.#openFiles();
    opening.catch(() => {});
    try {
      return await (signal ? Promise.race([opening, aborted(signal)]) : opening);
    } catch (thrown) {
      if (this.#files === opening && !signal?.aborted) this.#files = undefined;
      throw signal?.aborted ? signal.reason : this.#failure("reach the files of", thrown);
    }
  }

  async #openFiles(): Promise<SFTPWrapper> {
    const client = await this.client();
    const files = await promised<SFTPWrapper>((done) => client.sftp(done));
    files.on("error", () => {});
    files.once("close", () => this.#files = undefined);
    return files;
  }

  /** Begins to connect, so that the first who needs it waits less. Who needs it hears of a failure. */
  warmUp(): void {
    this.client().catch(() => {});
  }

  /** The open connection; opened when there is none. */
  async client(signal?: AbortSignal): Promise<Client> {
    if (this.#isClosed) throw new FleetboxError("conflict", `"${this.target.name}" was destroyed`);
    const opening = this.#client ??= this.#connect();
    opening.catch(() => {});
    try {
      return await (signal ? Promise.race([opening, aborted(signal)]) : opening);
    } catch (thrown) {
      if (this.#client === opening && !signal?.aborted) this.#client = undefined;
      throw thrown;
    }
  }

  async #connect(): Promise<Client> {
    const { name, key } = this.target;
    const [{ Client }, privateKey] = await Promise.all([import("./ssh2.ts"), Deno.readTextFile(key)]);
    const deadline = performance.now() + CONNECT_LIMIT_MS;
    for (;;) {
      const endpoint = await this.target.endpoint();
      try {
        return await this.#handshake(new Client(), endpoint, privateKey);
      } catch (cause) {
        if (this.#end.signal.aborted) throw new FleetboxError("interrupted", `The connection to "${name}" was closed`);
        const isRefused = (cause as { level?: string }).level === "client-authentication";
        if (isRefused || performance.now() > deadline) {
          throw new FleetboxError(
            isRefused ? "denied" : "timeout",
            isRefused
              ? `"${name}" refuses the key ${key} for its user ${endpoint.user}`
              : `"${name}" did not answer over SSH at ${endpoint.host}:${endpoint.port} within ${
                CONNECT_LIMIT_MS / 1000
              } s`,
            { cause, hint: `Look at its console: fleetbox logs ${name}` },
          );
        }
        await pause(RETRY_MS, this.#end.signal);
      }
    }
  }

  async #handshake(client: Client, { host, port, user }: SshEndpoint, privateKey: string): Promise<Client> {
    const sock = connect({ host, port, noDelay: true });
    const stop = () => void client.destroy();
    this.#end.signal.addEventListener("abort", stop);
    try {
      await new Promise<void>((resolve, reject) => {
        client.once("ready", () => resolve());
        client.on("error", reject); // stays: an error later is told by the close that follows
        client.once("close", () => reject(new Error("the guest closed the connection")));
        client.connect({
          sock,
          username: user,
          privateKey,
          readyTimeout: HANDSHAKE_LIMIT_MS,
          keepaliveInterval: KEEPALIVE_MS,
          keepaliveCountMax: KEEPALIVE_MISSES,
          // Loopback, into a machine of our own: what is cheapest on an emulated processor first, as OpenSSH does.
          algorithms: { cipher: { prepend: ["chacha20-poly1305@openssh.com"], append: [], remove: [] } },
        });
      });
    } catch (thrown) {
      client.destroy();
      sock.destroy();
      throw thrown;
    } finally {
      this.#end.signal.removeEventListener("abort", stop);
    }
    this.#open = client;
    client.once("close", () => {
      if (this.#open !== client) return;
      this.#open = this.#client = this.#files = undefined;
    });
    return client;
  }

  /** Lets go of the connection; the next who needs one opens a new one. */
  async drop(): Promise<void> {
    const client = this.#open;
    if (!client) return;
    this.#open = this.#client = this.#files = undefined;
    const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
    client.destroy();
    await Promise.race([closed, pause(1_000)]);
  }

  /** Closes the connection for good. Twice is fine. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#end.abort();
    await this.drop();
  }

  #failure(what: string, cause: unknown, line?: string): FleetboxError {
    if (cause instanceof FleetboxError) return cause;
    // dropbear's limit is 9,000 bytes; OpenSSH has none worth speaking of.
    const isLong = line !== undefined && line.length > 8_000;
    return new FleetboxError("failed", `Cannot ${what} "${this.target.name}": ${messageOf(cause)}`, {
      cause,
      hint: isLong
        ? `The command has ${line.length} characters; write a script with writeFile() and run that.`
        : undefined,
    });
  }
}

/** A callback's outcome as a promise. */
export function promised<T>(start: (done: (error: Error | undefined | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    // A call on a connection that has just broken throws instead of calling back.
    start((error, value) => error ? reject(error) : resolve(value));
  });
}

/** {@link promised}, given up when the signal fires; what comes after that is handed to `discard`. */
async function abandonable<T>(
  signal: AbortSignal | undefined,
  start: (done: (error: Error | undefined | null, value: T) => void) => void,
  discard: (value: T) => void,
): Promise<T> {
  const coming = promised(start);
  if (!signal) return await coming;
  try {
    return await Promise.race([coming, aborted(signal)]);
  } catch (thrown) {
    coming.then(discard, () => {});
    throw thrown;
  }
}

/** Rejects when the signal fires. */
function aborted(signal: AbortSignal): Promise<never> {
  const never = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  never.catch(() => {});
  return never;
}
