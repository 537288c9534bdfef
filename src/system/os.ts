/**
 * The differences between the operating systems that fleetbox runs on: Linux and macOS.
 *
 * The one place that asks which system this is. Other files ask {@link host} for facts: when a process started, how a
 * child is made to end with us, where firmware is, how long a socket's path may be, what to install. Linux describes
 * processes in `/proc` (proc(5)). macOS has `ps`, whose start times are in seconds, and nothing that ends a child with
 * its parent: there a bound holder watches its parent, and the next holder ends what a killed one left.
 *
 * A test replaces the whole with {@link replaceHost}. Imports `port_owner.ts` and `usage.ts`, parts of it, and looks at files.
 */

import { entriesOf } from "./files.ts";
import { ownerInLsof, ownerInProc, type PortAddress, type PortOwner } from "./port_owner.ts";
import { type ProcessUsage, usageInProc, usageInPs } from "./usage.ts";

interface HostSystem {
  readonly name: "linux" | "darwin";
  /** When a process started, as a text to compare; undefined: it does not run (any more), or is a zombie. */
  startTimeOf(pid: number): string | undefined;
  /** Our parent's process id, now: another one when the parent has died. */
  parentPid(): number;
  /** Every process that we may inspect: its arguments one by one, or in one text where they are not known. */
  commandLines(): Iterable<{ pid: number; args: readonly string[] }>;
  /** The processor time that a process has used, in milliseconds; 0 where it is unknown. */
  cpuTimeMs(pid: number): number;
  /** What a process of this user has used so far; undefined: it does not run (any more). */
  usageOf(pid: number): ProcessUsage | undefined;
  /** The owner of a port, of 127.0.0.1 and TCP unless it says otherwise; undefined: no owner is visible. */
  portOwner(port: number, at?: PortAddress): PortOwner | undefined;
  /** How long this host has run, in seconds: on Linux to a hundredth, elsewhere whole ones. */
  uptime(): number;
  /** A text that changes with every boot of this host; undefined where there is none. */
  bootId(): string | undefined;
  /** This host's name on its network; empty where it is unknown. */
  hostName(): string;
  /** Whether the system's own hypervisor (macOS) can be used. */
  hasHypervisor(): boolean;
  /** The program that makes another one end with the thread that started it; undefined: there is none. */
  readonly deathSignal?: { program: string; args(signal: string): string[] };
  /** The bytes that a unix socket's path may have. */
  readonly maxSocketPath: number;
  /** Whether a program can give up its own rights once it runs (seccomp). */
  readonly canConfine: boolean;
  /**
   * The open files of a process of this user: a path that opens each, and what it leads to, with ` (deleted)` when that has
   * no name any more. Undefined: the system has no such paths, nor files that are only memory (memfd).
   */
  openFiles?(pid: number): { path: string; target: string }[];
  /** What tells this host's processor and kernel from others'; undefined where it is unknown. */
  processor(): string | undefined;
  /** The number of the error of a connect to a socket whose backlog is full (EAGAIN). */
  readonly againNumber: number;
  /** `share` directories that may hold firmware, best first. */
  readonly shares: readonly string[];
  /** Directories of programs that may be missing in `PATH`. */
  readonly programDirs: readonly string[];
  /** The name of GNU's `find`. */
  readonly gnuFind: string;
  /** The path of the running executable's own file, even when that file was replaced. */
  ownFile(): string;
  /** The command that installs a Debian package, or what is the same here: where it is not known by itself, this formula. */
  install(debianPackage: string, formula?: string): string;
}

let current: HostSystem | undefined;

/** This system. */
export function host(): HostSystem {
  return current ??= Deno.build.os === "darwin" ? darwin() : linux();
}

/** Replaces this system, for tests. Dispose of the result to undo it. */
export function replaceHost(system: HostSystem): Disposable {
  const before = current;
  current = system;
  return { [Symbol.dispose]: () => void (current = before) };
}

function linux(): HostSystem {
  return {
    name: "linux",
    startTimeOf(pid) {
      const fields = statFields(pid);
      // A zombie is gone, unless threads of it are still ending: until then its files and ports are in use.
      const isGone = !fields || fields[0] === "X" || (fields[0] === "Z" && Number(fields[17]) <= 1);
      return isGone ? undefined : fields[19];
    },
    parentPid: () => Number(statFields("self")?.[1] ?? Deno.ppid),
    *commandLines() {
      for (const { name } of entriesOf("/proc")) {
        if (!/^\d+$/.test(name)) continue;
        try {
          yield { pid: Number(name), args: Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0") };
        } catch { /* another user's, or gone */ }
      }
    },
    cpuTimeMs: (pid) => cpuMsIn(statFields(pid)),
    usageOf(pid) {
      const fields = statFields(pid);
      return fields && usageInProc(pid, cpuMsIn(fields));
    },
    portOwner: ownerInProc,
    uptime: () => Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]),
    bootId() {
      try {
        return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
      } catch {
        return undefined;
      }
    },
    hostName() {
      try {
        return Deno.readTextFileSync("/proc/sys/kernel/hostname").trim();
      } catch {
        return "";
      }
    },
    hasHypervisor: () => false, // Linux's is looked at more closely than that, by the driver
    deathSignal: { program: "setpriv", args: (signal) => ["--pdeathsig", signal, "--"] },
    maxSocketPath: 107,
    canConfine: true,
    openFiles(pid) {
      return entriesOf(`/proc/${pid}/fd`).flatMap(({ name }) => {
        const path = `/proc/${pid}/fd/${name}`;
        try {
          return [{ path, target: Deno.readLinkSync(path) }];
        } catch { // closed just now
          return [];
        }
      });
    },
    processor() {
      try {
        const [first] = Deno.readTextFileSync("/proc/cpuinfo").split("\n\n");
        // Neither the frequency of this moment, nor the number of the core.
        const lines = first.split("\n").filter((line) =>
          !/^(processor|cpu MHz|bogomips|core id|(initial )?apicid)\b/i.test(line)
        );
        return `${lines.join("\n")}\nLinux ${Deno.osRelease()}`;
      } catch {
        return undefined;
      }
    },
    againNumber: 11,
    shares: ["/usr/share", "/usr/local/share"],
    programDirs: ["/usr/sbin", "/sbin"], // Debian puts some outside a user's PATH
    gnuFind: "find",
    ownFile: () => "/proc/self/exe",
    install: (name) => `apt-get install ${name}`,
  };
}

