/**
 * Packs what was recorded into one zip: the parts of a ring one behind the other, the events of all writers in the order of their times, and
 * the faults as a plan. The file is whole, or it is not there.
 */

import { promisify } from "node:util";
import { crc32, deflateRaw } from "node:zlib";
import { Zip, type ZipInputFile } from "fflate";
import { isEvents, type TraceEvent, type TraceFault, type TraceMeta } from "../../core/trace/types.ts";
import { type FaultStep, PLAN_VERSION } from "../../core/faults/plan.ts";
import { joined } from "../../core/bytes.ts";
import { FleetboxError, isNoSpace } from "../../core/errors.ts";
import { namesIn, readIfThere, replaceFile, sizeOf, syncPath } from "../../system/files.ts";

/** What deflates well enough in time: a bundle is packed in under a second. The runtime's deflate is four times as fast as fflate's. */
const LEVEL = 1;
const DEFLATED = 8;
/** A fault that was not healed is made again for so long. */
const UNHEALED_MS = 24 * 3_600_000;

/** @returns how large the file is */
export async function packTrace(directory: string, file: string): Promise<number> {
  const zip = await zipOf([...partsOf(directory)]);
  try {
    await replaceFile(file, async (aside) => {
      await Deno.writeFile(aside, zip, { mode: 0o600 });
      await syncPath(aside);
    });
  } catch (cause) {
    const size = `${Math.ceil(zip.length / 1024)} KiB`;
    throw new FleetboxError(isNoSpace(cause) ? "no-space" : "failed", `Cannot write ${file}, of ${size}`, {
      cause,
      hint: `What was recorded stays in ${directory}. Write it elsewhere: fleetbox trace stop -w FILE`,
    });
  }
  return zip.length;
}

/** A zip of some files, which are deflated side by side. */
async function zipOf(files: readonly (readonly [name: string, bytes: Uint8Array])[]): Promise<Uint8Array> {
  const packed = await Promise.all(files.map(([_, bytes]) => promisify(deflateRaw)(bytes, { level: LEVEL })));
  const pieces: Uint8Array[] = [];
  const zip = new Zip((error, piece) => {
    if (error) throw error;
    pieces.push(piece);
  });
  for (const [index, [filename, bytes]] of files.entries()) {
    const file: ZipInputFile = { filename, size: bytes.length, crc: crc32(bytes), compression: DEFLATED };
    zip.add(file);
    file.ondata!(null, Uint8Array.from(packed[index]), true);
  }
  zip.end();
  return joined(pieces);
}

function* partsOf(directory: string): Generator<[name: string, bytes: Uint8Array]> {
  const names = namesIn(directory).toSorted();
  const read = (name: string) => Deno.readFileSync(`${directory}/${name}`);
  const meta = readIfThere(`${directory}/meta.json`);
  if (meta !== undefined) yield ["meta.json", encode(meta)];
  const events = eventsOf(names.filter(isEvents).map(read));
  yield ["events.ndjson", encode(events.map((event) => JSON.stringify(event) + "\n").join(""))];
  const plan = meta === undefined ? undefined : planOf(JSON.parse(meta) as TraceMeta, events);
  if (plan) yield ["plan.json", encode(plan)];
  for (const name of names) {
    const [, member] = /^([a-z0-9-]+)\.cast$/.exec(name) ?? [];
    if (member === undefined) continue;
    yield [
      name,
      joined([...sizeOf(`${directory}/${member}.1.cast`) > 0 ? [read(`${member}.1.cast`)] : [], read(name)]),
    ];
  }
  const segments = names.filter((name) => /^net-\d+\.pcapng$/.test(name));
  if (segments.length > 0) yield ["net.pcapng", joined(segments.map(read))];
  if (names.includes("error.txt")) yield ["error.txt", read("error.txt")];
}

/** The events of some files in the order of their times. A line that is not whole is left out. */
function eventsOf(files: readonly Uint8Array[]): TraceEvent[] {
  const events = files.flatMap((bytes) =>
    new TextDecoder().decode(bytes).split("\n").flatMap((line): TraceEvent[] => {
      try {
        return line === "" ? [] : [JSON.parse(line)];
      } catch {
        return []; // its writer was killed
      }
    })
  );
  return events.toSorted((one, other) => one.at < other.at ? -1 : one.at > other.at ? 1 : 0);
}

/** The faults as a plan for `fleetbox fault run`, in times since the trace began. */
function planOf({ started }: TraceMeta, events: readonly TraceEvent[]): string | undefined {
  const startMs = Date.parse(started);
  const ends = new Map(
    events.flatMap((event) => event.event === "fault-ended" ? [[event.id, Date.parse(event.at)]] : []),
  );
  const began = events.filter((event): event is TraceFault =>
    event.event === "fault-began" && event.spec !== undefined
  );
  const steps = began.map(({ at, id, spec }): FaultStep => {
    const beganMs = Date.parse(at), endMs = ends.get(id);
    return {
      at_ms: Math.max(0, beganMs - startMs),
      for_ms: endMs === undefined ? UNHEALED_MS : Math.max(1, endMs - beganMs),
      fault: spec!,
    };
  });
  if (steps.length === 0) return undefined;
  return JSON.stringify({ version: PLAN_VERSION, seed: began[0].seed ?? 0, steps }, null, 2) + "\n";
}

const encode = (text: string) => new TextEncoder().encode(text);
