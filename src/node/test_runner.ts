/** `Deno.test` over `node:test`, for the fixtures that register tests. */

import { createRequire } from "node:module";

interface Definition {
  name: string;
  ignore?: boolean;
  fn: (context: Deno.TestContext) => void | Promise<void>;
}

/** What is used of `node:test`, whose types are its own. */
interface NodeTest {
  test(name: string, options: { skip: boolean }, fn: (context: unknown) => unknown): unknown;
  after(fn: () => unknown): void;
}

/** Loaded by the first test: a program that uses only machines has no test runner. */
function nodeTest(): NodeTest {
  if (process.env.VITEST) {
    throw new Error(
      "vmTest(), clusterTest() and sharedCluster().test() register with node:test, found Vitest.\n" +
        "  try: test(name, withVm(body)), or a fixture of fleetbox/vitest",
    );
  }
  return createRequire(import.meta.url)("node:test");
}

function register({ name, ignore = false, fn }: Definition): void {
  nodeTest().test(name, { skip: ignore }, (context) => fn(context as Deno.TestContext));
}

export const test = Object.assign(register, { afterAll: (fn: () => unknown) => nodeTest().after(fn) });
