/** What Deno tells of this process and its host, over Node's functions. */

import * as os from "node:os";
import { pathToFileURL } from "node:url";
import { asDeno } from "./errors.ts";

const ARCH = process.arch === "arm64" ? "aarch64" : "x86_64";
const IS_MAC = process.platform === "darwin";

export const system = {
  pid: process.pid,
  get ppid() {
    return process.ppid;
  },
  uid: () => process.getuid?.() ?? null,
  cwd: () => process.cwd(),
  execPath: () => process.execPath,
  /** The program's first file. */
  get mainModule() {
    return pathToFileURL(process.argv[1] ?? "").href;
  },
  kill: (pid: number, signal: string = "SIGTERM") => void asDeno(() => process.kill(pid, signal as "SIGTERM")),
  env: {
    get: (name: string) => process.env[name],
    toObject: () => ({ ...process.env }) as Record<string, string>,
  },
  /** `standalone`: a program with nothing of fleetbox's source beside it, as one that `deno compile` made. */
  build: {
    arch: ARCH,
    os: IS_MAC ? "darwin" : "linux",
    target: `${ARCH}-${IS_MAC ? "apple-darwin" : "unknown-linux-gnu"}`,
    standalone: true,
  },
  version: { deno: "2.9.6" }, // what all of this behaves as
  osRelease: () => os.release(),
  osUptime: () => os.uptime(),
  systemMemoryInfo: () => ({ total: os.totalmem(), free: os.freemem() }),
  /** Node's timers are objects. */
  unrefTimer: (timer: unknown) => void (timer as { unref?(): void }).unref?.(),
};
