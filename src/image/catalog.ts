/**
 * The catalogue: the distributions that have an alias. It is data, in `catalog.json`: adding a distribution is adding a
 * row there, and the code has no special cases.
 *
 * A row pins a file per architecture by address and SHA-256, as its publisher names them (`amd64`, `arm64`). A row with
 * `build` can also be made on the spot, from the package sources of a Debian host (`build.ts`).
 */

import rows from "./catalog.json" with { type: "json" };

/** What machines are, in Deno's words. */
export type Architecture = "x86_64" | "aarch64";

/** A pinned file. */
interface CatalogFile {
  url: string;
  /** Of the downloaded file. */
  sha256: string;
  /** The publisher's snapshot, `2026-06-01`. */
  date: string;
}

/** How an image is made from packages. */
export interface BuildRow {
  /** The release, and the suites beside it, as a `sources.list` names them; the first is the release itself. */
  suites: string[];
  /** The required `Origin` of the suites' Release files. */
  origin: string;
  kernel: Partial<Record<DebianArchitecture, string>>;
  packages: string[];
}

export interface CatalogRow {
  alias: string;
  /** For people. */
  title: string;
  /** Whether the guest reads its seed with cloud-init. */
  cloudInit: boolean;
  minMemoryMiB: number;
  defaultMemoryMiB: number;
  /** The firmware that starts the downloaded disk on x86_64; arm64 always uses UEFI. @default "bios" */
  firmware?: "bios" | "uefi";
  files: Partial<Record<DebianArchitecture, CatalogFile>>;
  build?: BuildRow;
}

type DebianArchitecture = "amd64" | "arm64";

export const CATALOG: readonly CatalogRow[] = rows as CatalogRow[];

/** The row of an alias, or undefined. */
export function catalogRow(alias: string): CatalogRow | undefined {
  return CATALOG.find((row) => row.alias === alias);
}

const DEBIAN: Record<Architecture, DebianArchitecture> = { x86_64: "amd64", aarch64: "arm64" };

/** An architecture in the words of Debian and Ubuntu. */
export function debianArchitecture(arch: Architecture): DebianArchitecture {
  return DEBIAN[arch];
}

/** An architecture as people write it: `amd64`, `x86_64`, `arm64`, `aarch64`; undefined for other words. */
export function parseArchitecture(text: string): Architecture | undefined {
  switch (text.toLowerCase()) {
    case "amd64":
    case "x86_64":
      return "x86_64";
    case "arm64":
    case "aarch64":
      return "aarch64";
    default:
      return undefined;
  }
}
