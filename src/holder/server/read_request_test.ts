import * as assert from "#assert";
import { MAX_REQUEST_BYTES } from "../../wire.ts";
import { readRequest } from "./read_request.ts";

/** A connection that delivers pieces; a number is a pause in milliseconds, null the end. Without an end it stays open. */
function scripted(...script: (string | number | null)[]): Pick<Deno.UnixConn, "read"> & { stop(): void } {
  const stopped = Promise.withResolvers<null>();
  return {
    stop: () => stopped.resolve(null),
    async read(into) {
      for (;;) {
        const next = script.shift();
        if (next === undefined) return await stopped.promise;
        if (next === null) return null;
        if (typeof next === "number") {
          await new Promise((later) => setTimeout(later, next));
          continue;
        }
        const bytes = new TextEncoder().encode(next);
        into.set(bytes);
        return bytes.length;
      }
    },
  };
}

async function reads(expected: string | undefined, ...script: (string | number | null)[]): Promise<void> {
  const conn = scripted(...script);
  const text = await readRequest(conn);
  conn.stop();
  assert.equal(text, expected);
}

Deno.test("serve: a request ends with a newline, with the end, or with silence", async () => {
  await reads("status", "status\n");
  await reads("status", "sta", "tus", null);
  await reads("addmember d", "addm", "ember d");
  await reads("addmember d", "addmember d\nstatus\n");
  await reads(undefined, null);
});

Deno.test("serve: a whole word is a request while the client keeps its side open", async () => {
  const conn = scripted("status");
  let asked = 0;
  const text = await readRequest({ read: (into) => (asked++, conn.read(into)) });
  conn.stop();
  assert.deepEqual([text, asked], ["status", 1], "nothing more was waited for");
});

Deno.test("serve: a request in pieces with pauses is read as long as pieces arrive", async () => {
  await reads("addmember d", "addmember ", 5, "d");
  await reads('{"op":"add","name":"d"}', '{"op":"add",', 60, '"name":"d"}');
});

Deno.test("serve: a request without an end is refused as soon as it is too long", async () => {
  const megabytes = Array.from({ length: 200 }, () => "x".repeat(1024));
  await assert.rejects(readRequest(scripted(...megabytes)), /longer than 65536 bytes/);
  assert.equal(MAX_REQUEST_BYTES, 65536);
});
