/**
 * Makes an image of a real distribution from packages: `mmdebstrap`, `mke2fs -d`, a conversion to qcow2; about a minute.
 *
 * Needs root only where `mmdebstrap` does (without user namespaces and subordinate ids), and mounts nothing itself. The
 * packages come from the host's own sources, which must have the release. It works in a temporary directory, which is
 * removed at the end in any case; the next build removes that of a killed one. The result is a directory with
 * `image.json`, `kernel`, `initrd` and `root.qcow2`, as `micro` is one: it boots by its kernel, without a boot loader.
 */

import { driver } from "../vmm/driver.ts";
import type { Program } from "../vmm/contract.ts";
import { join } from "../system/path.ts";
import { isOffline, OFFLINE_VARIABLE } from "../core/environment.ts";
import { FleetboxError, isNoSpace, messageOf } from "../core/errors.ts";
import { host } from "../system/os.ts";
import { identify, isAlive, run, start, which } from "../system/process.ts";
import { VERSION } from "../system/program_info.ts";
import { namesIn, storeError } from "../system/files.ts";
import { digestOf } from "../store.ts";
import { digestOfFile } from "../system/digest.ts";
import { type Manifest, placeImage, writeManifest } from "./cache.ts";
import { type Architecture, type BuildRow, type CatalogRow, debianArchitecture } from "./catalog.ts";
import { CMDLINE, CMDLINE_OFFLINE, earlyScript, firstScript, lateScript } from "./recipe.ts";
import { unpackKernel } from "./vmlinux.ts";

interface BuildRequest {
  row: CatalogRow;
  arch: Architecture;
  /** What the image is called. @default the row's alias */
  name?: string;
  /** Packages besides the row's. @default [] */
  packages?: readonly string[];
  /** The image's directory, which must not exist yet; on the file system of its parent. */
  place: (version: string) => string;
  signal?: AbortSignal;
  /** Called with each step, in a few words. */
  onStep?: (step: string) => void;
}

/** Virtual size of the root file system; it grows to a member's disk at boot. */
const ROOT_SIZE = "3G";
const PREFIX = "fleetbox-build-";

/**
 * Builds an image and returns its directory.
 * @throws {FleetboxError} `misuse`: the row cannot be built; `unavailable`: a program is missing; `no-space`;
 *   `interrupted`; `failed`, with the last output of the failed program.
 */
export async function buildImage(request: BuildRequest): Promise<string> {
  const { row, arch, signal, onStep = () => {} } = request;
  const asked = requireBuild(row, arch);
  const build = { ...asked, packages: [...asked.packages, ...request.packages ?? []] };
  requirePrograms();
  clearLeftOvers();
  const work = makeWorkDirectory();
  const inside = insideNamespace();
  const root = join(work, "root");
  try {
    onStep("looking for packages");
    const sources = await packageSources(build);
    await Promise.all(
      Object.entries({
        sources: sources.join("\n") + "\n",
        first: firstScript(),
        early: earlyScript(),
        late: lateScript(),
      }).map(([name, text]) => writeFor(join(work, name), text)),
    );
    await bootstrap({ work, root, build, arch, signal, onStep });
    onStep("making the disk");
    await inside("mke2fs", [
      ...["-q", "-t", "ext4", "-d", root, "-m", "1", "-L", "root", "-J", "size=32"],
      ...["-E", "assume_storage_prezeroed=1,root_owner=0:0", join(work, "root.raw"), ROOT_SIZE],
    ], signal);
    await inside("chmod", ["0644", join(work, "root.raw")], signal);
    signal?.throwIfAborted();
    return await assemble(request, work);
  } catch (cause) {
    signal?.throwIfAborted();
    if (isNoSpace(cause)) throw noSpace(work, cause);
    throw cause;
  } finally {
    await inside("rm", ["-rf", "--one-file-system", root]).catch(() => {});
    await Deno.remove(work, { recursive: true }).catch(() => {});
  }
}

