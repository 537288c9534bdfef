/**
 * One SSH connection to a machine: opened at its first use, kept, and opened again when it broke.
 *
 * A channel costs two round trips, a connection a handshake. A machine that restarts breaks the connection; the next
 * use connects again, and waits until the guest's server is back. A command that was running when the connection broke
 * is not tried again, because its progress is unknown. `ssh_pool.ts` distributes work over connections; only these two
 * files, and those that get a channel from them, know the SSH library.
 */

import { connect } from "node:net";
import type * as ssh2 from "./ssh2.d.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { SshEndpoint } from "../../wire.ts";
import { Limit, pause, unlessAborted } from "../../core/deadline.ts";
import type { Slots } from "./semaphore.ts";

/** How long a machine may be unreachable before a waiting call fails. */
const CONNECT_LIMIT_MS = 60_000;
const HANDSHAKE_LIMIT_MS = 10_000;
const RETRY_MS = 200;
/** The keep-alive interval: after six without an answer the guest counts as gone. */
const KEEPALIVE_MS = 10_000;
const KEEPALIVE_MISSES = 6;
/** How long a connection may take to close. */
const CLOSE_LIMIT_MS = 1_000;

/** The target of a connection. */
export interface Target {
  name: string;
  /** The private key's path. */
  key: string;
  /** Its present endpoint. @throws {FleetboxError} it does not run. */
  endpoint(): Promise<SshEndpoint>;
}

export class Connection {
  /** The number of its present uses, counted by `ssh_pool.ts`. */
  load = 0;
  /** The server's identification, once it is known: `SSH-2.0-dropbear_2022.83`. */
  server: string | undefined;
  #client: Promise<ssh2.Client> | undefined;
  /** The same, once it is open. */
  #open: ssh2.Client | undefined;
  #isClosed = false;
  readonly #end = new AbortController();

  /** @param handshakes limits simultaneous handshakes with this machine. */
  constructor(readonly target: Target, private readonly handshakes: Slots) {}

  /**
   * Opens a channel and runs a command line in it.
   * @param attach is called with the channel at the moment it opens: a quick command's output and end may be in the
   * same packet, and would be lost later.
   */
  async command<T>(line: string, attach: (channel: ssh2.ClientChannel) => T): Promise<T> {
    const client = await this.client();
    return await whileOpen<T>(client, (done) => {
      client.exec(line, (error, channel) => error ? done(error) : done(null, attach(channel)));
    });
  }

  /** Opens a stream to a TCP port, as the guest sees it, and closes it again. @throws when no program listens there. */
  async probe(host: string, port: number): Promise<void> {
    const client = await this.client();
    await whileOpen<void>(client, (done) => {
      client.forwardOut("127.0.0.1", 0, host, port, (error, channel) => {
        if (error) return done(error);
        channel.once("close", () => done(null));
        channel.on("error", () => {});
        channel.resume();
        channel.stderr.resume();
        channel.destroy();
      });
    });
  }

  /** Opens a channel for files. */
  async files(): Promise<ssh2.SFTPWrapper> {
    const client = await this.client();
    return await whileOpen<ssh2.SFTPWrapper>(client, (done) => client.sftp(done));
  }

  /** The open connection; opened if there is none. */
  async client(signal?: AbortSignal): Promise<ssh2.Client> {
    if (this.#isClosed) throw new FleetboxError("conflict", `"${this.target.name}" was destroyed`);
    const opening = this.#client ??= this.#connect();
    opening.catch(() => {
      if (this.#client === opening) this.#client = undefined;
    });
    return await unlessAborted(opening, signal);
  }

  async #connect(): Promise<ssh2.Client> {
    const { name, key } = this.target;
    const { signal } = this.#end;
    const [{ Client }, privateKey] = await Promise.all([loadSsh2(), Deno.readTextFile(key)]);
    using limit = new Limit(CONNECT_LIMIT_MS);
    for (;;) {
      const endpoint = await this.target.endpoint();
      const free = await this.handshakes.take();
      try {
        if (signal.aborted) throw signal.reason;
        return await this.#handshake(new Client(), endpoint, privateKey);
      } catch (cause) {
        if (signal.aborted) throw new FleetboxError("interrupted", `The connection to "${name}" was closed`);
        const isRefused = (cause as { level?: string }).level === "client-authentication";
        if (isRefused || limit.signal.aborted) {
          const what = isRefused
            ? `refuses the key ${key} for its user ${endpoint.user}`
            : `did not answer over SSH at ${endpoint.host}:${endpoint.port} within ${CONNECT_LIMIT_MS / 1000} s`;
          throw new FleetboxError(isRefused ? "denied" : "timeout", `"${name}" ${what}`, {
            cause,
            hint: `Look at its console: fleetbox logs ${name}`,
          });
        }
      } finally {
        free();
      }
      await pause(RETRY_MS, signal);
    }
  }

  async #handshake(client: ssh2.Client, { host, port, user }: SshEndpoint, privateKey: string): Promise<ssh2.Client> {
    const sock = connect({ host, port, noDelay: true });
    const stop = () => void client.destroy();
    this.#end.signal.addEventListener("abort", stop);
    try {
      await new Promise<void>((resolve, reject) => {
        client.once("ready", () => resolve());
        client.on("error", reject); // stays: after a later error the connection closes, which is handled
        client.once("close", () => reject(new Error("the guest closed the connection")));
        client.connect({
          sock,
          username: user,
          privateKey,
          readyTimeout: HANDSHAKE_LIMIT_MS,
          keepaliveInterval: KEEPALIVE_MS,
          keepaliveCountMax: KEEPALIVE_MISSES,
        });
        // The server's first line: RFC 4253, section 4.2.
        sock.once("data", (first: Uint8Array) => this.server = new TextDecoder().decode(first).split(/\r?\n/, 1)[0]);
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
      if (this.#open === client) this.#open = this.#client = undefined;
    });
    return client;
  }

  /** Closes the connection; the next use opens a new one. */
  async drop(): Promise<void> {
    const client = this.#open;
    if (!client) return;
    this.#open = this.#client = undefined;
    const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
    client.destroy();
    const over = new AbortController();
    await Promise.race([closed, pause(CLOSE_LIMIT_MS, over.signal)]);
    over.abort();
  }

  /** Closes the connection for good. Calling it twice is fine. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#end.abort();
    await this.drop();
    await this.#client?.catch(() => {});
  }
}

async function loadSsh2(): Promise<typeof import("./ssh2.ts")> {
  try {
    return await import("./ssh2.ts");
  } catch (cause) {
    throw new FleetboxError("unavailable", "Cannot load the SSH library, npm's ssh2", {
      cause,
      hint:
        'In fleetbox\'s directory: make setup. With Deno before 2.9, in your deno.json: "nodeModulesDir": "manual".',
    });
  }
}

type Start<T> = (done: (error: Error | undefined | null, value?: T) => void) => void;

/** {@link promised}, on a connection that may close before the callback. */
async function whileOpen<T>(client: ssh2.Client, start: Start<T>): Promise<T> {
  const { promise: closed, reject } = Promise.withResolvers<never>();
  const onClose = () => reject(new Error("the connection was closed"));
  client.once("close", onClose);
  try {
    return await Promise.race([promised(start), closed]);
  } finally {
    client.off("close", onClose);
  }
}

/** A callback's outcome as a promise. */
export function promised<T>(start: Start<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    // A call on a connection that has just broken throws instead of calling back.
    start((error, value) => error ? reject(error) : resolve(value as T));
  });
}
