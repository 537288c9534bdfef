/** A guest's agent that says what it likes: what the holder makes of it. */

import * as assert from "#assert";
import fc from "fast-check";
import { FleetboxError } from "../../src/core/errors.ts";
import { Agent } from "../../src/guest/agent.ts";
import { renew } from "../../src/guest/renewal.ts";
import { cuts, pieces } from "./foreign.ts";

const CALL_BYTES = 40, RESULT = 36;
const HEADER_BYTES = 21, END_BYTES = 4;

/** An answer: the table that came, with these results in it, behind some noise and before some more. */
const answer = fc.record({
  noise: fc.oneof({ weight: 49, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.constantFrom(70_000, 300_000) }),
  results: fc.array(
    fc.tuple(fc.nat(12), fc.oneof(fc.constantFrom(0, -1, 5, 65_536, 65_537, 0x7fff_ffff, -0x8000_0000), fc.integer())),
    { maxLength: 8 },
  ),
  /** Cut off its end. */
  missing: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(400) }),
  more: fc.uint8Array({ maxLength: 60 }),
});

export const foreignAgent = {
  name: "a guest's agent",
  share: 20,
  arbitrary: fc.tuple(fc.array(answer, { minLength: 1, maxLength: 5 }), cuts),
  async check(
    [answers, at]: [{ noise: number; results: [number, number][]; missing: number; more: Uint8Array }[], number[]],
  ) {
    const waiting = [...answers];
    const said: Uint8Array[] = [];
    let wake = () => {};
    const port = {
      write(message: Uint8Array) {
        const next = waiting.shift();
        if (next) said.push(...pieces(answered(message, next), at).filter(({ length }) => length > 0));
        wake();
        return Promise.resolve(message.length);
      },
      async read(into: Uint8Array) {
        if (said.length === 0 && waiting.length > 0) {
          const timer = setTimeout(() => wake(), 2); // an answer without its end: there is nothing to wait for
          await new Promise<void>((resolve) => wake = resolve);
          clearTimeout(timer);
        }
        const next = said.shift();
        if (!next) return null;
        const count = Math.min(into.length, next.length);
        into.set(next.subarray(0, count));
        if (count < next.length) said.unshift(next.subarray(count));
        return count;
      },
      close() {
        waiting.length = 0;
        wake();
      },
    };
    const notes: string[] = [];
    using agent = Agent.over(port, { arch: "x86_64", signal: new AbortController().signal, answerMs: 1_000 });
    try {
      await renew(agent, { clock: "set", hostName: "b", oldHostName: "a", onNote: (note) => notes.push(note) });
    } catch (thrown) {
      if (!(thrown instanceof FleetboxError)) throw thrown;
    }
    assert.ok(notes.every((note) => note.length < 200), notes.join());
  },
};

function answered(
  message: Uint8Array,
  { noise, results, missing, more }: { noise: number; results: [number, number][]; missing: number; more: Uint8Array },
): Uint8Array {
  const table = message.slice(HEADER_BYTES, -END_BYTES);
  const view = new DataView(table.buffer);
  for (const [call, result] of results) {
    const at = call * CALL_BYTES + RESULT;
    if (at + 4 <= table.length) view.setInt32(at, result, true);
  }
  return Uint8Array.from([
    ...new Uint8Array(noise).fill(0x20),
    ...table.subarray(0, Math.max(0, table.length - missing)),
    ...more,
  ]);
}
