import * as assert from "#assert";
import { standsStill, until } from "../../../tests/support/processes.ts";
import { pause } from "../../core/deadline.ts";
import { randomStream } from "../../core/random.ts";
import { start } from "../../system/process.ts";
import { host } from "../../system/os.ts";
import { halfMs, Throttle } from "./throttle.ts";

const SHARES = [0.01, 0.05, 0.3, 0.5, 0.8, 0.99];

Deno.test("throttle: the sum is right, however late each half ends", () => {
  for (const share of SHARES) {
    for (const lateMs of [0, 1, 5, 15]) {
      const random = randomStream("late", share, lateMs);
      let [ranMs, stoodMs, error, isStopped] = [0, 0, 0, false];
      for (let half = 0; half < 4_000; half++) {
        const took = Math.max(1, Math.trunc(halfMs(share, isStopped, error))) + random.next() * lateMs;
        if (isStopped) stoodMs += took;
        else ranMs += took;
        error += (isStopped ? 0 : took) - share * took;
        isStopped = !isStopped;
      }
      const found = ranMs / (ranMs + stoodMs);
      assert.ok(Math.abs(found - share) < 0.01 + share * 0.02, `${share}, ${lateMs} ms late: ${found}`);
    }
  }
});

Deno.test("throttle: a period takes about 20 ms; longer where a half would be too short for our timers", () => {
  const period = (share: number) => {
    const ran = halfMs(share, false, 0);
    return ran + halfMs(share, true, ran * (1 - share));
  };
  assert.deepEqual(SHARES.map((share) => Math.round(period(share))), [200, 40, 20, 20, 20, 200]);
});

/** A program that computes for ever. */
function busy() {
  const child = start("sh", ["-c", "while :; do :; done"], {});
  return Object.assign(child, {
    isStopped: () => standsStill(child),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  });
}

Deno.test({
  name: "throttle: a process gets its share, all of it while somebody waits for it, and all of it at the end",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using child = busy();
    const throttle = new Throttle((name) => child.kill(name));
    const [began, cpuBefore] = [performance.now(), host().cpuTimeMs(child.pid)];
    throttle.set(0.3);
    await pause(2_000);
    const [tookMs, cpuMs] = [performance.now() - began, host().cpuTimeMs(child.pid) - cpuBefore];
    const stood = throttle.stoppedMs / tookMs;
    assert.ok(Math.abs(stood - 0.7) < 0.1, `stopped for ${stood}`); // one late half on a busy host is a part of this short time
    assert.ok(cpuMs < 0.4 * tookMs, `${cpuMs} ms of processor time in ${tookMs} ms`); // a busy host gives it less

    const letGo = throttle.hold();
    const before = throttle.stoppedMs;
    await pause(100);
    assert.equal(throttle.stoppedMs, before);
    assert.equal(child.isStopped(), false);
    letGo();
    await until("what it had too much is taken off again", child.isStopped);

    throttle.set(0.01);
    await pause(100);
    throttle.set(undefined);
    assert.equal(child.isStopped(), false);
    const { stoppedMs } = throttle;
    await pause(50);
    assert.equal(throttle.stoppedMs, stoppedMs);
    throttle.hold()(); // a command after its end stops nothing
    assert.equal(child.isStopped(), false);
  },
});

Deno.test("throttle: a process that is gone is not signalled", async () => {
  const sent: string[] = [];
  const throttle = new Throttle((name) => (sent.push(name), false));
  throttle.set(0.5);
  await pause(60);
  throttle.set(undefined);
  assert.ok(sent.length > 0 && sent.every((name) => name === "SIGSTOP"), sent.join(" "));
});
