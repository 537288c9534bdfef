/**
 * The preflight list: what machines need from this host. Each check returns a sentence about the host, or throws the
 * problem. It makes nothing but the store's directories and the unpacked image.
 */

import { FleetboxError, isNotFound } from "../core/errors.ts";
import { ALIASES, resolveImage } from "../image/image.ts";
import { DEFAULTS } from "../core/options.ts";
import { host } from "../system/os.ts";
import { freeBytes } from "../system/room/free_bytes.ts";
import { which } from "../system/process.ts";
import { Store } from "../store.ts";
import type { Requirement } from "../vmm/contract.ts";
import { driver } from "../vmm/driver.ts";
import { bytesText, sizeText } from "./arguments/sizes.ts";
import { openStore } from "./arguments/open_store.ts";

export interface Finding {
  what: string;
  ok: boolean;
  fatal: boolean;
  found: string;
  hint?: string;
}

/** Space for an image, a few overlays and logs. */
const MIN_DISK_BYTES = 1024 ** 3;
/** One small machine, its hypervisor, the gateway and the holder. */
const MIN_MEMORY_MIB = DEFAULTS.memoryMiB + 192;

export function preflight(): Requirement[] {
  const store = lazily(openStore);
  const { deathSignal } = host();
  return [
    ...driver.preflight(() => cacheIn(store)),
    program("ssh", "openssh-client", true),
    program("ssh-keygen", "openssh-client", true),
    ...(deathSignal ? [program(deathSignal.program, "util-linux", false)] : []),
    {
      what: "store",
      check: () => checkStore(store()),
      hint: "Set FLEETBOX_HOME to a directory of your own",
      fatal: true,
    },
    {
      what: "disk",
      check: () => checkDisk(store().root),
      hint: "Free some space, or set FLEETBOX_HOME to a directory on another disk",
      fatal: false,
    },
    {
      what: "memory",
      check: checkMemory,
      hint: "End other programs, or use smaller machines: fleetbox up a --memory 128M",
      fatal: false,
    },
    {
      what: "image",
      check: async () => {
        const image = await resolveImage(store(), DEFAULTS.image);
        return `${ALIASES[0]}: ${image.id}`;
      },
      hint: "Build it: make micro",
      fatal: false,
    },
  ];
}

/** A program, and the Debian package that has it. */
function program(name: string, debianPackage: string, fatal: boolean): Requirement {
  return {
    what: name,
    check() {
      const path = which(name);
      if (path) return path;
      throw new FleetboxError("unavailable", `The program ${name} is not installed, or not on PATH`);
    },
    hint: `Install it: ${host().install(debianPackage)}`,
    fatal,
  };
}

/** The store is writable, ours and private; its depth is checked when it is opened. */
function checkStore(store: Store): string {
  store.ensure();
  const probe = Deno.makeTempFileSync({ dir: store.runDir, prefix: ".doctor-" });
  Deno.removeSync(probe);
  return `${store.root}, writable, sockets fit`;
}

async function checkDisk(path: string): Promise<string> {
  const free = await freeBytes(nearestDirectory(path));
  const text = `${bytesText(free)} free for ${path}`;
  if (free < MIN_DISK_BYTES) throw new FleetboxError("no-space", `${text}, expected ${bytesText(MIN_DISK_BYTES)}`);
  return text;
}

function nearestDirectory(path: string): string {
  for (let at = path; at !== "/"; at = at.slice(0, at.lastIndexOf("/")) || "/") {
    try {
      if (Deno.statSync(at).isDirectory) return at;
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
    }
  }
  return "/";
}

function checkMemory(): string {
  const { available, total } = Deno.systemMemoryInfo();
  const text = `${bytesText(available)} of ${bytesText(total)} available`;
  if (available / 1024 / 1024 < MIN_MEMORY_MIB) {
    throw new FleetboxError("no-space", `${text}, expected ${sizeText(MIN_MEMORY_MIB)} for one machine`);
  }
  return text;
}

/** The file with the accelerator's verdict, if there is a store. */
function cacheIn(store: () => Store): string | undefined {
  try {
    store().ensure();
    return store().acceleratorCache;
  } catch {
    return undefined;
  }
}

/** A value that is made at its first use; a failure is not kept. */
function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
