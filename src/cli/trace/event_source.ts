/**
 * The events of a trace, of its zip or of its directory, one batch after the other: a trace with ten million of them needs no more memory
 * than a small one.
 *
 * What is damaged is left out, and told: a line in the middle, the end of a zip that was cut off. The last line of a file may be half
 * written: its writer was killed, or writes it at this moment.
 */

import { FleetboxError } from "../../core/errors.ts";
import { LineSplitter } from "../../core/lines.ts";
import { isEvents, type TraceMeta } from "../../core/trace/types.ts";
import { namesIn, statIfThere } from "../../system/files.ts";
import { eventOf } from "../../viewer/data/events.ts";
import { text, type TraceEvent } from "../../viewer/data/model.ts";
import { entriesOf, isZip, unpack, unpackedStream } from "../../viewer/data/unzip.ts";
import { checkVersion, noBundle, read } from "../trace_show/bundle_files.ts";
import { merged } from "./merge.ts";

/** An event, and when it was written. */
export interface Recorded {
  time: number;
  event: TraceEvent;
}

export interface EventSource {
  /** What of `meta.json` can be read. */
  meta: Partial<TraceMeta>;
  /** In the order of their times. To be read once. */
  batches: AsyncIterable<Recorded[]>;
  /** The text of `plan.json`, where there is one. */
  plan: string | undefined;
  /** What is missing, in words. Complete when all batches were read. */
  notices: string[];
}

/** A longer line is none of ours: a command's output has 8 KiB in it. */
const MOST_IN_LINE = 1024 * 1024;
/** A zip is read whole, packed as it is. */
const MOST_ZIP_BYTES = 1024 * 1024 * 1024;

type Pieces = ReadableStream<Uint8Array<ArrayBuffer>>;

/** @throws {FleetboxError} `not-found`, `damaged`, `conflict`: it is no trace, or of another version */
export async function openEvents(path: string): Promise<EventSource> {
  const there = statIfThere(path);
  if (!there) throw new FleetboxError("not-found", `There is no ${path}`);
  const notices: string[] = [];
  const { meta, plan, files } = there.isDirectory
    ? await filesOfDirectory(path)
    : await filesOfZip(path, there.size, notices);
  if (meta) checkVersion(path, meta);
  if (!meta && files.length === 0) throw noBundle(path, "it has neither meta.json nor events");
  const known = parsed(meta);
  if (!known) notices.push("meta.json is missing or damaged");
  else if (known.ended === undefined) notices.push("The recording has no end: it was killed, or still runs");
  const problem = text(known?.problem);
  if (problem !== "") notices.push(`The recording ends early: ${problem}`);
  const batches = merged(files.map((file) => eventsOf(file, notices)));
  return { meta: known ?? {}, batches, plan: plan && new TextDecoder().decode(plan), notices };
}

interface Files {
  meta: Uint8Array<ArrayBuffer> | undefined;
  plan: Uint8Array<ArrayBuffer> | undefined;
  files: EventFile[];
}

interface EventFile {
  name: string;
  open: () => Promise<Pieces> | Pieces;
  /** Whether its end is known to be missing. */
  isCut?: boolean;
}

async function filesOfDirectory(path: string): Promise<Files> {
  const names = namesIn(path).toSorted();
  return {
    meta: names.includes("meta.json") ? await read(`${path}/meta.json`) : undefined,
    plan: names.includes("plan.json") ? await read(`${path}/plan.json`) : undefined,
    files: names.filter(isEvents).map((name) => ({
      name,
      open: async () => (await Deno.open(`${path}/${name}`)).readable,
    })),
  };
}

async function filesOfZip(path: string, size: number, notices: string[]): Promise<Files> {
  if (size > MOST_ZIP_BYTES) throw noBundle(path, `it has ${Math.round(size / 2 ** 20)} MiB`);
  const bytes = await read(path);
  if (!isZip(bytes)) throw noBundle(path, "it is no zip");
  const { entries, isWhole } = entriesOf(bytes);
  if (!isWhole) notices.push("The zip was cut off: what is in it is shown");
  const unpacked = async (wanted: string) => {
    const entry = entries.find(({ name }) => name === wanted);
    return entry && await unpack(entry);
  };
  return {
    meta: await unpacked("meta.json"),
    plan: await unpacked("plan.json"),
    files: entries.filter(({ name }) => isEvents(name)).map((entry) => ({
      name: entry.name,
      isCut: entry.isCut,
      open: () => unpackedStream(entry),
    })),
  };
}

function parsed(meta: Uint8Array | undefined): Partial<TraceMeta> | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(meta));
  } catch {
    return undefined;
  }
}

/** The events of one file, a batch for each piece of it. */
async function* eventsOf(
  { name, open, isCut = false }: EventFile,
  notices: string[],
): AsyncGenerator<Recorded[], void> {
  const lines = new LineSplitter({ max: MOST_IN_LINE, overlong: "cut" });
  const decoder = new TextDecoder();
  let damaged = 0;
  try {
    for await (const piece of await open()) {
      const batch: Recorded[] = [];
      for (const line of lines.push(decoder.decode(piece, { stream: true }))) {
        const one = recorded(line);
        if (one) batch.push(one);
        else if (line !== "") damaged++;
      }
      if (batch.length > 0) yield batch;
    }
  } catch {
    isCut = true;
  }
  if (isCut) notices.push(`${name} ends too early`);
  const last = recorded(lines.rest());
  if (last) yield [last];
  if (damaged > 0) notices.push(`${name}: ${damaged} ${damaged === 1 ? "line is" : "lines are"} damaged, and left out`);
}

function recorded(line: string): Recorded | undefined {
  try {
    const event = eventOf(JSON.parse(line));
    // A command is recorded when it ends, and is at its beginning.
    return event && { time: event.until ?? event.at, event };
  } catch {
    return undefined;
  }
}
