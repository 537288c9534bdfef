/**
 * All SSH connections to one machine: a single one, kept open and shared, if its server can share it.
 *
 * OpenSSH allows ten channels on a connection. dropbear before 2024.86 allows many, but when a command ends, it may
 * close another channel that is being opened, or the whole connection (mkj/dropbear #321); micro has such a dropbear.
 * There, overlapping commands get a connection each, which is kept for later ones; the channel for files shares one
 * once it is open.
 */

import { unlessAborted } from "../../core/deadline.ts";
import type { ClientChannel, SFTPWrapper } from "./ssh2.d.ts";
import { FleetboxError, messageOf } from "../../core/errors.ts";
import { Connection, type Target } from "./connection.ts";
import { Slots } from "./semaphore.ts";

/** How many commands run at once; others wait their turn. */
const COMMANDS_AT_ONCE = 8;
/** dropbear treats a client with five unauthenticated connections as an attacker. */
const HANDSHAKES_AT_ONCE = 2;
/** OpenSSH's `MaxSessions` is 10: one is for files, one is spare for ending a command that hangs. */
const SHARED_BY = 8;

export class Lanes {
  readonly #handshakes = new Slots(HANDSHAKES_AT_ONCE);
  readonly #slots = new Slots(COMMANDS_AT_ONCE);
  readonly #lanes: Connection[];
  #files: Promise<SFTPWrapper> | undefined;
  /** The channel for files, once it is open. */
  #openOne: SFTPWrapper | undefined;

  constructor(readonly target: Target) {
    this.#lanes = [new Connection(target, this.#handshakes)];
  }

  /** Begins to connect, so that the first use waits less. That use reports a failure. */
  warmUp(): void {
    this.#lanes[0].client().catch(() => {});
  }

  /**
   * Opens a channel and runs a command line in it.
   * @param attach gets the channel at the moment it opens, and `free`, to call when it is closed.
   * @param isExtra exceeds the limit: for ending a command that hangs.
   * @param discard gets a channel that opened after the signal had fired.
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
    coming.catch(free); // there is no channel to close
    try {
      return await unlessAborted(coming, signal);
    } catch (thrown) {
      coming.then(discard, () => {});
      throw signal?.aborted ? signal.reason : this.#failure("run a command on", thrown, line);
    }
  }

  /** A connection with space for one more use, counted as used. */
  async #lane(signal: AbortSignal | undefined): Promise<Connection> {
    // The server's abilities are known once it has answered.
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
      this.#openOne = files;
      files.once("close", () => {
        if (this.#openOne === files) this.#files = undefined;
      });
      return files;
    } finally {
      lane.load--; // once it is open, the end of other channels does not affect it
    }
  }

  /**
   * Work in the channel for files was given up. If it does not end, the guest's server is stuck: then the channel is closed, with all that waits
   * in it, and the next use opens another one. Until that is known, the next use waits.
   */
  suspectFiles(isOver: Promise<boolean>): void {
    const suspect = this.#files;
    if (!suspect) return;
    const next = this.#files = isOver.then(async (isFine) => {
      if (isFine) return await suspect;
      const stuck = await suspect;
      this.#openOne = undefined;
      stuck.end();
      stuck.push(null); // ends what waits in it: the server does not confirm that it is closed
      return await this.#openFiles();
    });
    next.catch(() => {
      if (this.#files === next) this.#files = undefined;
    });
  }

  /** Whether a program listens on a TCP port, as the guest sees it. @throws when none does. */
  async probe(host: string, port: number, signal?: AbortSignal): Promise<void> {
    const lane = await this.#lane(signal);
    const probing = lane.probe(host, port).finally(() => lane.load--);
    await unlessAborted(probing, signal);
  }

  /** Closes all connections; the next use opens a new one. */
  async drop(): Promise<void> {
    this.#files = undefined;
    await Promise.all(this.#lanes.map((lane) => lane.drop()));
  }

  /** Closes all connections for good. Calling it twice is fine. */
  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  #failure(what: string, cause: unknown, line?: string): FleetboxError {
    if (cause instanceof FleetboxError) return cause;
    // dropbear's limit is 9,000 bytes; OpenSSH's is far higher.
    const isLong = line !== undefined && line.length > 8_000;
    return new FleetboxError("failed", `Cannot ${what} "${this.target.name}": ${messageOf(cause)}`, {
      cause,
      hint: isLong
        ? `The command has ${line.length} characters; write a script with writeFile() and run that.`
        : undefined,
    });
  }
}

/** How many commands a connection can take, by the server's identification. */
export function sharedBy(server: string | undefined): number {
  const dropbear = /dropbear_(\d+)\.(\d+)/.exec(server ?? "");
  if (!dropbear) return SHARED_BY;
  const [year, number] = [Number(dropbear[1]), Number(dropbear[2])];
  return year > 2024 || (year === 2024 && number > 85) ? SHARED_BY : 1;
}
