import * as assert from "#assert";
import { hostRoom } from "./host_room.ts";
import { fakeHost } from "./testing.ts";

const LIMITS = "Limit      Soft Limit   Hard Limit   Units\n" +
  "Max processes             300                  96365                processes \n" +
  "Max open files            1024                 1048576              files     \n";
const MIB = 1024 * 1024;

Deno.test("the smallest limit counts: of the process, its user, any of its control groups; cached files are free memory", () => {
  const root = fakeHost({
    "proc/self/limits": LIMITS,
    "proc/self/status": "Name:\tx\nUid:\t1000\t1000\t1000\t1000\n",
    "proc/self/cgroup": "0::/user/run\n",
    "proc/7/status": "Uid:\t1000\t1000\t1000\t1000\n",
    "proc/7/task/7/x": "",
    "proc/7/task/8/x": "",
    "proc/8/status": "Uid:\t0\t0\t0\t0\n",
    "proc/8/task/8/x": "",
    "proc/meminfo": "MemTotal:       24684416 kB\nMemAvailable:    2097152 kB\n",
    "sys/fs/cgroup/pids.max": "max\n",
    "sys/fs/cgroup/user/pids.max": "400\n",
    "sys/fs/cgroup/user/pids.current": "150\n",
    "sys/fs/cgroup/user/run/memory.max": `${1024 * MIB}\n`,
    "sys/fs/cgroup/user/run/memory.current": `${900 * MIB}\n`,
    "sys/fs/cgroup/user/run/memory.stat": `anon 1\ninactive_file ${300 * MIB}\n`,
  });
  try {
    assert.deepEqual(hostRoom("self", root), {
      openFiles: { limit: 1024, used: 0 },
      processes: { free: 250, limitedBy: `${root}/sys/fs/cgroup/user/pids.max is 400` },
      memory: { free: 424 * MIB, limitedBy: `${root}/sys/fs/cgroup/user/run/memory.max is ${1024 * MIB}` },
    });
    Deno.writeTextFileSync(`${root}/proc/self/cgroup`, "8:pids:/\n4:cpu,memory:/a\n0::/\n");
    assert.deepEqual(hostRoom("self", root).processes, { free: 298, limitedBy: "ulimit -u is 300" });
    assert.deepEqual(hostRoom("self", root).memory, { free: 2048 * MIB, limitedBy: "this host's memory" });
    assert.deepEqual(hostRoom("self", `${root}/sys`), {}); // a host that tells nothing
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
