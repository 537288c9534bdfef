/** What the library's tests share: a store of their own below TMPDIR, and the check at its end for what was left. */

import * as assert from "#assert";
import { Store } from "../../src/store.ts";
import type { StartOptions } from "../../src/library/types.ts";
import { processesOf } from "../support/processes.ts";

/** A store that is removed when the file's tests are over; what is left in it then fails them. */
export function testStore(): { store: Store; options: StartOptions } {
  const root = Deno.makeTempDirSync({ prefix: "l" });
  const store = Store.at(`${root}/h`);
  Deno.test.afterAll(() => {
    try {
      assertNothingLeft(store);
    } finally {
      for (const process of processesOf(store.root)) {
        console.error(`left behind, ended: ${process.pid} ${process.command.slice(0, 100)}`);
        Deno.kill(process.pid, "SIGKILL");
      }
      Deno.removeSync(root, { recursive: true });
    }
  });
  return { store, options: { store: store.root, egress: "off" } };
}

/** No process, no socket, no record, no machine, no log. Caches (image, key, verdict on accelerators) may stay. */
export function assertNothingLeft(store: Store): void {
  assert.deepEqual(processesOf(store.root).map(({ kind, name }) => `${kind} ${name}`), []);
  const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  assert.deepEqual(names(store.runDir).filter((name) => name !== ".lock"), []);
  assert.deepEqual(names(store.clustersDir), []);
  assert.deepEqual(names(store.root).filter((name) => name.startsWith("runner-")), []);
}

/** The text of a stream, whole. */
export async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}
