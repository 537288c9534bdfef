/**
 * How a bundle is inside the page: `<script type="application/octet-stream">` elements with base64, which no browser runs. The first
 * is the list of the others. `fleetbox trace show` writes them, and the page reads them.
 */

import { addRest, isStory, readStory } from "./bundle.ts";
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

  /** Tells of the story first, which is small, and then of all. */
  async open(tell: (trace: Trace) => void | Promise<void>): Promise<void> {
    const contents = JSON.parse(new TextDecoder().decode(this.#part(0))) as Contents;
    const files = new Map<string, Uint8Array>();
    const notices = [...contents.notices];
    const packed = contents.parts.flatMap(({ name, how }, index): Packed[] => {
      const bytes = this.#part(index + 1);
      return how === "zip" ? filesOfZip(bytes, notices) : [{ name, unpack: () => inflate(bytes) }];
    });
    const add = (some: readonly Packed[]) =>
      Promise.all(some.map(async ({ name, unpack }) => void files.set(name, await unpack())));
    await add(packed.filter(({ name }) => isStory(name)));
    const story = readStory(files, notices);
    if (story.meta.ended !== undefined) await tell(story);
    await add(packed.filter(({ name }) => !isStory(name)));
    await tell(addRest(story, files));
  }

  #part(index: number): Uint8Array<ArrayBuffer> {
    const base64 = this.base64Of(`part-${index}`);
    if (base64 === undefined) throw new Error("There is no bundle in this page; fleetbox trace show puts one there");
    return bytesOf(base64);
  }
}

/** A file that is unpacked when it is needed. */
interface Packed {
  name: string;
  unpack(): Promise<Uint8Array>;
}

/** The files of a zip, with what is missing in it. */
function filesOfZip(bytes: Uint8Array<ArrayBuffer>, notices: string[]): Packed[] {
  if (!isZip(bytes)) throw new Error("The bundle in this page is no zip");
  const { entries, isWhole } = entriesOf(bytes);
  if (!isWhole) notices.push("The zip was cut off: what is in it is shown");
  for (const { name, isCut } of entries) if (isCut) notices.push(`${name} ends too early`);
  return entries.map((entry) => ({ name: entry.name, unpack: () => unpack(entry) }));
}

/** Decodes base64. */
export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const binary = atob(base64); // a browser of before 2025
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