/** Makes the image: converts the disk, unpacks the kernel, writes image.json. */
async function assemble(
  { row, arch, name = row.alias, place, signal, onStep }: BuildRequest,
  work: string,
): Promise<string> {
  const fill = async (aside: string) => {
    const at = (file: string) => join(aside, file);
    await driver.disks.convert({ disk: join(work, "root.raw"), format: "raw" }, at("root.qcow2"), signal);
    onStep?.("checking");
    const vmlinuz = await Deno.readFile(join(work, "vmlinuz"));
    await Deno.writeFile(at("kernel"), (arch === "x86_64" ? unpackKernel(vmlinuz) : undefined) ?? vmlinuz);
    await Deno.copyFile(join(work, "initrd"), at("initrd"));
    const parts = { kernel: "kernel", initrd: "initrd", disk: "root.qcow2" };
    const sha256: Record<string, string> = {};
    for (const [part, file] of Object.entries(parts)) sha256[part] = await digestOfFile(at(file));
    const version = digestOf(Object.values(sha256).join(" "));
    const console = arch === "x86_64" ? "ttyS0" : "ttyAMA0";
    const manifest: Manifest = {
      name,
      arch,
      ...parts,
      cmdline: `console=${console} ${CMDLINE}`,
      cmdlineOffline: CMDLINE_OFFLINE,
      version,
      sha256,
      cloud_init: row.cloudInit,
      minMemoryMiB: BUILT_MIN_MEMORY_MIB,
      defaultMemoryMiB: BUILT_MEMORY_MIB,
      origin: { kind: "built", at: new Date().toISOString(), by: `fleetbox ${VERSION}` },
    };
    await writeManifest(aside, manifest);
    for (const file of Object.values(parts)) Deno.chmodSync(at(file), 0o400);
    signal?.throwIfAborted();
    return place(version);
  };
  try {
    return await placeImage(place("new"), fill);
  } catch (cause) {
    throw storeError(`Cannot keep the image ${name}`, cause);
  }
}

/** Measured under emulation: with less it swaps, or is killed, in its first boot. */
const BUILT_MIN_MEMORY_MIB = 256;
const BUILT_MEMORY_MIB = 512;

function requireBuild(row: CatalogRow, arch: Architecture): BuildRow {
  const debian = debianArchitecture(arch);
  if (!row.build?.kernel[debian]) {
    throw new FleetboxError("misuse", `fleetbox cannot build ${row.alias} for ${debian} from packages`, {
      hint: `Download it: fleetbox image pull ${row.alias}`,
    });
  }
  if (arch !== Deno.build.arch) {
    throw new FleetboxError(
      "unavailable",
      `Cannot build for ${debian} on this host, which is ${debianArchitecture(Deno.build.arch)}`,
      { hint: `Download it: fleetbox image pull ${row.alias} --arch ${debian}` },
    );
  }
  if (host().name !== "linux") {
    throw new FleetboxError("unavailable", `Cannot build ${row.alias} here: an image is built from packages on Linux`, {
      hint: `Download it: fleetbox image pull ${row.alias}`,
    });
  }
  if (isOffline()) {
    throw new FleetboxError("unavailable", `Cannot build ${row.alias}: ${OFFLINE_VARIABLE} forbids fetching packages`, {
      hint: `Unset ${OFFLINE_VARIABLE}.`,
    });
  }
  return row.build;
}

/** Programs, each with its Debian package. */
const PROGRAMS: [string, string][] = [["mmdebstrap", "mmdebstrap"], ["mke2fs", "e2fsprogs"]];

function requirePrograms(): void {
  const needed: Program[] = PROGRAMS.map(([program, name]) => ({ program, install: host().install(name) }));
  const missing = [...needed, ...driver.disks.programs].filter(({ program }) => findProgram(program) === undefined);
  if (missing.length === 0) return;
  const [names, commands] = [missing.map(({ program }) => program), missing.map(({ install }) => install)];
  throw new FleetboxError("unavailable", `Cannot build an image: not installed, or not on PATH: ${names.join(" ")}`, {
    hint: `Install what is missing: ${commands.join("; ")}`,
  });
}

/** On `PATH`, or in the directories of administrators' programs, which may be missing there. */
function findProgram(program: string): string | undefined {
  return which(program) ?? ["/usr/sbin", "/sbin"].map((dir) => which(`${dir}/${program}`)).find(Boolean);
}

/**
 * Runs a program as the user that owns the new root directory: ourselves, when we are root; else the root of the user
 * namespace that `mmdebstrap` works in.
 */
function insideNamespace(): (program: string, args: string[], signal?: AbortSignal) => Promise<string> {
  const helper = Deno.uid() === 0 ? [] : ["mmdebstrap", "--unshare-helper"];
  return async (program, args, signal) => {
    const [first, ...rest] = [...helper, findProgram(program) ?? program, ...args];
    return await run(first, rest, { signal, env: { LC_ALL: "C" } });
  };
}

