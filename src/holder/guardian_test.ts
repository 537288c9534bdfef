import * as assert from "#assert";
import { standsStill, until } from "../../tests/support/processes.ts";
import { identify } from "../system/process.ts";
import { comebackFromEnvironment, isTooMany, recentDeaths, SCRIPT } from "./guardian.ts";

Deno.test("three deaths within a minute are too many, three within a longer time are not", () => {
  assert.equal(isTooMany([100, 110], 110), false);
  assert.equal(isTooMany([100, 110, 159], 159), true);
  assert.equal(isTooMany([100, 110, 160], 160), false, "the first is a minute old");
  assert.deepEqual(recentDeaths([100, 110, 160], 165), [110, 160]);
});

Deno.test("what a guardian passes on: the latest death counts, old ones do not, and no other process inherits it", () => {
  assert.equal(comebackFromEnvironment(0), undefined);
  Deno.env.set("FLEETBOX_GUARDIAN", JSON.stringify({ group: "0123456789ab", deaths: [100, 150] }));
  assert.deepEqual(comebackFromEnvironment(165), { group: "0123456789ab", deaths: [150, 165] });
  assert.equal(Deno.env.get("FLEETBOX_GUARDIAN"), undefined);
});

Deno.test("what no guardian has handed on is refused", () => {
  for (const text of ["{", "null", "7", '{"group":7,"deaths":[]}', '{"group":"a","deaths":["x"]}', '{"group":"a"}']) {
    Deno.env.set("FLEETBOX_GUARDIAN", text);
    assert.throws(() => comebackFromEnvironment(0), /Bad FLEETBOX_GUARDIAN/, text);
  }
});

/** A process that stands still. */
async function still() {
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  child.kill("SIGSTOP");
  await until("it stands still", () => standsStill(child));
  return Object.assign(child, {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  });
}

Deno.test({
  name: "a guardian continues the machines of which it was told last, and no process that has only got the id of one",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using one = await still();
    await using other = await still();
    await using earlier = await still();
    const start = ({ pid }: { pid: number }) => identify(pid)!.startTime;
    const shell = new Deno.Command("/bin/sh", {
      args: ["-c", SCRIPT],
      env: { FLEETBOX_GUARDIAN_COMMAND: "true", FLEETBOX_GUARDIAN_LOG: "/dev/null", machines: `${other.pid}:1` },
      stdin: "piped",
    }).spawn();
    const pipe = shell.stdin.getWriter();
    const tell = (line: string) => pipe.write(new TextEncoder().encode(`${line}\n`));
    await tell(`continue ${earlier.pid}:${start(earlier)}`);
    await tell(`continue 999999999:7 ${other.pid}:1 ${one.pid}:${start(one)}`);
    await pipe.close();
    assert.equal((await shell.status).code, 0);
    assert.deepEqual([one, other, earlier].map(standsStill), [false, true, true]);
  },
});
