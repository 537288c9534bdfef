/**
 * The targets of `waitFor`: a port, a file, a line of a log, a command. Each check is one attempt; `poll.ts` repeats
 * it.
 */

import { codeOf, FleetboxError, messageOf } from "../core/errors.ts";
import { clip } from "../core/bytes.ts";
import { LineSplitter } from "../core/lines.ts";
import { lastLines } from "./console_log.ts";
import { DEFAULT_INTERVAL_MS, DEFAULT_LIMIT_MS, poll, TimeOver } from "./poll.ts";
import { begin, begunAt } from "./trace/call_site.ts";
import type { Command } from "./shell.ts";
import type { ExecResult, WaitOptions, WaitTarget } from "./types.ts";

/** The parts of a machine that the checks use. */
export interface Watched {
  name: string;
  ip: string;
  probe(host: string, port: number, signal: AbortSignal): Promise<void>;
  exists(path: string, signal: AbortSignal): Promise<boolean>;
  exec(command: Command, signal: AbortSignal): Promise<ExecResult>;
  /** The console since the machine was started. */
  console(): Promise<string>;
  /** A file of the guest, from an offset on. @throws when there is none. */
  read(path: string, from: number, signal: AbortSignal): Promise<Uint8Array>;
  /** Why waiting is useless: it was stopped or destroyed, or it failed. */
  whyNot(): Promise<FleetboxError | undefined>;
}

/** A failure of the machine itself, so that no target can be reached any more. */
class Hopeless extends Error {}

/**
 * Waits for a target. Returns the found line, for a log.
 * @param begun made where the wait began
 * @throws {FleetboxError} `timeout`, with the last failure as its cause; `interrupted`; `conflict`: the machine is gone.
 */
export async function waitFor(
  vm: Watched,
  target: WaitTarget,
  options: WaitOptions,
  begun: FleetboxError = begin(waitFor),
): Promise<string | undefined> {
  const { timeoutMs = DEFAULT_LIMIT_MS, intervalMs = DEFAULT_INTERVAL_MS, message, signal } = options;
  const [wanted, look] = lookFor(vm, target);
  const what = message ?? wanted;
  try {
    return await poll({ limitMs: timeoutMs, intervalMs, signal, isFinal }, async (ended) => {
      try {
        return await look(ended);
      } catch (thrown) {
        const why = ended.aborted ? undefined : await vm.whyNot();
        throw why ? new Hopeless("", { cause: why }) : thrown;
      }
    });
  } catch (thrown) {
    if (thrown instanceof TimeOver) {
      const error = new FleetboxError("timeout", `${what} within ${timeoutMs / 1000} s on "${vm.name}"`, {
        cause: thrown.cause,
        hint: `Give it longer with timeoutMs, or look at its console with console().`,
      });
      throw begunAt(begun, error);
    }
    if (thrown instanceof Hopeless) {
      const cause = thrown.cause as FleetboxError;
      throw begunAt(begun, new FleetboxError(codeOf(cause), `${what} on "${vm.name}": ${messageOf(cause)}`, { cause }));
    }
    if (signal?.aborted) {
      throw new FleetboxError("interrupted", `Waiting for "${vm.name}" was interrupted`, { cause: signal.reason });
    }
    throw thrown;
  }
}

function isFinal(thrown: unknown): boolean {
  return thrown instanceof Hopeless || (thrown instanceof FleetboxError && thrown.code === "misuse");
}

type Look = (signal: AbortSignal) => Promise<string | undefined>;

