/**
 * Whether a guest's cloud-init has finished, and its failures: asked over SSH, without a program of ours in the guest.
 *
 * One session waits in the guest for `/run/cloud-init/result.json`, which cloud-init writes when its last stage has
 * ended (cloud-init's manual, "Status"). It checks each time that we send it a line: when the console says that
 * cloud-init has finished, and now and then for guests with a silent console. A check runs in the guest's shell and
 * starts no process. Before cloud-init has made our user the session is refused; then another one is tried.
 */

import { pause } from "../core/deadline.ts";
import { type Child, start } from "../system/process.ts";
import type { SshEndpoint } from "../wire.ts";
import { sessionArguments, sshHint } from "./ssh_probe.ts";

/** The result of cloud-init. `absent`: the guest has none, or it is disabled there. */
type CloudInitResult = { kind: "absent" } | { kind: "finished"; errors: string[] };

interface CloudInitOptions {
  /** The private key's path. */
  key: string;
  /** Ends the wait. */
  signal: AbortSignal;
  /** Whether to wait until the guest's whole boot is over, too, where systemd knows that: cloud-init's end is a part of it. @default false */
  settles?: boolean;
  /** Registers the function to call when the guest's console says that cloud-init has finished. */
  onHint: (hint: () => void) => () => void;
  /** Called with the reason why a session was refused; true gives up, because the guest seems to lack our user. */
  onDenied?: (message: string) => boolean;
}

/** The session's script. Its first printed word says that the session was accepted. */
const SCRIPT = [
  "echo in",
  "command -v cloud-init >/dev/null 2>&1 || { echo absent; exit 0; }",
  "[ ! -e /run/cloud-init/disabled ] || { echo absent; exit 0; }",
  "until [ -s /run/cloud-init/result.json ]; do read -r _ || exit 1; done",
  "echo result; cat /run/cloud-init/result.json; echo; echo end",
].join("\n");

/** How long the rest of the boot may take, in seconds. */
const SETTLE_SECONDS = 5;
/** Behind {@link SCRIPT}. What systemd says of itself does not matter; before its version 240 it says at once that it knows no such option. */
const SETTLE = `timeout ${SETTLE_SECONDS} systemctl is-system-running --wait >/dev/null 2>&1`;

/** The waits between checks after a hint: the file is written a moment after the last line on the console. */
const LOOK_AGAIN_MS = [50, 100, 200, 400, 800];
/** The wait between checks otherwise. */
const QUIET_MS = 2_000;
const RETRY_MS = 1_000;
const MAX_OUTPUT = 256 * 1024;
const CONNECT_SECONDS = 20;

/** Resolves when cloud-init has finished. @throws the signal's reason when that fires first. */
export async function untilCloudInit(endpoint: SshEndpoint, options: CloudInitOptions): Promise<CloudInitResult> {
  const { signal, onHint, onDenied } = options;
  for (;;) {
    signal.throwIfAborted();
    const { output, told } = await session(endpoint, options);
    const result = parseSession(output);
    if (result) return result;
    signal.throwIfAborted();
    if (onDenied?.(told)) return { kind: "absent" };
    const hint = new AbortController();
    const off = onHint(() => hint.abort());
    await pause(RETRY_MS, AbortSignal.any([signal, hint.signal]));
    off();
  }
}

/** One session, to its end. */
async function session(endpoint: SshEndpoint, { key, signal, settles, onHint }: CloudInitOptions) {
  let output = "";
  const command = settles ? `${SCRIPT}\n${SETTLE}` : SCRIPT;
  const args = sessionArguments(endpoint, key, { connectSeconds: CONNECT_SECONDS, command });
  const child: Child = start("ssh", args, {
    input: true,
    onOutput: (text) => output = (output + text).slice(0, MAX_OUTPUT),
    hint: sshHint(),
  });
  let looks = Infinity;
  const look = () => {
    clearTimeout(timer);
    child.write("\n");
    timer = setTimeout(look, LOOK_AGAIN_MS[looks++] ?? QUIET_MS);
  };
  let timer = setTimeout(look, QUIET_MS);
  const off = onHint(() => {
    looks = 0;
    look();
  });
  const kill = () => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill);
  if (signal.aborted) kill();
  try {
    await child.exited;
  } finally {
    off();
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
  }
  return { output, told: child.tail() };
}

/** A session's result, if it is complete. Pure. */
export function parseSession(output: string): CloudInitResult | undefined {
  const lines = output.split("\n").map((line) => line.trimEnd());
  if (lines.includes("absent")) return { kind: "absent" };
  const [from, to] = [lines.indexOf("result"), lines.lastIndexOf("end")];
  if (from < 0 || to < from) return undefined;
  try {
    const { errors } = JSON.parse(lines.slice(from + 1, to).join("\n")).v1;
    return { kind: "finished", errors: Array.isArray(errors) ? errors.map(String) : [] };
  } catch {
    return { kind: "finished", errors: ["/run/cloud-init/result.json cannot be read"] };
  }
}