interface Bootstrap {
  work: string;
  root: string;
  build: BuildRow;
  arch: Architecture;
  signal?: AbortSignal;
  onStep: (step: string) => void;
}

async function bootstrap({ work, root, build, arch, signal, onStep }: Bootstrap): Promise<void> {
  const debian = debianArchitecture(arch);
  const aptOptions = ['Acquire::Languages "none"', 'APT::Install-Recommends "false"', ...await proxies()];
  const args = [
    ...["--mode=auto", "--variant=minbase", "--format=directory", `--architectures=${debian}`],
    ...aptOptions.map((line) => `--aptopt=${line}`),
    // The disk is made at the end, so a power failure in between leaves no usable image.
    ...["force-unsafe-io", ...excludes()].map((line) => `--dpkgopt=${line}`),
    `--include=${[...build.packages, build.kernel[debian]].join(",")}`,
    `--extract-hook=sh ${join(work, "first")} "$1"`,
    `--essential-hook=sh ${join(work, "early")} "$1"`,
    `--customize-hook=sh ${join(work, "late")} "$1"`,
    ...[build.suites[0], root, join(work, "sources")],
  ];
  const { deathSignal } = host();
  const setpriv = deathSignal && which(deathSignal.program);
  // When we are killed, it ends too, and removes its files.
  const [program, ...rest] = [...(setpriv ? [setpriv, ...deathSignal.args("TERM")] : []), "mmdebstrap", ...args];
  const child = start(program, rest, {
    env: { TMPDIR: work, LC_ALL: "C" },
    onOutput: (text) => steps(text).forEach(onStep),
  });
  const abort = () => void child.kill("SIGTERM");
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  const { code, signal: killedBy } = await child.exited;
  signal?.removeEventListener("abort", abort);
  signal?.throwIfAborted();
  if (code === 0 && killedBy === null) return;
  if (/no space left on device/i.test(child.tail())) throw noSpace(work, new Error(complaint(child.tail())));
  throw new FleetboxError(
    "failed",
    `mmdebstrap ${killedBy ? `was killed by ${killedBy}` : `ended with code ${code}`}`,
    {
      cause: new Error(complaint(child.tail())),
      hint: bootstrapHint(child.tail()),
    },
  );
}

/** mmdebstrap's progress lines: `I: installing essential packages...` */
function steps(text: string): string[] {
  return [...text.matchAll(/^I: ((?:running(?! --)|downloading|extracting|installing|cleaning)[^\n]*?)\.*$/gm)].map((
    match,
  ) => match[1]);
}

/** The complaints in its last output; all of the output when no line is marked as one. */
function complaint(tail: string): string {
  const lines = tail.split("\n").map((line) => line.trim()).filter(Boolean);
  const marked = lines.filter((line) => /^(E|W|Err|dpkg|mmdebstrap):? /.test(line));
  return (marked.length > 0 ? marked : lines).slice(-8).join("\n");
}

function bootstrapHint(tail: string): string | undefined {
  if (/newuidmap|subuid|unshare|user namespace|have to be root|chroot.*Permission/i.test(tail)) {
    return "Without root it needs user namespaces: apt-get install uidmap, and a range for you in /etc/subuid and /etc/subgid.";
  }
  if (/Could not resolve|Unable to connect|Failed to fetch|Temporary failure|Connection/i.test(tail)) {
    return "Check that the host reaches its own package sources: apt-get update";
  }
  const unknown = /Unable to locate package (\S+)/.exec(tail)?.[1];
  if (unknown) return `Is that its name? Search for it: apt-cache search ${unknown}`;
  if (/NO_PUBKEY|not signed|signed-by|keyring/i.test(tail)) {
    return "Install the keys of the distribution: apt-get install debian-archive-keyring";
  }
  return undefined;
}

/** Manuals and translations; copyrights stay. */
function excludes(): string[] {
  const out = ["man", "doc", "info", "locale", "i18n/locales", "lintian", "bash-completion"];
  return [...out.map((dir) => `path-exclude=/usr/share/${dir}/*`), "path-include=/usr/share/doc/*/copyright"];
}

/** The host's proxies for packages, which mmdebstrap's own apt would not know. */
async function proxies(): Promise<string[]> {
  if (!which("apt-config")) return [];
  const found: string[] = [];
  for (const key of ["Acquire::http::Proxy", "Acquire::https::Proxy"]) {
    const text = await run("apt-config", ["shell", "value", key]);
    const value = /^value='(.+)'$/m.exec(text)?.[1];
    if (value) found.push(`${key} "${value}"`);
  }
  return found;
}

