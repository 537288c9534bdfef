/**
 * What clicks run: this program with their words, each as a child, so that what is printed is what ran. All of them end with the
 * server, also when that is killed, where the system can do it. Each leads a session of its own: Ctrl-C on the terminal is ours to pass on, and a capture that hears it twice would not end in order.
 */

import { settles } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { host } from "../../system/os.ts";
import { type Child, start, which } from "../../system/process.ts";
import { selfExecutable } from "../../system/program_info.ts";
import { say, warn } from "../terminal/output.ts";
import type { Ran } from "./stream.ts";

/** So many at a time. */
const MOST_AT_ONCE = 16;
/** So many of those that have ended are told to a page that comes later. */
const MOST_TOLD = 200;
const MOST_OUTPUT = 4096;
/** How long one may take to end, once it is asked to. */
const END_MS = 10_000;

interface Run {
  ran: Ran;
  child: Child;
  isCapture: boolean;
}

export class Children {
  #runs: Run[] = [];
  #count = 0;

  /** @param onChange is told when one begins, and when it ends */
  constructor(private readonly home: string, private readonly onChange: (ran: Ran) => void) {}

  /** Those that ran, and those that run. */
  get all(): Ran[] {
    return this.#runs.map(({ ran }) => ran);
  }

  /** @throws {FleetboxError} `conflict`: too many run */
  run(words: readonly string[]): Ran {
    if (this.#running().length >= MOST_AT_ONCE) {
      throw new FleetboxError("conflict", `${MOST_AT_ONCE} commands run, and more wait for the end of one`);
    }
    const [program, ...args] = commandOf(words);
    const child = start(program, args, {
      env: { FLEETBOX_HOME: this.home, NO_COLOR: "1", FORCE_COLOR: "" },
      session: true,
    });
    const ran: Ran = { id: ++this.#count, line: `fleetbox ${words.join(" ")}` };
    const run: Run = { ran, child, isCapture: words[0] === "capture" };
    this.#runs.push(run);
    say(ran.line);
    this.onChange(ran);
    void child.exited.then(({ code }) => {
      const output = child.tail().slice(-MOST_OUTPUT);
      run.ran = { ...ran, code, output };
      if (code !== 0) warn(output || `${ran.line}: it ended with code ${code}`);
      this.onChange(run.ran);
      const ended = this.#runs.filter((one) => one.ran.code !== undefined);
      if (ended.length > MOST_TOLD) this.#runs = this.#runs.filter((one) => one !== ended[0]);
    });
    return ran;
  }

  /** Ends a capture. @throws {FleetboxError} `not-found`; `misuse`: it is none */
  finish(id: unknown): void {
    const run = this.#runs.find(({ ran }) => ran.id === id);
    if (!run) throw new FleetboxError("not-found", "There is no such command");
    if (!run.isCapture) throw new FleetboxError("misuse", "Only a capture can be ended: others end by themselves");
    run.child.kill("SIGINT");
  }

  /** Returns when all have ended: by themselves, or as they are asked to, or killed. @param isAsked whether they are asked at once */
  async end(isAsked: boolean): Promise<void> {
    const signals = [...isAsked ? [] : [undefined], "SIGINT", "SIGKILL"] as const;
    for (const signal of signals) {
      const running = this.#running();
      if (signal) { for (const { child } of running) child.kill(signal); }
      if (await settles(Promise.all(running.map(({ child }) => child.exited)), END_MS)) return;
    }
  }

  /** Ends them at once. */
  kill(): void {
    for (const { child } of this.#running()) child.kill("SIGKILL");
  }

  #running(): Run[] {
    return this.#runs.filter(({ ran }) => ran.code === undefined);
  }
}

/** This program, which hears a Ctrl-C when we are killed. */
function commandOf(words: readonly string[]): string[] {
  const { deathSignal } = host();
  const wrapper = deathSignal && which(deathSignal.program);
  const { program, args } = selfExecutable();
  return [...wrapper ? [wrapper, ...deathSignal.args("INT")] : [], program, ...args, ...words];
}
