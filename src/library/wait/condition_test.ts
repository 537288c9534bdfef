import * as assert from "#assert";
import { FleetboxError } from "../../core/errors.ts";
import type { Condition, WaitOptions } from "../types/wait.ts";
import { begin } from "../trace/call_site.ts";
import { untilHolds, waitFor } from "./condition.ts";

const QUICK = { timeoutMs: 5_000, intervalMs: 1 };
const SHORT = { timeoutMs: 30, intervalMs: 1 };

async function failure(condition: Condition<unknown>, options: WaitOptions = SHORT): Promise<FleetboxError> {
  const thrown = await waitFor(condition, options).then(() => undefined, (it) => it);
  assert.ok(thrown instanceof FleetboxError, String(thrown));
  return thrown;
}

Deno.test("waitFor: a condition is called until what it returns is true; what it throws means not yet", async () => {
  const answers = [undefined, 0, "", null, false];
  let calls = 0;
  const word: string = await waitFor(() => {
    calls++;
    if (calls === 3) throw new Error("not yet");
    return answers.length > 0 ? answers.shift() as undefined : "there";
  }, QUICK);
  assert.deepEqual([word, calls], ["there", 7]);
});

Deno.test("waitFor: the limit's error has the condition's text or the message, and what came last; it begins in the test's line", async () => {
  const count = 2;
  const returned = await failure(async () => await Promise.resolve(count) === 3);
  assert.equal(returned.code, "timeout");
  assert.match(
    returned.message,
    /^The condition "await Promise\.resolve\(count\) === 3" did not hold within 0\.03 s: call \d+ returned false\n/,
  );
  assert.equal(returned.cause, undefined);
  assert.match(returned.stack!, /^ {4}at .*condition_test\.ts:/m);
  const [first] = returned.stack!.split("\n").filter((line) => /^\s+at /.test(line));
  assert.match(first, /condition_test\.ts/);

  const threw = await failure(() => Promise.reject(new Error("no leader")), { ...SHORT, message: "none was elected" });
  assert.match(threw.message, /^none was elected within 0\.03 s\n {2}try: Give it longer/);
  assert.match(String(threw.cause), /no leader/);

  const assertion = await failure(() => assert.equal(count, 2)); // it holds, and returns nothing
  assert.match(assertion.message, /Return true when it holds/);
});

Deno.test("waitFor: a condition that hangs is told of, and its signal fires", async () => {
  let isTold = false;
  const hung = await failure((signal) =>
    new Promise(() => {
      signal.addEventListener("abort", () => isTold = true);
    })
  );
  assert.match(hung.message, /within 0\.03 s, and call 1 has not ended after 0\.\d s/);
  assert.ok(isTold);
});

Deno.test("waitFor: mistakes end it at once; so does its signal, and a machine that is gone", async () => {
  const long = { timeoutMs: 600_000, intervalMs: 1 };
  const misuse = () => Promise.reject(new FleetboxError("misuse", 'Unknown option "timeout"'));
  assert.equal((await failure(misuse, long)).code, "misuse");
  await assert.rejects(waitFor(() => Promise.reject(new ReferenceError("vn is not defined")), long), ReferenceError);
  assert.match((await failure({ port: 80 } as never)).message, /got \{"port":80\}, expected a function\n.*vm\.waitFor/);
  assert.match((await failure(() => true, { everyMs: 5 } as never)).message, /Unknown option "everyMs"/);

  const abort = new AbortController();
  const ended = failure(() => abort.abort(new Error("enough")), { ...long, signal: abort.signal });
  assert.equal((await ended).code, "interrupted");

  const whyNot = () => Promise.resolve(new FleetboxError("conflict", '"a" does not run: it is down'));
  const waiting = { call: "waitFor()", begun: begin(waitFor), whyNot };
  await assert.rejects(untilHolds(() => Promise.reject(new Error()), long, waiting), (thrown: FleetboxError) => {
    return thrown.code === "conflict" && /did not hold: "a" does not run: it is down/.test(thrown.message);
  });
});