/** The lines of sources.list for these suites, from the host's own sources. */
async function packageSources(build: BuildRow): Promise<string[]> {
  const format = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(SIGNED_BY)";
  const text = await run("apt-get", ["indextargets", "--format", format]).catch(() => "");
  const own = sourcesFrom(text, build);
  if (own.some((line) => line.includes(` ${build.suites[0]} `))) return own;
  const lines = linesToAdd(text, build);
  throw new FleetboxError("unavailable", `This host's package sources have no ${build.origin} ${build.suites[0]}`, {
    hint: lines.length > 0
      ? `Add to a file in /etc/apt/sources.list.d what follows, then apt-get update:\n${lines.join("\n")}`
      : `Add it to apt's sources, then apt-get update; or use a host that runs ${build.origin} ${build.suites[0]}.`,
  });
}

/** The sources that a host of another release of the same publisher lacks: its own, with the release in its place. Pure. */
export function linesToAdd(targets: string, build: Pick<BuildRow, "suites" | "origin">): string[] {
  const [release] = build.suites;
  const found = new Set<string>();
  for (const line of targets.split("\n")) {
    const [kind, uri, other, component, origin, signedBy] = line.split("|");
    if (kind !== "Packages" || origin !== build.origin || component !== "main") continue;
    const suite = other.replace(/^[a-z]+/, release);
    // Not each release has the same suites beside it, such as backports.
    if (!build.suites.includes(suite)) continue;
    found.add(`deb${signedBy?.startsWith("/") ? ` [signed-by=${signedBy}]` : ""} ${uri} ${suite} main`);
  }
  return [...found];
}

/** From `apt-get indextargets`, a target a line in the format of {@link packageSources}. Pure. */
export function sourcesFrom(targets: string, build: Pick<BuildRow, "suites" | "origin">): string[] {
  const lines = new Map<string, Set<string>>();
  for (const line of targets.split("\n")) {
    const [kind, uri, release, component, origin, signedBy] = line.split("|");
    if (kind !== "Packages" || origin !== build.origin || !build.suites.includes(release)) continue;
    const options = signedBy?.startsWith("/") ? ` [signed-by=${signedBy}]` : "";
    const key = `deb${options} ${uri} ${release}`;
    lines.set(key, (lines.get(key) ?? new Set()).add(component));
  }
  return [...lines].map(([key, components]) => `${key} ${[...components].join(" ")}`);
}

/** A directory that the namespace's root can use too; its name has our process id. */
function makeWorkDirectory(): string {
  const { pid, startTime } = identify(Deno.pid) ?? { pid: Deno.pid, startTime: "0" };
  const path = join(temporary(), `${PREFIX}${pid}-${startTime}-${crypto.randomUUID().slice(0, 8)}`);
  try {
    Deno.mkdirSync(path);
    Deno.chmodSync(path, 0o777);
    return path;
  } catch (cause) {
    throw new FleetboxError(isNoSpace(cause) ? "no-space" : "denied", `Cannot build in ${path}`, {
      cause,
      hint: "Set TMPDIR to a directory with 2 GB of space that other users may enter.",
    });
  }
}

function temporary(): string {
  return Deno.env.get("TMPDIR") || "/var/tmp";
}

/** Removes the directories of builds that were killed. A directory that cannot be read: making our own there says so. */
function clearLeftOvers(): void {
  for (const path of buildLeftOvers()) {
    try {
      Deno.removeSync(path, { recursive: true });
    } catch { /* another user's, or with files of a namespace's users */ }
  }
}

/** The directories of builds that were killed. */
export function buildLeftOvers(): string[] {
  return namesIn(temporary()).filter((name) => {
    const [, pid, startTime] = /^fleetbox-build-(\d+)-(\d+)-[0-9a-f]{8}$/.exec(name) ?? [];
    return pid !== undefined && !isAlive({ pid: Number(pid), startTime });
  }).map((name) => join(temporary(), name));
}

async function writeFor(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text);
  await Deno.chmod(path, 0o644);
}

function noSpace(work: string, cause: unknown): FleetboxError {
  return new FleetboxError("no-space", `Cannot build the image in ${work}: no space left on the device`, {
    cause: new Error(messageOf(cause)),
    hint: "It needs about 2 GB for a while: free some space, or set TMPDIR to a directory on another disk.",
  });
}