/**
 * The fields of `/proc/PID/stat` after the program's name, which is in parentheses and may contain anything. Field 3,
 * the state, comes first. Undefined: no such process.
 */
function statFields(pid: number | "self"): string[] | undefined {
  let stat: string;
  try {
    stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound || /ESRCH|No such process/.test(String(thrown))) return undefined;
    throw thrown;
  }
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** The processor time, which is told in ticks of 10 ms. */
function cpuMsIn(fields: string[] | undefined): number {
  return fields ? (Number(fields[11]) + Number(fields[12])) * 10 : 0;
}

/** Homebrew's prefix on Apple's processors, and on Intel's. */
const BREW = ["/opt/homebrew", "/usr/local"];

/** Debian's packages and their names in Homebrew. Packages that are not listed come with macOS. */
const FORMULAS: Record<string, string> = {
  "e2fsprogs": "e2fsprogs",
  "findutils": "findutils",
  "xz-utils": "xz",
  "openssh-client": "openssh",
};

/** `0:01.50`, or with hours, in milliseconds; 0: it is unknown. */
function cpuMsInPs(time: string): number {
  const [hours, minutes, seconds] = /^(?:(\d+):)?(\d+):(\d+\.\d+)$/.exec(time)?.slice(1) ?? [];
  return seconds === undefined ? 0 : ((Number(hours ?? 0) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

/** macOS. @param tools replaces the programs that it runs; for tests. */
export function darwin(tools: { ps?: string; sysctl?: string; lsof?: string } = {}): HostSystem {
  const { ps = "/bin/ps", sysctl = "/usr/sbin/sysctl", lsof = "/usr/sbin/lsof" } = tools;
  // Without a fixed zone and language, the same moment would be another text in another terminal.
  const ask = (program: string, ...args: string[]) => {
    try {
      const { stdout } = new Deno.Command(program, {
        args,
        env: { LC_ALL: "C", TZ: "UTC" },
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).outputSync();
      return new TextDecoder().decode(stdout).trim();
    } catch {
      return "";
    }
  };
  const variable = (name: string) => ask(sysctl, "-n", name);
  return {
    name: "darwin",
    startTimeOf(pid) {
      const [state, ...start] = ask(ps, "-o", "stat=,lstart=", "-p", String(pid)).split(/\s+/);
      return state && !state.startsWith("Z") ? start.join(" ") : undefined;
    },
    parentPid: () => Number(ask(ps, "-o", "ppid=", "-p", String(Deno.pid))) || Deno.ppid,
    *commandLines() {
      for (const line of ask(ps, "-axww", "-o", "pid=,command=").split("\n")) {
        const [, pid, command] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
        if (pid !== undefined) yield { pid: Number(pid), args: [command] };
      }
    },
    cpuTimeMs: (pid) => cpuMsInPs(ask(ps, "-o", "time=", "-p", String(pid))),
    usageOf(pid) {
      const [time, rss] = ask(ps, "-o", "time=,rss=", "-p", String(pid)).split(/\s+/);
      return time ? usageInPs(rss, cpuMsInPs(time)) : undefined;
    },
    portOwner: (port, at) =>
      ownerInLsof(
        at?.isUdp
          ? ask(lsof, "-nP", `-iUDP:${port}`, "-Fpc")
          : ask(lsof, "-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"),
      ),
    uptime: () => Deno.osUptime(),
    bootId: () => variable("kern.bootsessionuuid") || undefined,
    hostName: () => variable("kern.hostname"),
    hasHypervisor: () => variable("kern.hv_support") === "1",
    maxSocketPath: 103,
    processor: () => variable("machdep.cpu.brand_string") || undefined,
    canConfine: false,
    againNumber: 35,
    shares: BREW.map((prefix) => `${prefix}/share`),
    programDirs: BREW.flatMap((prefix) => [`${prefix}/bin`, `${prefix}/opt/e2fsprogs/sbin`]),
    gnuFind: "gfind",
    ownFile: () => Deno.execPath(),
    install: (name, formula = FORMULAS[name] ?? name) => `brew install ${formula}`,
  };
}
