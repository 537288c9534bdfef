/**
 * The trace of a test's group: what the recorder hears of its machines, and what the test does with them. At the end it is packed, or
 * removed. What fails in it fails no test: it is told on standard error.
 */

import { packTrace } from "../../control/recording/pack.ts";
import { Recorder } from "../../control/recording/recorder.ts";
import { clip } from "../../core/bytes.ts";
import { messageOf } from "../../core/errors.ts";
import type { CallSite } from "../../core/trace/types.ts";
import type { Store } from "../../store.ts";
import { makeDirectory } from "../../system/files.ts";
import { join, resolve } from "../../system/path.ts";
import { type Log, logFile } from "../fixture/logs.ts";
import type { Command } from "../shell.ts";
import type { ExecResult } from "../types.ts";
import { callSite } from "./call_site.ts";
import { bundleDirectory, traceMode } from "./mode.ts";

/** What is kept of a command's output: so much of its beginning, and of its end. */
const OUTPUT_CHARACTERS = 4096;

/** The test whose machines they are. */
export interface TracedTest {
  name: string;
  file?: string;
}

/** How a command has ended. */
type CommandEnd = { result: ExecResult } | { thrown: unknown };

export class GroupTrace {
  readonly #recorders: Recorder[] = [];
  #beginning: Promise<void> = Promise.resolve();
  #commands = 0;
  #isOver = false;

  private constructor(private readonly store: Store, private readonly test?: TracedTest) {}

  /**
   * @param test undefined: nobody tells whether it failed, so it is traced only when all are
   * @returns undefined: it is not traced
   */
  static of(store: Store, test?: TracedTest): GroupTrace | undefined {
    const mode = traceMode(test === undefined ? false : undefined);
    if (mode === "off" || (mode === "retain-on-failure" && !test)) return undefined;
    return new GroupTrace(store, test);
  }

  /** Records from now on what a new holder of the group does. */
  begin(via: string): void {
    this.#beginning = this.#beginning.then(async () => {
      try {
        const recorder = await Recorder.begin(this.store, {
          via,
          byHostName: true,
          ...(this.test ? { test: this.test } : {}),
        });
        this.#recorders.push(recorder);
        if (this.test) recorder.add({ event: "test-began", test: this.test.name });
      } catch (thrown) {
        console.error(`fleetbox: this test is not traced: ${messageOf(thrown)}`);
      }
    });
  }

  mark(text: string): void {
    this.#recorders.at(-1)?.add({ event: "mark", text, ...callSite() });
  }

  /** A command begins. @returns the function to call at its end */
  command(name: string, command: Command, site: CallSite | undefined): (end: CommandEnd) => void {
    const recorder = this.#recorders.at(-1);
    const what = {
      id: String(++this.#commands),
      name,
      argv: typeof command === "string" ? [command] : [...command],
      ...site,
    };
    const began = performance.now();
    recorder?.add({ event: "command-began", ...what });
    return (end) =>
      recorder?.add({ event: "command", ...what, duration_ms: Math.round(performance.now() - began), ...endOf(end) });
  }

  /** Ends it, and packs it. @param logs what the machines of a failed test said @returns where the bundles are, one for each holder that the group had */
  async keep(failure?: unknown, logs: readonly Log[] = []): Promise<string[]> {
    if (this.#isOver) return [];
    await this.#stop(failure);
    return await this.#pack(failure, logs);
  }

  /**
   * Its group ends, and the test has not failed: nothing is recorded any more.
   * @returns the function that packs it, or removes it, which can be done while the group ends
   */
  async end(): Promise<() => Promise<void>> {
    if (this.#isOver) return () => Promise.resolve();
    await this.#stop();
    return traceMode() === "on" ? async () => void await this.#pack() : () => this.#remove();
  }

  async #stop(failure?: unknown): Promise<void> {
    this.#isOver = true;
    await this.#beginning;
    const { test } = this;
    if (test) this.#recorders.at(-1)?.add({ event: "test-ended", test: test.name, ...verdictOf(failure) });
    await Promise.all(this.#recorders.map((recorder) => recorder.stop()));
  }

  async #pack(failure?: unknown, logs: readonly Log[] = []): Promise<string[]> {
    const files: string[] = [];
    for (const recorder of this.#recorders) {
      try {
        if (failure !== undefined) Deno.writeTextFileSync(`${recorder.directory}/error.txt`, textOf(failure) + "\n");
        const file = resolve(join(bundleDirectory(), `${recorder.id}.zip`));
        if (recorder === this.#recorders.at(-1)) writeLogs(recorder.directory, logs);
        makeDirectory(resolve(bundleDirectory()));
        await packTrace(recorder.directory, file);
        await Deno.remove(recorder.directory, { recursive: true });
        files.push(file);
      } catch (thrown) {
        console.error(`fleetbox: the trace of this test stays in ${recorder.directory}: ${messageOf(thrown)}`);
      }
    }
    return files;
  }

  async #remove(): Promise<void> {
    for (const { directory } of this.#recorders) {
      await Deno.remove(directory, { recursive: true }).catch(() => {}); // `trace ls` shows what is left
    }
  }
}

function writeLogs(directory: string, logs: readonly Log[]): void {
  for (const log of logs) {
    const number = logs.filter(({ member }) => member === log.member).indexOf(log) + 1;
    const text = `$ ${log.command}\n${log.text}${log.problem === undefined ? "" : `\n(${log.problem})\n`}`;
    Deno.writeTextFileSync(`${directory}/${logFile(log, number)}`, text, { mode: 0o600 });
  }
}

function endOf(end: CommandEnd): Record<string, unknown> {
  if ("thrown" in end) return { error: messageOf(end.thrown) };
  const { code, signal, stdout, stderr } = end.result;
  const cut = [stdout, stderr].reduce((sum, { length }) => sum + Math.max(0, length - 2 * OUTPUT_CHARACTERS), 0);
  return {
    ...(code === null ? {} : { code }),
    ...(signal ? { signal } : {}),
    ...(stdout === "" ? {} : { stdout: shortened(stdout) }),
    ...(stderr === "" ? {} : { stderr: shortened(stderr) }),
    ...(cut > 0 ? { cut_bytes: cut } : {}),
  };
}

function shortened(text: string): string {
  if (text.length <= 2 * OUTPUT_CHARACTERS) return text;
  return `${text.slice(0, OUTPUT_CHARACTERS)}\n…\n${text.slice(-OUTPUT_CHARACTERS)}`;
}

function verdictOf(failure: unknown): { ok: boolean; error?: string } {
  return failure === undefined ? { ok: true } : { ok: false, error: clip(messageOf(failure), 2_000) };
}

function textOf(failure: unknown): string {
  return failure instanceof Error ? failure.stack ?? failure.message : String(failure);
}

/** Tells in an error where the evidence is: in its message, and in its stack, which runners print. */
export function tellTraces(failure: unknown, files: readonly string[]): void {
  if (files.length === 0) return;
  const text = files.map((file) => `\nTrace: ${file}\n  look at it: fleetbox trace show ${file}`).join("");
  if (!(failure instanceof Error)) return console.error(text.trim());
  const { message, stack } = failure;
  try {
    failure.message = message + text;
    if (stack !== undefined) {
      failure.stack = stack.includes(message) ? stack.replace(message, () => message + text) : stack + text;
    }
  } catch {
    console.error(text.trim()); // it is frozen
  }
}
