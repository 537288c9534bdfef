/**
 * What the bundle for Node has in place of globals: `Deno`, and what the language has got since Node 20, as functions of
 * ours, so that nothing of a user's program changes.
 */

import { availableParallelism } from "node:os";

export { Deno } from "./deno.ts";

function withResolvers<T>(): PromiseWithResolvers<T> {
  let settle: Omit<PromiseWithResolvers<T>, "promise">;
  const promise = new Promise<T>((resolve, reject) => settle = { resolve, reject });
  return { promise, ...settle! };
}

async function fromAsync<T>(from: AsyncIterable<T> | Iterable<T | PromiseLike<T>>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of from) all.push(one);
  return all;
}

function parseUrl(text: string, base?: string): URL | null {
  return URL.canParse(text, base) ? new URL(text, base) : null;
}

/** Node 20 has none. */
export const navigator = { hardwareConcurrency: availableParallelism() };

/** The one event of a program that is waited for is its end. */
function addEventListener(_event: "unload", listener: () => void): void {
  process.on("exit", listener);
}

export {
  addEventListener as "globalThis.addEventListener",
  fromAsync as "Array.fromAsync",
  parseUrl as "URL.parse",
  withResolvers as "Promise.withResolvers",
};
