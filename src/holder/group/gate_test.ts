import * as assert from "#assert";
import { Gate } from "./gate.ts";

Deno.test("a gate opens when the last one has arrived, or will not come", async () => {
  const gate = new Gate(["a", "b", "c"]);
  const passed: string[] = [];
  const going = ["a", "b"].map((name) => gate.arrive(name).then(() => void passed.push(name)));
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(passed, []);
  gate.leave("c");
  await Promise.all(going);
  assert.deepEqual(passed, ["a", "b"]);
  await gate.arrive("late");
  await new Gate([]).arrive("nobody is waited for");
});
