/**
 * The journal of a guest with systemd (journald), read over SSH: the guest's shell runs `journalctl`, and each entry comes as a
 * line of JSON (systemd.journal-fields(7)).
 *
 * An entry's time is told on the host's clock. The guest's own clock may be wrong, on purpose too, so it is not used: what was
 * written before the session began is placed by the guest's time since its boot, and what comes later by when it comes.
 */

import { printable } from "../core/printable.ts";
import type { JournalEntry } from "../wire.ts";

/** Which entries of the present boot. */
export interface JournalWish {
  /** Whether it goes on with new ones, until it is ended. */
  follow: boolean;
  /** Only the last of those that there are. @default all */
  lines?: number;
  /** Only what came after this entry, when it is of the present boot. */
  after?: string;
}

/** The exit code of the script in a guest without a journal: EX_UNAVAILABLE of sysexits.h. */
export const NO_JOURNAL = 69;

const FIELDS = ["MESSAGE", "SYSLOG_IDENTIFIER", "_COMM", "_PID", "_SYSTEMD_UNIT", "PRIORITY"];
const CURSOR = /^[\w=;]+$/;
const MAX_TEXT = 16 * 1024;

export const isCursor = (word: string) => word.length < 512 && CURSOR.test(word);

/** What the guest's shell runs. Its first line is `/proc/uptime`, then come the entries. */
export function journalScript({ follow, lines, after }: JournalWish): string {
  const options = [
    ...["-q", "-b", "-o", "json", `--output-fields=${FIELDS.join(",")}`],
    ...lines === undefined ? ["--no-tail"] : [`-n${lines}`],
    ...follow ? ["-f"] : [],
  ];
  return [
    `command -v journalctl >/dev/null || exit ${NO_JOURNAL}`,
    `root=; [ "$(id -u)" = 0 ] || root='sudo -n'`,
    // What comes after an entry of another boot is not where journalctl would look for it.
    `after='${after ?? ""}'`,
    `case $after in *";b=$(tr -d - </proc/sys/kernel/random/boot_id);"*) set -- "--after-cursor=$after" ;; *) set -- ;; esac`,
    "cat /proc/uptime",
    `exec $root journalctl ${options.join(" ")} "$@"`,
  ].join("\n");
}

/** Reads what the script prints. */
export class JournalReader {
  #beganMs = 0;
  #beganUptimeMs: number | undefined;

  /** Whether its first line has come. */
  get hasBegun(): boolean {
    return this.#beganUptimeMs !== undefined;
  }

  /** @returns undefined: it is no entry */
  line(line: string, nowMs = Date.now()): JournalEntry | undefined {
    if (this.#beganUptimeMs === undefined) {
      const seconds = Number(/^\d+\.\d+/.exec(line)?.[0] ?? NaN);
      if (Number.isNaN(seconds)) return undefined;
      this.#beganMs = nowMs;
      this.#beganUptimeMs = seconds * 1000;
      return undefined;
    }
    const raw = fieldsOf(line);
    if (!raw) return undefined;
    const cursor = word(raw.__CURSOR);
    if (!isCursor(cursor)) return undefined;
    const pid = Number(word(raw._PID)), priority = Number(word(raw.PRIORITY)), unit = word(raw._SYSTEMD_UNIT);
    return {
      at: new Date(this.#timeOf(Number(word(raw.__MONOTONIC_TIMESTAMP) || NaN) / 1000, nowMs)).toISOString(),
      cursor,
      name: word(raw.SYSLOG_IDENTIFIER) || word(raw._COMM) || "?",
      ...(pid > 0 ? { pid } : {}),
      ...(unit === "" ? {} : { unit }),
      ...(word(raw.PRIORITY) !== "" && priority >= 0 && priority <= 7 ? { priority } : {}),
      text: messageOf(raw.MESSAGE),
    };
  }

  #timeOf(monotonicMs: number, nowMs: number): number {
    const before = this.#beganUptimeMs! - monotonicMs;
    return before > 0 ? Math.min(nowMs, this.#beganMs - before) : nowMs;
  }
}

function fieldsOf(line: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A field that is a short text. A program may give one several times: the first counts. */
function word(value: unknown): string {
  const one = Array.isArray(value) ? value[0] : value;
  return typeof one === "string" ? printable(one).replaceAll(/\s/g, " ").slice(0, 1024) : "";
}

/** A message that is not UTF-8 is a list of bytes, one that is too long for its line is null. */
function messageOf(value: unknown): string {
  if (value === null) return "[a message that is too long for journalctl's lines]";
  const isBytes = Array.isArray(value) && value.every((one) => Number.isInteger(one));
  const text = isBytes ? new TextDecoder().decode(Uint8Array.from(value)) : Array.isArray(value) ? value[0] : value;
  return typeof text === "string" ? printable(text).trimEnd().slice(0, MAX_TEXT) : "";
}
