/**
 * How a bundle is inside the page: `<script type="application/octet-stream">` elements with base64, which no browser runs. The first
 * is the list of the others. `fleetbox trace show` writes them, and the page reads them.
 */

import { readBundle } from "./bundle.ts";
import type { Trace, TraceSource } from "./model.ts";
import { entriesOf, inflate, isZip, unpack } from "./unzip.ts";

/** A file inside the page. */
export interface Part {
  name: string;
  /** `zip`: a whole bundle; else a file of it. */
  how: "zip" | "deflate";
}

/** The list of what is inside. */
export interface Contents {
  parts: Part[];
  /** What was left out, in words. */
  notices: string[];
}

/** Where the command puts {@link Contents} and the parts. */
export const MARKER = "<!-- the bundle -->";

/** The elements for a bundle. */
export function elementsOf(contents: Contents, parts: readonly Uint8Array[]): string {
  const all = [new TextEncoder().encode(JSON.stringify(contents)), ...parts];
  return all.map((bytes, index) =>
    `<script type="application/octet-stream" id="part-${index}">${bytes.toBase64()}</script>`
  ).join("\n");
}

/** The bundle of this page. */
export class EmbeddedBundle implements TraceSource {
  constructor(private readonly base64Of: (id: string) => string | undefined) {}

  async open(tell: (trace: Trace) => void): Promise<void> {
    performance.mark("begun");
    const contents = JSON.parse(new TextDecoder().decode(this.#part(0))) as Contents;
    const files = new Map<string, Uint8Array>();
    const notices = [...contents.notices];
    await Promise.all(contents.parts.map(async ({ name, how }, index) => {
      const bytes = this.#part(index + 1);
      if (how === "deflate") files.set(name, await inflate(bytes));
      else await addZip(bytes, files, notices);
    }));
    performance.mark("unpacked");
    tell(readBundle(files, notices));
  }

  #part(index: number): Uint8Array<ArrayBuffer> {
    const base64 = this.base64Of(`part-${index}`);
    if (base64 === undefined) throw new Error("There is no bundle in this page; fleetbox trace show puts one there");
    return bytesOf(base64);
  }
}

/** Adds the files of a zip, with what is missing in it. */
async function addZip(
  bytes: Uint8Array<ArrayBuffer>,
  files: Map<string, Uint8Array>,
  notices: string[],
): Promise<void> {
  if (!isZip(bytes)) throw new Error("The bundle in this page is no zip");
  const { entries, isWhole } = entriesOf(bytes);
  if (!isWhole) notices.push("The zip was cut off: what is in it is shown");
  await Promise.all(entries.map(async (entry) => {
    files.set(entry.name, await unpack(entry));
    if (entry.isCut) notices.push(`${entry.name} ends too early`);
  }));
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const binary = atob(base64); // a browser of before 2025
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
