/**
 * Runs a script in a guest as root, over SSH, and gives each line that it says.
 *
 * Everything passes through one session. Its command, for the guest's shell, writes the script (which comes on the standard input) into a
 * directory of its own and runs it by the interpreter that its first line names; so it needs no directory whose files can be
 * executed. What it says comes between two marks; behind the second one is its exit code, because ssh's own may mean a lost
 * connection, and because the session stays open for as long as something that the script has started holds its output.
 * When the session ends before the script does, the script and what it has started is ended too: none goes on unseen.
 */

import { Limit, pause } from "../core/deadline.ts";
import { LineSplitter } from "../core/lines.ts";
import type { Script } from "../core/options.ts";
import { printable } from "../core/printable.ts";
import { quoted } from "../core/quoting.ts";
import { start } from "../system/process.ts";
import type { SshEndpoint } from "../wire.ts";
import { sessionArguments, sshHint } from "./ssh_probe.ts";

interface RunScriptOptions {
  /** The private key's path. */
  key: string;
  /** Whether root takes the key. Else `sudo` is used. */
  root: boolean;
  /** Ends the script. */
  signal: AbortSignal;
  /** How long its guest is tried to be reached. @default until the signal fires */
  reachMs?: number;
  /** Called when the script begins. */
  onBegin?: () => void;
  /** Called with each line that it says, without escape sequences. */
  onLine: (line: string) => void;
}

/** How a script came out. `unreached`: it has not begun, and the guest's or ssh's last words say why. `lost`: the session has ended. */
export type ScriptEnd =
  | { kind: "exited"; code: number }
  | { kind: "lost" }
  | { kind: "unreached"; why: string };

/** A longer line is cut. */
const MAX_LINE = 4096;
/** The waits between tries to reach the guest: a gateway may accept before the guest does. */
const AGAIN_MS = [50, 100, 200, 400, 1_000];
/** How long a guest may refuse the key: its own cloud-init may not have come so far, with `--ready ssh`. */
const DENIED_MS = 60_000;
const CONNECT_SECONDS = 20;
const SSH_FAILED = 255;

/** Runs a script to its end. @throws the signal's reason when that fires first */
export async function runScript(endpoint: SshEndpoint, script: Script, options: RunScriptOptions): Promise<ScriptEnd> {
  const { signal } = options;
  let isRoot = options.root;
  using denial = new Limit(DENIED_MS);
  using reach = options.reachMs === undefined ? undefined : new Limit(options.reachMs);
  for (let tries = 0;; tries++) {
    signal.throwIfAborted();
    const { end, code } = await session(isRoot ? { ...endpoint, user: "root" } : endpoint, script, options, !isRoot);
    signal.throwIfAborted();
    if (end.kind !== "unreached" || code !== SSH_FAILED || reach?.signal.aborted) return end;
    if (/Permission denied/.test(end.why)) {
      if (denial.signal.aborted) return end;
      if (options.root) isRoot = !isRoot;
    }
    await pause(AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)], signal);
  }
}

async function session(
  endpoint: SshEndpoint,
  { name, text }: Script,
  { key, signal, onBegin, onLine }: RunScriptOptions,
  sudo: boolean,
): Promise<{ end: ScriptEnd; code: number }> {
  const mark = `fleetbox-${crypto.randomUUID()}`;
  const bytes = new TextEncoder().encode(text);
  const command = wrapper({ mark, name, bytes: bytes.length, interpreter: interpreterOf(text) });
  const script = sudo ? `sudo -n sh -c ${quoted(command)}` : command;
  const lines = new LineSplitter({ max: MAX_LINE, overlong: "cut" });
  const decoder = new TextDecoder();
  let hasBegun = false;
  let code: number | undefined;
  const ended = Promise.withResolvers<void>();
  const hear = (line: string) => {
    if (code !== undefined && !Number.isNaN(code)) return;
    const at = line.indexOf(mark);
    if (hasBegun && at !== 0) onLine(shown(at < 0 ? line : line.slice(0, at)));
    if (at < 0) return;
    if (hasBegun) {
      code = Number(line.slice(at + mark.length));
      ended.resolve();
    } else {
      hasBegun = true;
      onBegin?.();
    }
  };
  const child = start("ssh", sessionArguments(endpoint, key, { connectSeconds: CONNECT_SECONDS, command: script }), {
    input: true,
    onBytes: (piece) => {
      for (const line of lines.push(decoder.decode(piece, { stream: true }))) hear(line);
    },
    hint: sshHint(),
  });
  child.write(bytes);
  const kill = () => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill);
  if (signal.aborted) kill();
  // What it leaves behind in the guest may hold the session's output for ever.
  void ended.promise.then(kill);
  const exit = await child.exited;
  signal.removeEventListener("abort", kill);
  if (code !== undefined) return { end: { kind: "exited", code }, code: exit.code };
  if (hasBegun) {
    const rest = lines.rest();
    if (rest !== "") onLine(shown(rest));
    return { end: { kind: "lost" }, code: exit.code };
  }
  const why = printable(child.tail()).trim() || `its shell ended with code ${exit.code}`;
  return { end: { kind: "unreached", why }, code: exit.code };
}

/** A line for a terminal: of one that is overwritten again and again, what it says in the end. */
function shown(line: string): string {
  return printable(line.replace(/\r+$/, "").replace(/^.*\r/s, "")).trimEnd();
}

/** The interpreter that a script's first line names, with its argument, as the kernel reads it. @default sh */
export function interpreterOf(text: string): string[] {
  const [, program, argument] = /^#![ \t]*(\S+)[ \t]*([^\n]*?)[ \t]*(?:\n|$)/.exec(text) ?? [];
  if (program === undefined) return ["/bin/sh"];
  return argument === "" ? [program] : [program, argument];
}

interface Wrapped {
  mark: string;
  name: string;
  bytes: number;
  interpreter: string[];
}

/**
 * The session's command. A session of its own (`setsid`) is what can be ended whole. `cat` reads to the end of the input, which comes when
 * the session does. After `sync`, what the script has done outlives a power cut of the host.
 */
export function wrapper({ mark, name, bytes, interpreter }: Wrapped): string {
  const file = name.replace(/^.*\//s, "").replace(/[^\w.-]/g, "_").replace(/^[.-]*/, "").slice(0, 60) || "script";
  return [
    "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive",
    "umask 077; d=$(mktemp -d /tmp/fleetbox-run.XXXXXX) || exit 1",
    `head -c ${bytes} >"$d/${file}" || exit 1`,
    `umask 022; cd /root 2>/dev/null || cd /; echo ${mark}; exec 3<&0`,
    `setsid ${interpreter.map(quoted).join(" ")} "$d/${file}" </dev/null 2>&1 3<&- & p=$!`,
    '{ cat <&3; kill -TERM -"$p"; } >/dev/null 2>&1 & w=$!',
    'wait "$p"; c=$?; kill "$w" 2>/dev/null; rm -rf "$d"; [ "$c" != 0 ] || sync',
    `echo "${mark} $c"`,
  ].join("\n");
}
