/**
 * All SSH connections to one machine: one, kept open and shared, as long as its server can share it.
 *
 * OpenSSH takes ten channels on a connection. dropbear before 2024.86 takes many, and closes one that is just being opened
 * when a command on another one ends, or even the whole connection (mkj/dropbear #321); micro has such a dropbear. There,
 * what overlaps gets a connection each, which is kept for the next that overlap; files, once open, share.
 */

import { unlessAborted } from "../../core/deadline.ts";
import type { ClientChannel, SFTPWrapper } from "./ssh2.d.ts";
import { FleetboxError, messageOf } from "../../core/errors.ts";
import { Connection, type Target } from "./connection.ts";
import { Slots } from "./semaphore.ts";

/** How many commands run at once; the others wait their turn. */
const COMMANDS_AT_ONCE = 8;
/** dropbear knows a guest that has five connections without a user as an attacker. */
const HANDSHAKES_AT_ONCE = 2;
/** OpenSSH's `MaxSessions` is 10: one is for files, one is spare for ending a command that hangs. */
const SHARED_BY = 8;

export class Lanes {
  readonly #handshakes = new Slots(HANDSHAKES_AT_ONCE);
  readonly #slots = new Slots(COMMANDS_AT_ONCE);
  readonly #lanes: Connection[];
  #files: Promise<SFTPWrapper> | undefined;

  constructor(readonly target: Target) {
    this.#lanes = [new Connection(target, this.#handshakes)];
  }

  /** Begins to connect, so that the first who needs it waits less. Who needs it hears of a failure. */
  warmUp(): void {
    this.#lanes[0].client().catch(() => {});
  }

  /**
   * Opens a channel and runs a command line in it.
   * @param attach is given the channel in the moment in which it is open, and `free`, to call when it is closed.
   * @param isExtra goes past the limit: for ending a command that hangs.
   * @param discard is given what came of a channel that opened after the signal had fired.
   */
  async command<T>(
    line: string,
    attach: (channel: ClientChannel, free: () => void) => T,
    options: { signal?: AbortSignal; isExtra?: boolean; discard?: (late: T) => void } = {},
  ): Promise<T> {
    const { signal, isExtra, discard } = options;
    const freeSlot = isExtra ? () => {} : await this.#slots.take(signal);
    const lane = await this.#lane(signal).catch((thrown) => {
      freeSlot();
      throw thrown;
    });
    const leave = () => void lane.load--;
    const free = () => {
      leave();
      freeSlot();
    };
    const coming = lane.command(line, (channel) => attach(channel, free));
    coming.catch(free); // there is no channel that could be closed
    try {
      return await unlessAborted(coming, signal);
    } catch (thrown) {
      coming.then(discard, () => {});
      throw signal?.aborted ? signal.reason : this.#failure("run a command on", thrown, line);
    }
  }

  /** A connection that has room for one more, counted as taken. */
  async #lane(signal: AbortSignal | undefined): Promise<Connection> {
    // What the server can is known once it has answered.
    if (this.#lanes[0].server === undefined) await this.#lanes[0].client(signal);
    const room = sharedBy(this.#lanes[0].server);
    let lane = this.#lanes.find(({ load }) => load < room);
    if (!lane) this.#lanes.push(lane = new Connection(this.target, this.#handshakes));
    lane.load++;
    return lane;
  }

  /** The channel for files, one for all. */
  async files(signal?: AbortSignal): Promise<SFTPWrapper> {
    const opening = this.#files ??= this.#openFiles();
    opening.catch(() => {
      if (this.#files === opening) this.#files = undefined;
    });
    try {
      return await unlessAborted(opening, signal);
    } catch (thrown) {
      throw signal?.aborted ? signal.reason : this.#failure("reach the files of", thrown);
    }
  }

  async #openFiles(): Promise<SFTPWrapper> {
    const lane = await this.#lane(undefined);
    try {
      const files = await lane.files();
      files.on("error", () => {});
      files.once("close", () => this.#files = undefined);
      return files;
    } finally {
      lane.load--; // it is open: whatever ends beside it does it no harm
    }
  }

  /** Whether somebody listens on a TCP port, as the guest sees it. @throws when nobody does. */
  async probe(host: string, port: number, signal?: AbortSignal): Promise<void> {
    const lane = await this.#lane(signal);
    const probing = lane.probe(host, port).finally(() => lane.load--);
    await unlessAborted(probing, signal);
  }

  /** Lets go of all connections; the next who needs one opens a new one. */
  async drop(): Promise<void> {
    this.#files = undefined;
    await Promise.all(this.#lanes.map((lane) => lane.drop()));
  }

  /** Closes all connections for good. Twice is fine. */
  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
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

/** How many commands a connection to a server can take, by the server's identification. */
export function sharedBy(server: string | undefined): number {
  const dropbear = /dropbear_(\d+)\.(\d+)/.exec(server ?? "");
  if (!dropbear) return SHARED_BY;
  const [year, number] = [Number(dropbear[1]), Number(dropbear[2])];
  return year > 2024 || (year === 2024 && number > 85) ? SHARED_BY : 1;
}
