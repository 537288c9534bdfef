import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { darwin, host } from "./os.ts";
import { usageInPs } from "./usage.ts";

Deno.test({
  name: "Linux tells a process's processor time, memory, and what it reads and writes; of none, nothing",
  ignore: host().name !== "linux",
  fn() {
    const before = host().usageOf(Deno.pid)!;
    const until = performance.now() + 200;
    while (performance.now() < until);
    const after = host().usageOf(Deno.pid)!;
    const cpuMs = after.cpuMs - before.cpuMs;
    assert.ok(cpuMs >= 20 && cpuMs < 60_000, `${cpuMs} ms`);
    const { rss } = Deno.memoryUsage();
    assert.ok(after.memoryBytes! > rss / 10 && after.memoryBytes! <= rss * 1.5, `${after.memoryBytes} of ${rss}`);
    assert.equal(typeof after.readBytes, "number");
    assert.ok(after.writtenBytes! >= before.writtenBytes!);
    assert.equal(host().usageOf(0x7fffffff), undefined);
  },
});

Deno.test("macOS's ps tells memory and processor time, and no reads and writes", () => {
  assert.deepEqual(usageInPs("2048", 70), { cpuMs: 70, memoryBytes: 2048 * 1024 });
  assert.deepEqual(usageInPs("", 70), { cpuMs: 70 });
  const macos = darwin({ ps: fileURLToPath(new URL("../../tests/macos/ps", import.meta.url)) });
  const { memoryBytes, ...rest } = macos.usageOf(Deno.pid)!;
  assert.ok(memoryBytes! > 1024 * 1024, `${memoryBytes}`);
  assert.deepEqual(Object.keys(rest), ["cpuMs"]);
  assert.equal(macos.usageOf(0x7fffffff), undefined);
});
