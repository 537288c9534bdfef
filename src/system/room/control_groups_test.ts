import * as assert from "#assert";
import { OutOfMemoryKills, outOfMemoryKills } from "./control_groups.ts";
import { fakeHost } from "./testing.ts";

function withFiles(files: Record<string, string>, run: (root: string) => void): void {
  const root = fakeHost(files);
  try {
    run(root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("the kills of our own control group are counted, of both versions of groups", () => {
  withFiles({
    "proc/self/cgroup": "0::/job/step\n",
    "sys/fs/cgroup/job/memory.events": "low 0\noom 9\noom_kill 9\noom_group_kill 0\n",
    "sys/fs/cgroup/job/step/memory.events": "low 0\noom 2\noom_kill 2\noom_group_kill 0\n",
  }, (root) => assert.equal(outOfMemoryKills(root), 2));
  withFiles({
    "proc/self/cgroup": "8:pids:/\n4:memory:/job\n0::/\n",
    "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
    "sys/fs/cgroup/memory/job/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
  }, (root) => assert.equal(outOfMemoryKills(root), 3));
  withFiles({ "proc/self/cgroup": "0::/\n" }, (root) => assert.equal(outOfMemoryKills(root), undefined));
});

Deno.test("each such kill explains one end, and none that was before the first start", () => {
  let count: number | undefined = 5;
  const kills = new OutOfMemoryKills(() => count);
  kills.begin();
  assert.equal(kills.take(), false);
  count = 7;
  kills.begin(); // another child: what is not taken yet is kept
  assert.deepEqual([kills.take(), kills.take(), kills.take()], [true, true, false]);
  count = undefined;
  assert.equal(kills.take(), false);
  const silent = new OutOfMemoryKills(() => count);
  silent.begin();
  count = 9;
  assert.equal(silent.take(), false, "nothing was known at the start");
});