/** The text of a timeout's error, and the check. @throws {FleetboxError} `misuse` */
function lookFor(vm: Watched, target: WaitTarget): [what: string, look: Look] {
  const given = Object.entries(target ?? {}).filter(([, value]) => value !== undefined);
  const kinds = given.map(([key]) => key).filter((key) => key !== "in");
  const stray = given.some(([key]) => !["port", "file", "log", "in", "command"].includes(key));
  if (kinds.length !== 1 || stray || (given.some(([key]) => key === "in") && kinds[0] !== "log")) {
    throw new FleetboxError(
      "misuse",
      `Cannot wait for ${
        clip(JSON.stringify(target) ?? "nothing", 80)
      }; expected one of port, file, log (and in), command, or a function`,
    );
  }
  if ("port" in target) return [`No program listened on port ${target.port}`, forPort(vm, target.port)];
  if ("file" in target) return [`There was no ${target.file}`, forFile(vm, target.file)];
  if ("command" in target) {
    const text = typeof target.command === "string" ? target.command : target.command.join(" ");
    return [`${JSON.stringify(clip(text, 120))} did not succeed`, forCommand(vm, target.command)];
  }
  const where = target.in ?? "the console";
  return [
    `No line of ${where} had ${target.log instanceof RegExp ? target.log : JSON.stringify(target.log)}`,
    forLine(vm, target),
  ];
}

function forPort(vm: Watched, port: number): Look {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new FleetboxError("misuse", `Not a port: found ${port}, expected a whole number from 1 to 65535`);
  }
  return async (signal) => {
    try {
      await vm.probe("127.0.0.1", port, signal);
    } catch (first) {
      // Some listen on the group's network alone.
      await vm.probe(vm.ip, port, signal).catch(() => {
        throw first;
      });
    }
    return undefined;
  };
}

function forFile(vm: Watched, path: string): Look {
  return async (signal) => {
    if (await vm.exists(path, signal)) return undefined;
    throw new FleetboxError("not-found", `There is no ${path}`);
  };
}

function forCommand(vm: Watched, command: Command): Look {
  return async (signal) => {
    const { code, signal: ended, stdout, stderr } = await vm.exec(command, signal);
    if (code === 0) return undefined;
    const said = (stderr.trim() || stdout.trim()).slice(-500);
    throw new Error(`it ended with ${ended ?? `code ${code}`}${said ? `: ${said}` : ""}`);
  };
}

function forLine(vm: Watched, { log, in: path }: { log: string | RegExp; in?: string }): Look {
  if (!(typeof log === "string" && log !== "") && !(log instanceof RegExp)) {
    throw new FleetboxError("misuse", "Cannot wait for a log line: expected a text or a regular expression");
  }
  // A pattern that remembers where it was would miss every other line.
  const pattern = log instanceof RegExp ? new RegExp(log.source, log.flags.replace(/[gy]/g, "")) : undefined;
  const matches = (line: string) => pattern ? pattern.test(line) : line.includes(log as string);
  const miss = (text: string) => {
    const last = lastLines(text, 5);
    return new Error(last === "" ? "it is empty" : `its last lines:\n${last}`);
  };
  if (path === undefined) {
    return async () => {
      const text = await vm.console();
      const line = text.split("\n").find(matches);
      if (line === undefined) throw miss(text);
      return line;
    };
  }
  let offset = 0;
  let lines = newLines();
  let decoder = new TextDecoder();
  return async (signal) => {
    const bytes = await vm.read(path, offset, signal);
    if (bytes.length === 0 && offset > 0 && (await vm.read(path, 0, signal)).length < offset) {
      [offset, lines, decoder] = [0, newLines(), new TextDecoder()]; // it was cut off, or replaced
      throw new Error("it was made anew");
    }
    offset += bytes.length;
    // The last line counts too: its program may have written all of it but the newline.
    const seen = [...lines.push(decoder.decode(bytes, { stream: true })), lines.begun()];
    const found = seen.find(matches);
    if (found !== undefined) return found.replace(/\r$/, "");
    throw miss(seen.join("\n"));
  };
}

/** A guest may never end a line: more of one than this is not looked at. */
const MAX_LINE = 1024 * 1024;

function newLines(): LineSplitter {
  return new LineSplitter({ max: MAX_LINE, overlong: "cut" });
}
