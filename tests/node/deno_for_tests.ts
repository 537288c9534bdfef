/**
 * `Deno` for the library's own tests on Node: `src/node`, and what only tests use. Tests become those of `node:test`, with
 * steps. `FB_DENO` is Deno itself, for tests that run a second program.
 */

import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "../../src/system/path.ts";
import process from "node:process";
import { Deno as ForNode } from "../../src/node/deno.ts";

interface NodeContext {
  name: string;
  test(name: string, fn: () => unknown): Promise<void>;
}

interface Context {
  name: string;
  step(name: string, fn: () => unknown): Promise<boolean>;
}

type Body = (context: Context) => unknown;

const nodeTest: {
  test(name: string, options: { skip: boolean }, fn: (context: NodeContext) => unknown): void;
  after(fn: () => unknown): void;
} = createRequire(import.meta.url)("node:test");

/** A step that fails fails its test, and does not throw: as on Deno. */
const contextOf = (context: NodeContext): Context => ({
  name: context.name,
  async step(name, fn) {
    let isGood = false;
    await context.test(name, async () => {
      await fn();
      isGood = true;
    });
    return isGood;
  },
});

function test(first: string | { name: string; ignore?: boolean; fn: Body }, second?: Body): void {
  const { name, ignore = false, fn } = typeof first === "string" ? { name: first, fn: second! } : first;
  nodeTest.test(name, { skip: ignore }, async (context) => void await fn(contextOf(context)));
}

let files = 0;

export const Deno: object = Object.defineProperties({
  test: Object.assign(test, { afterAll: nodeTest.after }),
  makeTempDirSync: ({ prefix = "" } = {}) => mkdtempSync(join(tmpdir(), prefix)),
  makeTempFile: ({ suffix = "" } = {}) => {
    const path = join(tmpdir(), `f${process.pid}-${++files}${suffix}`);
    writeFileSync(path, "", { flag: "wx" });
    chmodSync(path, 0o600);
    return Promise.resolve(path);
  },
  writeTextFile: (path: string, text: string) => writeFile(path, text),
  memoryUsage: () => process.memoryUsage(),
  exit: (code: number) => process.exit(code),
  execPath: () => process.env.FB_DENO,
}, members());

function members(): PropertyDescriptorMap {
  const { test: _test, execPath: _execPath, ...others } = Object.getOwnPropertyDescriptors(ForNode) as Record<
    string,
    PropertyDescriptor
  >;
  return others;
}

/** Node 20 has none. */
export class AsyncDisposableStack implements AsyncDisposable {
  readonly #all: AsyncDisposable[] = [];

  use<T extends AsyncDisposable>(one: T): T {
    this.#all.push(one);
    return one;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#all.splice(0).reverse()) await one[Symbol.asyncDispose]();
  }
}
