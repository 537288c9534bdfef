/**
 * The files of a bundle, as they go into the page: a zip as it is, a directory's files deflated. What no browser could show
 * quickly is left out, and what that was is said.
 */

import { promisify } from "node:util";
import { deflateRaw } from "node:zlib";
import { FleetboxError, isNotFound } from "../../core/errors.ts";
import { isEvents, TRACE_FORMAT, TRACE_VERSION } from "../../core/trace/types.ts";
import { entriesOf as filesIn, statIfThere } from "../../system/files.ts";
import type { Contents, Part } from "../../viewer/data/embedded.ts";
import { entriesOf, isZip, unpack } from "../../viewer/data/unzip.ts";
import { thinEvents } from "./thin.ts";

/** What goes into the page: the list, and the bytes of each part. */
export interface Bundle {
  contents: Contents;
  parts: Uint8Array[];
}

type Bytes = Uint8Array<ArrayBuffer>;

/** A bundle has 64 MiB at most, unless more was asked for. */
const MOST_BYTES = 512 * 1024 * 1024;
/** Ten million events are thinned; what is longer does not fit into memory. */
const MOST_EVENT_BYTES = 1536 * 1024 * 1024;
/** Files of events that are longer are looked at here. */
const MANY_EVENTS_BYTES = 32 * 1024 * 1024;

const isOurs = (name: string) => /^[^/]+\.(json|ndjson|cast|pcapng|txt|journal)$/.test(name);

/** Reads a bundle. @throws {FleetboxError} `not-found`, `damaged`, `conflict`: it is none, or one that cannot be shown */
export async function readBundleFiles(path: string): Promise<Bundle> {
  const there = statIfThere(path);
  if (!there) {
    throw new FleetboxError("not-found", `There is no ${path}`, {
      hint: "Name a trace.zip, or the directory of a trace.",
    });
  }
  return there.isDirectory ? await readDirectory(path) : await readZip(path, there.size);
}

async function readZip(path: string, size: number): Promise<Bundle> {
  checkSize(path, size);
  const bytes = await read(path);
  if (!isZip(bytes)) throw noBundle(path, "it is no zip");
  const { entries, isWhole } = entriesOf(bytes);
  const ours = entries.filter(({ name }) => isOurs(name));
  const meta = ours.find(({ name }) => name === "meta.json");
  if (!ours.some(({ name }) => isEvents(name)) && !meta) throw noBundle(path, "it has neither meta.json nor events");
  if (meta) checkVersion(path, await unpack(meta));
  checkSizes(path, ours);
  if (
    !ours.some((entry) => isEvents(entry.name) && (entry.size > MANY_EVENTS_BYTES || (!isWhole && entry.size === 0)))
  ) {
    return { contents: { parts: [{ name: "trace.zip", how: "zip" }], notices: [] }, parts: [bytes] };
  }
  const files = await Promise.all(
    ours.map(async (entry): Promise<[string, Bytes]> => [entry.name, await unpack(entry)]),
  );
  return await packed(files, isWhole ? [] : ["The zip was cut off: what is in it is shown"]);
}

async function readDirectory(path: string): Promise<Bundle> {
  const names = filesIn(path).filter(({ isFile, name }) => isFile && isOurs(name)).map(({ name }) => name).sort();
  if (!names.some((name) => name === "meta.json" || isEvents(name))) {
    throw noBundle(path, "it has neither meta.json nor events");
  }
  checkSizes(path, names.map((name) => ({ name, size: statIfThere(`${path}/${name}`)?.size ?? 0 })));
  const files: [string, Bytes][] = [];
  for (const name of names) files.push([name, await read(`${path}/${name}`)]);
  const meta = files.find(([name]) => name === "meta.json");
  if (meta) checkVersion(path, meta[1]);
  return await packed(files, []);
}

async function packed(files: readonly [string, Bytes][], notices: string[]): Promise<Bundle> {
  const parts: Part[] = files.map(([name]) => ({ name, how: "deflate" }));
  const bytes = await Promise.all(files.map(([name, content]) => {
    const { kept, notice } = isEvents(name) ? thinEvents(name, content) : { kept: content, notice: undefined };
    if (notice) notices.push(notice);
    return promisify(deflateRaw)(kept, { level: 4 });
  }));
  return { contents: { parts, notices }, parts: bytes };
}

/** @throws {FleetboxError} `not-found`, `failed` */
export async function read(path: string): Promise<Bytes> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    throw new FleetboxError(isNotFound(cause) ? "not-found" : "failed", `Cannot read ${path}`, { cause });
  }
}

/** @throws {FleetboxError} `damaged`, `conflict`: it is none, or of another version */
export function checkVersion(path: string, meta: Bytes): void {
  let format: unknown, version: unknown;
  try {
    ({ format, version } = JSON.parse(new TextDecoder().decode(meta)));
  } catch {
    return; // damaged: the page shows what else there is, and says so
  }
  if (format !== TRACE_FORMAT) throw noBundle(path, `its meta.json is of the format ${JSON.stringify(format)}`);
  if (version === TRACE_VERSION) return;
  throw new FleetboxError(
    "conflict",
    `Cannot read ${path}: its version is ${JSON.stringify(version)}, expected ${TRACE_VERSION}`,
    {
      hint: "Read it with the fleetbox that has recorded it; meta.json has its version.",
    },
  );
}

function checkSizes(path: string, files: readonly { name: string; size: number }[]): void {
  const sum = (some: typeof files) => some.reduce((bytes, { size }) => bytes + size, 0);
  checkSize(path, sum(files.filter(({ name }) => !isEvents(name))));
  checkSize(`the events of ${path}`, sum(files.filter(({ name }) => isEvents(name))), MOST_EVENT_BYTES);
}

function checkSize(what: string, size: number, most = MOST_BYTES): void {
  if (size <= most) return;
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
  throw new FleetboxError("misuse", `Cannot show ${what}: ${mib(size)} MiB, expected at most ${mib(most)}`, {
    hint: "Look at its parts: net.pcapng in Wireshark, events.ndjson with jq.",
  });
}

export function noBundle(path: string, why: string): FleetboxError {
  return new FleetboxError("damaged", `Cannot read ${path}: ${why}, expected a trace`, {
    hint: "Name a trace.zip, or the directory of a trace.",
  });
}
