/** The catalogue of helpers that can be downloaded: one program per platform, pinned by its digest. */

import { FleetboxError } from "../src/core/errors.ts";
import content from "./catalog.json" with { type: "json" };

/** One program. */
export interface CatalogEntry {
  /** `https:` or `http:`; a download with another digest is refused. */
  url: string;
  /** SHA-256 of the program, 64 hexadecimal digits, lower case. */
  sha256: string;
  /** Its size. */
  bytes: number;
}

export interface Catalog {
  /** The helpers' version, a part of their file names in the store. */
  version: string;
  /** The version of the protocol that they speak. */
  protocol: number;
  /** By `Deno.build.target`: `x86_64-unknown-linux-gnu`. */
  helpers: Record<string, CatalogEntry>;
}

/** The catalogue that this program carries. */
export const CATALOG: Catalog = checkCatalog(content);

/** @throws {FleetboxError} `damaged`: it is not a catalogue. */
export function checkCatalog(value: unknown): Catalog {
  const catalog = value as Catalog;
  const fail = (what: string) => {
    throw new FleetboxError("damaged", `The catalogue of helpers cannot be used: ${what}`);
  };
  if (!/^\d+\.\d+\.\d+$/.test(catalog?.version)) fail(`its version is ${JSON.stringify(catalog?.version)}`);
  if (!Number.isInteger(catalog.protocol)) fail(`its protocol is ${JSON.stringify(catalog.protocol)}`);
  for (const [target, entry] of Object.entries(catalog.helpers ?? {})) {
    if (!/^[a-z0-9_]+(-[a-z0-9_]+){2,3}$/.test(target)) fail(`${JSON.stringify(target)} is not a platform`);
    if (!/^https?:\/\//.test(entry?.url)) fail(`the helper for ${target} has no URL`);
    if (!/^[0-9a-f]{64}$/.test(entry.sha256)) fail(`the helper for ${target} is not pinned by a SHA-256`);
    if (!Number.isInteger(entry.bytes) || entry.bytes <= 0) fail(`the helper for ${target} has no size`);
  }
  return { ...catalog, helpers: { ...catalog.helpers } };
}
