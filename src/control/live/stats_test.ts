import * as assert from "#assert";
import { identify } from "../../system/process.ts";
import { served } from "../testing.ts";
import { type Look, looksAt, type MemberStats, statsOf } from "./stats.ts";

const look = (change: Partial<Look> = {}): Look => ({
  name: "a",
  group: "a",
  groupId: "0123456789ab",
  memoryMb: 256,
  process: { pid: 7, startTime: "1" },
  atMs: 1_000,
  usage: { cpuMs: 500, memoryBytes: 5_000, readBytes: 100, writtenBytes: 200 },
  network: { holder: 3, port: port(10, 20) },
  ...change,
});

function port(out: number, into: number) {
  return { rx_frames: out, rx_bytes: out * 100, tx_frames: into, tx_bytes: into * 100, dropped: {} };
}

const later = look({
  atMs: 3_000,
  usage: { cpuMs: 3_501, memoryBytes: 6_000, readBytes: 150, writtenBytes: 1_200 },
  network: { holder: 3, port: port(11, 25) },
});

const base = { name: "a", group: "a", group_id: "0123456789ab", hypervisor_pid: 7, memory_mb: 256 };

Deno.test("stats are what a machine used between two looks; in is what the switch sent to it", () => {
  assert.deepEqual(statsOf([look()], [later]), [{
    ...base,
    memory_bytes: 6_000,
    interval_ms: 2_000,
    cpu_percent: 150.1,
    disk_read_bytes: 50,
    disk_written_bytes: 1_000,
    in_bytes: 500,
    in_frames: 5,
    out_bytes: 100,
    out_frames: 1,
  }]);
});

Deno.test("a machine that has just appeared, or was started again, has no figures of an interval yet", () => {
  const none = [{ ...base, memory_bytes: 6_000 }];
  assert.deepEqual(statsOf([], [later]), none);
  for (const process of [{ pid: 7, startTime: "0" }, { pid: 6, startTime: "1" }]) {
    assert.deepEqual(statsOf([look({ process })], [later]), none);
  }
  assert.deepEqual(statsOf([look({ atMs: 3_000 })], [later]), none);
});

Deno.test("what is not told is absent: the network of a silent holder, of another one that counts anew, and reads on macOS", () => {
  const keys = (before: Look, now: Look) => Object.keys(statsOf([before], [now])[0]).filter((key) => /_/.test(key));
  const without = ["group_id", "hypervisor_pid", "memory_mb", "memory_bytes", "interval_ms", "cpu_percent"];
  const disk = ["disk_read_bytes", "disk_written_bytes"];
  assert.deepEqual(keys(look(), { ...later, network: undefined }), [...without, ...disk]);
  assert.deepEqual(keys(look({ network: undefined }), later), [...without, ...disk]);
  const another = { ...later, network: { holder: 4, port: port(100, 100) } };
  assert.deepEqual(keys(look(), another), [...without, ...disk]);
  const anew = { ...later, network: { holder: 3, port: port(1, 100) } };
  assert.deepEqual(keys(look(), anew), [...without, ...disk]);
  const [macos]: MemberStats[] = statsOf([look()], [{ ...later, usage: { cpuMs: 600, memoryBytes: 1 } }]);
  assert.deepEqual([macos.disk_read_bytes, macos.disk_written_bytes, macos.cpu_percent], [undefined, undefined, 5]);
});

Deno.test("a machine whose holder does not name its process, as it is just adopting it, is looked at while it lives", () => {
  const before = look({ process: identify(Deno.pid)! });
  const adopting = served("a", "a", { state: "starting", stage: "adoption" });
  const [now] = looksAt([adopting], undefined, [before]);
  assert.deepEqual([now.name, now.process, now.network], ["a", before.process, undefined]);
  assert.deepEqual(looksAt([adopting], undefined, [look({ process: { pid: Deno.pid, startTime: "0" } })]), []);
});
