/**
 * Packs what was recorded into one zip: the parts of a ring one behind the other, the events of all writers in the order of their times, and
 * the faults as a plan. The file is whole, or it is not there.
 */

import { promisify } from "node:util";
import { crc32, deflateRaw } from "node:zlib";
import { Zip, type ZipInputFile } from "fflate";
import { isEvents, type TraceEvent, type TraceMeta } from "../../core/trace/types.ts";
import { joined } from "../../core/bytes.ts";
import { FleetboxError, isNoSpace } from "../../core/errors.ts";
import { namesIn, readIfThere, replaceFile, sizeOf, syncPath } from "../../system/files.ts";
import { planOf } from "./recorded_faults.ts";

/** What deflates well enough in time: a bundle is packed in under a second. The runtime's deflate is four times as fast as fflate's. */
const LEVEL = 1;
const DEFLATED = 8;

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
  if (plan) yield ["plan.json", encode(JSON.stringify(plan, null, 2) + "\n")];
  for (const name of names) {
    const [, member, kind] = /^([a-z0-9-]+)\.(cast|journal)$/.exec(name) ?? [];
    if (member === undefined) continue;
    const older = `${member}.1.${kind}`;
    yield [name, joined([...sizeOf(`${directory}/${older}`) > 0 ? [read(older)] : [], read(name)])];
  }
  const segments = names.filter((name) => /^net-\d+\.pcapng$/.test(name));
  if (segments.length > 0) yield ["net.pcapng", joined(segments.map(read))];
  for (const name of names) if (/^[a-z0-9-]+\.\d+[\w-]*\.log$/.test(name)) yield [name, read(name)];
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

const encode = (text: string) => new TextEncoder().encode(text);
