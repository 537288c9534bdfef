/**
 * What all measurements share: directories, processes to end, and statistics.
 *
 * Everything that a measurement starts or makes goes onto the {@link Bench}'s stack the moment it exists, so that every way out,
 * Ctrl-C included, ends those processes by their id (and start time) and removes those directories. Nothing is ended by
 * name: the user's own groups run on.
 */

import { fileURLToPath } from "node:url";
import { resolveImage } from "../../src/image/image.ts";
import { identify, type ProcessIdentity } from "../../src/system/process.ts";
import { Store } from "../../src/store.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The Deno that runs this, and the command as a user calls it. */
export const DENO = Deno.execPath();
export const FLEETBOX = `${ROOT}bin/fleetbox`;

/** One line of the table. */
export interface Row {
  what: string;
  /** The figure, in `unit`. Times and memory: the median over the runs. */
  measured: number;
  unit: "ms" | "MiB" | "MB" | "Gbit/s" | "frames/s";
  /** The bare counterpart's figure, where there is one. */
  against?: { what: string; value: number };
  /** How the two are compared: `ratio` and `above` (measured - counterpart) with a highest value, or the figure itself. */
  limit?: { kind: "ratio" | "ratio at least" | "above" | "at most" | "at least"; value: number };
  /** Each run's value, in order; the counterpart's beside it. */
  runs?: { measured: number[]; against?: number[] };
  note?: string;
}

