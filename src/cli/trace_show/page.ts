/**
 * The page of `trace show`, without a bundle. It comes with the executable; from source it is built, which takes a moment, when its
 * source is newer (`scripts/viewer.ts`).
 */

import { joined } from "../../core/bytes.ts";
import { FleetboxError } from "../../core/errors.ts";
import { bytesOf } from "../../image/embedded.ts";
import { MARKER } from "../../viewer/data/embedded.ts";
import { run } from "../../system/process.ts";
import { companion } from "../../system/program_info.ts";

/** The page, before and after the place of the bundle. */
export interface Page {
  head: string;
  tail: string;
}

/** @throws {FleetboxError} `unavailable`: it is not there, and cannot be built */
export async function viewerPage(): Promise<Page> {
  if (!Deno.build.standalone) await build();
  const pieces: Uint8Array[] = [];
  for await (const piece of bytesOf(companion("build/viewer"), "viewer.html")) pieces.push(piece.slice());
  const html = new TextDecoder().decode(joined(pieces));
  const at = html.indexOf(MARKER);
  if (at < 0) throw new FleetboxError("damaged", "The viewer's page has no place for a bundle");
  return { head: html.slice(0, at), tail: html.slice(at + MARKER.length) };
}

async function build(): Promise<void> {
  try {
    await run(Deno.execPath(), ["run", "-A", "--quiet", "--no-check", companion("scripts/viewer.ts")]);
  } catch (cause) {
    throw new FleetboxError("unavailable", "Cannot build the viewer's page from its source", {
      cause,
      hint: "Install what it is built with: make setup",
    });
  }
}
