import * as assert from "#assert";
import { FleetboxError } from "../../core/errors.ts";
import { CommandError } from "../exec.ts";
import { each } from "./each.ts";

const machines = [{ name: "b" }, { name: "a" }, { name: "c" }];

Deno.test("each: all at once, and what came of it in the machines' order", async () => {
  const turn = Promise.withResolvers<void>();
  const done = await each(machines, async ({ name }, index) => {
    if (name === "c") turn.resolve(); // the last one lets the others end
    await turn.promise;
    return `${index} ${name}`;
  });
  assert.deepEqual(done, ["0 b", "1 a", "2 c"]);
  assert.deepEqual(await each([], () => 1), []);
});

Deno.test("each: an error keeps its class, and names the machine; the others are waited for", async () => {
  let ended = 0;
  const result = { code: 7, signal: null, stdout: "", stderr: "no" };
  const wrong = each(machines, async ({ name }) => {
    if (name === "b") throw new CommandError('"exit 7"', result);
    await Promise.resolve();
    ended++;
  });
  await assert.rejects(wrong, (thrown: CommandError) => {
    assert.ok(thrown instanceof CommandError && thrown.result.code === 7);
    assert.equal(thrown.message, 'on "b": "exit 7" ended with code 7: no');
    assert.match(thrown.stack!, /on "b": "exit 7" ended/);
    return ended === 2;
  });
  await assert.rejects(
    each(machines, ({ name }) => Promise.reject(new Error(`"${name}" is down`))),
    (thrown: Error) => {
      const said = 'b, a, c of 3 machines failed:\n  "b": "b" is down\n  "a": "a" is down\n  "c": "c" is down';
      assert.ok(thrown instanceof FleetboxError);
      assert.equal(thrown.message, said);
      assert.equal((thrown.cause as AggregateError).errors.length, 3);
      return true;
    },
  );
  await assert.rejects(each(machines.slice(0, 1), () => Promise.reject("text")), /on "b": text/);
  await assert.rejects(each(machines, undefined as never), /got undefined, expected a function/);
});
