/**
 * The processes of one sandbox, found by the store in their environment: all that inherit `FLEETBOX_HOME` are ours, and
 * no other process has that directory. Everything here is read from `/proc`, by process id.
 */

import { GUARDIAN_NAME } from "../../src/holder/guardian.ts";
import { identify, isAlive, type ProcessIdentity } from "../../src/system/process.ts";

export interface Found extends ProcessIdentity {
  kind: "holder" | "guardian" | "machine" | "gateway" | "other";
  /** The member, of a machine; the `--fleetbox-runner` argument, of a holder or its guardian. */
  name: string;
  command: string;
}

/** Every process that works on a store, this one excepted. Zombies do not count. */
export function processesOf(home: string): Found[] {
  const found: Found[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    const environment = read(`/proc/${pid}/environ`);
    if (!environment.split("\0").includes(`FLEETBOX_HOME=${home}`)) continue;
    const identity = identify(pid);
    if (identity) found.push({ ...identity, ...describe(read(`/proc/${pid}/cmdline`).split("\0")) });
  }
  // A child that has not become its program yet looks like its parent.
  const kinds = new Map(found.map(({ pid, kind }) => [pid, kind]));
  return found.map((process) =>
    kinds.get(parentOf(process.pid)) === process.kind ? { ...process, kind: "other" } : process
  );
}

export function parentOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

function describe(args: string[]): Pick<Found, "kind" | "name" | "command"> {
  const command = args.join(" ").trim();
  const runner = args.indexOf("--fleetbox-runner");
  if (runner >= 0) return { kind: "holder", name: args[runner + 1], command };
  const guardian = args.indexOf(GUARDIAN_NAME);
  if (guardian >= 0) return { kind: "guardian", name: args[guardian + 1], command };
  const guest = args.map((arg) => /^guest=(.*)$/.exec(arg)?.[1]).find(Boolean);
  if (guest === undefined) return { kind: "other", name: "", command };
  const isGateway = args[args.indexOf("-machine") + 1] === "none";
  return { kind: isGateway ? "gateway" : "machine", name: guest, command };
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** Whether a process stands still because of a signal. */
export function standsStill({ pid }: { pid: number }): boolean {
  return /\) [Tt]/.test(read(`/proc/${pid}/stat`));
}

/** Sends a signal to exactly this process; nothing when it is gone. */
export function signal(process: ProcessIdentity, name: Deno.Signal): void {
  if (!isAlive(process)) return;
  try {
    Deno.kill(process.pid, name);
  } catch { /* gone in between */ }
}

/** Kills a process and returns when it is gone. */
export async function kill(process: ProcessIdentity): Promise<void> {
  signal(process, "SIGKILL");
  await until(`process ${process.pid} is gone`, () => !isAlive(process));
}

/**
 * Waits for a condition that no event tells. Looks every 10 ms, or less often when looking takes long: a test that waits
 * must leave the processor to what it waits for.
 * @param seen what there is to see at the moment, for the error's text
 * @throws when it is not true within the limit, also when looking itself hangs: what it waited for, and what was
 * seen last.
 */
export function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  limitMs = 30_000,
  seen?: () => unknown,
): Promise<NonNullable<T>> {
  let isOver = false;
  let last: unknown = "nothing: it was still being looked at";
  const look = async () => {
    while (!isOver) {
      const since = performance.now();
      const value = await condition();
      if (value) return value;
      last = value;
      const tookMs = performance.now() - since;
      await new Promise((again) => setTimeout(again, Math.min(Math.max(10, 3 * tookMs), 200)));
    }
    return undefined as never;
  };
  const text = () => `not so within ${limitMs / 1000} s: ${what}; seen last: ${seen ? shown(seen()) : shown(last)}`;
  return within(look(), limitMs, text).finally(() => isOver = true);
}

/** A promise with a limit. @throws what `text` says when it has not settled within it. */
export function within<T>(promise: Promise<T>, limitMs: number, text: () => string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const limit = setTimeout(() => reject(new Error(text())), limitMs);
  return Promise.race([promise, late]).finally(() => clearTimeout(limit));
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? String(value);
}
