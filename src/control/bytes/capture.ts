/** Frames of a group, through its holder: a pcapng stream in whole blocks. */

import { FleetboxError } from "../../core/errors.ts";
import { BlockSplitter } from "../../core/pcapng/splitter.ts";
import type { Store } from "../../store.ts";
import { openBytes } from "./byte_stream.ts";

/** Frames that are captured. */
export interface CaptureStream extends Disposable {
  /** Those whose frames they are. */
  readonly members: readonly string[];
  /** How many frames there were so far. */
  readonly packets: number;
  /** How many are not in the stream, because it was read too slowly; undefined: the stream has not come to its end. */
  readonly missing: number | undefined;
  /** The next blocks, all of them whole; undefined: the group, or its holder, has ended, or {@link finish} was called. */
  read(): Promise<Uint8Array | undefined>;
  /** Asks for the end: what is queued, and the statistics. */
  finish(): Promise<void>;
}

/**
 * Begins a capture of a group.
 * @param via a member of the group
 * @param names those whose frames are wanted; undefined: all
 * @param less how many bytes of each frame are wanted, and how many frames a second, most of what is beyond being counted only. @default
 * all; a holder of an earlier version gives all
 * @throws {FleetboxError} `not-found`: it is not running, or a name is not in its group; `protocol`: its holder is of an earlier version
 */
export async function openCapture(
  store: Store,
  via: string,
  names: readonly string[] | undefined,
  less: { snap?: number; rate?: number } = {},
): Promise<CaptureStream> {
  const opened = await openBytes(store, via, "capture", { ...names && { names: [...names] }, ...less });
  if (!opened) {
    throw new FleetboxError("not-found", `"${via}" is not running, and only what runs can be captured`, {
      hint: `Start it first: fleetbox up ${via}`,
    });
  }
  const { greeting, stream } = opened;
  const splitter = new BlockSplitter();
  return {
    members: greeting.members,
    get packets() {
      return splitter.packets;
    },
    get missing() {
      return splitter.missing;
    },
    async read() {
      const piece = await stream.read();
      if (!piece) return undefined;
      try {
        return splitter.push(piece);
      } catch (cause) {
        throw new FleetboxError("protocol", `The holder of "${via}" sent a malformed capture`, { cause });
      }
    },
    finish: () => stream.endWriting(),
    [Symbol.dispose]: () => stream[Symbol.dispose](),
  };
}