export class Bench implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  /** What the present measurement has started and made. */
  #ofMeasurement = new AsyncDisposableStack();
  #stores = 0;
  /** The image that every store gets: unpacked once, so that a rebuild of `build/micro` meanwhile does not matter. */
  readonly #template: Store;
  /** What could not be measured here, and why: a row that is left out is told. */
  readonly leftOut: string[] = [];

  private constructor(
    readonly directory: string,
    readonly runs: number,
    readonly machines: number,
    readonly say: (line: string) => void,
  ) {
    this.#stack.defer(() => Deno.remove(directory, { recursive: true }));
    this.#template = Store.at(`${directory}/t`);
  }

  /**
   * @param runs how often a boot is measured
   * @param machines how many machines the rows have that say "20"
   */
  static async open(runs: number, say: (line: string) => void, machines = 20): Promise<Bench> {
    const bench = new Bench(await Deno.makeTempDir({ prefix: "fbb-", dir: "/tmp" }), runs, machines, say);
    try {
      await Deno.mkdir(`${bench.directory}/micro`);
      const source = Deno.env.get("FLEETBOX_MICRO") ?? `${ROOT}build/micro`;
      for await (const { name, isFile } of Deno.readDir(source)) {
        if (isFile) await Deno.copyFile(`${source}/${name}`, `${bench.directory}/micro/${name}`);
      }
      Deno.env.set("FLEETBOX_MICRO", `${bench.directory}/micro`);
      bench.#template.ensure();
      await resolveImage(bench.#template, "micro");
      return bench;
    } catch (thrown) {
      await bench[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Calls `undo` at the end of the measurement, last one first. */
  defer(undo: () => unknown): void {
    this.#ofMeasurement.defer(async () => void await undo());
  }

  /**
   * A new store that holds the image and nothing else: no key, no verdict on accelerators, no member. It is removed at the end
   * of the measurement, and what runs in it is killed.
   */
  async store(): Promise<Store> {
    const store = Store.at(`${this.directory}/${++this.#stores}`);
    this.defer(async () => {
      await killAllIn(store);
      await Deno.remove(store.root, { recursive: true });
    });
    store.ensure();
    for await (const image of Deno.readDir(this.#template.imagesDir)) {
      await Deno.mkdir(`${store.imagesDir}/${image.name}`);
      for await (const { name } of Deno.readDir(`${this.#template.imagesDir}/${image.name}`)) {
        await Deno.link(
          `${this.#template.imagesDir}/${image.name}/${name}`,
          `${store.imagesDir}/${image.name}/${name}`,
        );
      }
    }
    return store;
  }

  /** Starts a process that ends with the bench. */
  spawn(program: string, args: string[], options: Deno.CommandOptions = {}): Deno.ChildProcess {
    const child = new Deno.Command(program, { stdin: "null", stdout: "null", stderr: "inherit", ...options, args })
      .spawn();
    this.defer(async () => {
      try {
        child.kill("SIGKILL");
      } catch { /* it has ended */ }
      await child.status;
    });
    return child;
  }

  /** Ends what a measurement has left, so that the next one has the machine to itself. */
  async endMeasurement(): Promise<void> {
    const ended = this.#ofMeasurement;
    this.#ofMeasurement = new AsyncDisposableStack();
    await ended.disposeAsync();
  }

  /** From then on nothing can be started any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ofMeasurement.disposeAsync();
    await this.#stack.disposeAsync();
  }
}

/**
 * Ends everything that was started in a store: holders, machines, gateways, and whatever they started. Each has the store's
 * directory, which nobody else has, in its environment; records would not know of a gateway that has just been started.
 */
export async function killAllIn(store: Store): Promise<void> {
  for (let pids = processesIn(store); pids.length > 0; pids = processesIn(store)) {
    for (const { pid } of pids) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch { /* gone meanwhile */ }
    }
    await sleep(20);
  }
}

function processesIn(store: Store): ProcessIdentity[] {
  return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const isIn = Deno.readTextFileSync(`/proc/${name}/environ`).split("\0").includes(`FLEETBOX_HOME=${store.root}`);
      return isIn ? identify(Number(name)) ?? [] : [];
    } catch {
      return []; // gone, or not ours
    }
  });
}

/** Runs the command line in a store and gives how long it took, in milliseconds. @throws {Error} it failed */
export async function timeFleetbox(
  store: Store,
  args: string[],
  options: {
    onLine?: (line: string, atMs: number) => void;
    env?: Record<string, string>;
    /** @default the checkout's */
    program?: string;
  } = {},
): Promise<number> {
  const began = performance.now();
  const child = new Deno.Command(options.program ?? FLEETBOX, {
    args,
    env: { ...options.env, FLEETBOX_HOME: store.root },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let complaint = "";
  const drain = async (stream: ReadableStream<Uint8Array>, take: (text: string) => void) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
  };
  let rest = "";
  const drained = Promise.all([
    drain(child.stderr, (text) => complaint += text),
    drain(child.stdout, (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) options.onLine?.(line, performance.now() - began);
    }),
  ]);
  const { code } = await child.status;
  const tookMs = performance.now() - began;
  await drained;
  if (code !== 0) throw new Error(`fleetbox ${args.join(" ")} ended with code ${code}: ${complaint}`);
  return tookMs;
}

/** How long something takes, in milliseconds. @param times it is done so often, one after the other */
export async function timed(one: () => Promise<unknown>, times = 1): Promise<number> {
  const began = performance.now();
  for (let done = 0; done < times; done++) await one();
  return performance.now() - began;
}

/** Measures two things in turn, so that other load on the machine affects both; the order alternates. */
export async function inTurn<A, B>(runs: number, one: () => Promise<A>, other: () => Promise<B>): Promise<[A[], B[]]> {
  const results: [A[], B[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    if (run % 2 === 0) results[0].push(await one());
    results[1].push(await other());
    if (run % 2 === 1) results[0].push(await one());
  }
  return results;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A row of durations in milliseconds, whose medians may differ by a factor at most. */
export function msRow(what: string, ours: number[], other: string, theirs: number[], limit: number): Row {
  return {
    what,
    measured: round(median(ours)),
    unit: "ms",
    against: { what: other, value: round(median(theirs)) },
    limit: { kind: "ratio", value: limit },
    runs: { measured: ours.map((ms) => round(ms)), against: theirs.map((ms) => round(ms)) },
  };
}
