/** What the library's tests share: a store of their own below TMPDIR, and the check at its end for what was left. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { FleetboxError } from "../../mod.ts";
import { Store } from "../../src/store.ts";
import { checkpoints, unusedLayers } from "../../src/store/snapshots.ts";
import type { StartOptions } from "../../src/library/types.ts";
import { processesOf, signal } from "../support/processes.ts";
import { SuiteStore } from "../support/suite_store.ts";
import { endedWithTest } from "../support/test.ts";

/**
 * A store for the tests of a file. What is left in it when they are over fails them. Within a suite it is the suite's: its files'
 * machines start from the same templates; else it is removed.
 */
export function testStore(): { store: Store; options: StartOptions } {
  const suite = SuiteStore.take();
  const root = suite ? suite.path : Deno.makeTempDirSync({ prefix: "l" });
  const store = Store.at(suite ? suite.path : `${root}/h`);
  const forget = endedWithTest({
    look: () => processesOf(store.root).map(({ pid, command }) => `${pid} ${command.slice(0, 200)}`).join("\n"),
    end: () => Promise.resolve(endProcesses(store)),
  });
  Deno.test.afterAll(() => {
    forget();
    let isSound = false;
    try {
      assertNothingLeft(store);
      isSound = true;
    } finally {
      endProcesses(store);
      if (suite) suite.giveBack(isSound);
      else Deno.removeSync(root, { recursive: true });
    }
  });
  return { store, options: { store: store.root, egress: "off", memoryMiB: 128 } };
}

function endProcesses(store: Store): void {
  for (const process of processesOf(store.root)) {
    console.error(`left behind, ended: ${process.pid} ${process.command.slice(0, 100)}`);
    signal(process, "SIGKILL");
  }
}

/**
 * No process, no socket, no record, no machine, no log, no checkpoint. Caches (image, key, templates, verdict on
 * accelerators) may stay.
 */
export function assertNothingLeft(store: Store): void {
  assert.deepEqual(processesOf(store.root).map(({ kind, name }) => `${kind} ${name}`), []);
  const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  assert.deepEqual(names(store.runDir).filter((name) => name !== ".lock"), []);
  assert.deepEqual(names(store.clustersDir), []);
  assert.deepEqual(names(store.root).filter((name) => name.startsWith("runner-")), []);
  assert.deepEqual(checkpoints(store).map(({ name }) => name), []);
  assert.deepEqual(unusedLayers(store), []);
}

/** Runs the command line, which must succeed. */
export async function fleetbox(store: Store, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(
    fileURLToPath(new URL("../../bin/fleetbox", import.meta.url)),
    {
      args,
      env: { FLEETBOX_HOME: store.root },
    },
  ).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** `deno test` on one of the samples, in this store; gives what it printed. */
export async function runSample(
  store: Store,
  sample: string,
  env: Record<string, string> = {},
  ...args: string[]
): Promise<{ code: number; text: string }> {
  const path = (from: string) => fileURLToPath(new URL(from, import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", `--config=${path("../../deno.json")}`, ...args, path(`samples/${sample}`)],
    env: { FLEETBOX_HOME: store.root, FLEETBOX_KEEP: "", NO_COLOR: "1", ...env },
  }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** A separate program that uses the library. */
interface Program extends AsyncDisposable {
  process: Deno.ChildProcess;
  /** The first line that it prints. */
  line(): Promise<string>;
}

/** Starts a program. Its file is removed, and it is killed if it still runs, when it is disposed of. */
export async function program(script: string): Promise<Program> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(path, script);
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `--config=${config}`, path],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return {
    process,
    line: async () => {
      const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const { value = "" } = await reader.read();
      await reader.cancel();
      return value.split("\n")[0];
    },
    [Symbol.asyncDispose]: async () => {
      try {
        process.kill("SIGKILL");
      } catch { /* it has ended */ }
      await process.status;
      await Deno.remove(path);
    },
  };
}

/** The text of a stream, whole. */
export async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}

/** What an error is to be, for `assert.rejects`. */
export function code(expected: string, words: RegExp) {
  return (thrown: unknown) => {
    assert.ok(thrown instanceof FleetboxError, String(thrown));
    assert.equal(thrown.code, expected, thrown.message);
    assert.match(thrown.message, words);
    return true;
  };
}
