import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { replaceVariables } from "../core/environment.ts";
import { until } from "../../tests/support/processes.ts";
import { darwin, host, replaceHost } from "./os.ts";
import { identify, isAlive, toolPath } from "./process.ts";
import { boundWrapper, sandboxArguments } from "../vmm/qemu/arguments.ts";
import { findUefi } from "../vmm/qemu/firmware.ts";
import { findQemu } from "../vmm/qemu/program.ts";
import { watchParent } from "../holder/server/bound.ts";
import { completeRecords } from "../store/orphans.ts";
import { type GroupRecord, Store } from "../store.ts";

const standIn = (name: string) => fileURLToPath(new URL(`../../tests/macos/${name}`, import.meta.url));
const macos = darwin({ ps: standIn("ps"), sysctl: standIn("sysctl") });

/** A process that waits for its end, with these arguments after the shell's own. */
function waiting(...args: string[]): Deno.ChildProcess {
  return new Deno.Command("/bin/sh", { args: ["-c", "read line", ...args], stdin: "piped" }).spawn();
}

async function end(child: Deno.ChildProcess): Promise<void> {
  await child.stdin.close().catch(() => {});
  await child.status;
}

Deno.test("macOS: a process is identified through ps by its start time while it runs, and not at all afterwards", async () => {
  using _ = replaceHost(macos);
  const child = waiting();
  const identity = identify(child.pid)!;
  assert.match(identity.startTime, /^\w{3} \w{3} \d{1,2} \d\d:\d\d:\d\d \d{4}$/);
  assert.ok(isAlive(identity));
  assert.ok(!isAlive({ ...identity, startTime: "Thu Jan  1 00:00:00 1970" }), "another one of that number");
  await end(child);
  assert.equal(identify(child.pid), undefined);
  assert.ok(!isAlive(identity));
});

Deno.test("macOS: a zombie does not run any more", async () => {
  using _ = replaceHost(macos);
  // The shell starts a child, and becomes a program that never asks for its end.
  const parent = new Deno.Command("/bin/sh", {
    args: ["-c", "sleep 0.1 & echo $!; exec cat"],
    stdin: "piped",
    stdout: "piped",
  })
    .spawn();
  const reader = parent.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  try {
    await until("it does not run any more", () => identify(pid) === undefined);
    assert.ok(Deno.statSync(`/proc/${pid}`).isDirectory, "it is gone altogether: no zombie was seen");
  } finally {
    reader.releaseLock();
    await parent.stdin.close();
    await parent.stdout.cancel();
    await parent.status;
  }
});

Deno.test("macOS: a terminal's language and zone do not change when a process started", () => {
  using _ = replaceHost(macos);
  const before = identify(Deno.pid);
  const zone = Deno.env.get("TZ");
  Deno.env.set("TZ", "Asia/Tokyo");
  try {
    assert.deepEqual(identify(Deno.pid), before);
  } finally {
    if (zone === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", zone);
  }
});

Deno.test("macOS: hypervisors that no record names are found through ps", async () => {
  using _ = replaceHost(macos);
  const root = Deno.makeTempDirSync({ prefix: "o s" });
  const store = Store.at(root);
  const machine = waiting(
    "-name",
    "guest=a",
    "-chardev",
    `socket,id=qmp,path=${store.member("a").qmpSocket},server=on`,
  );
  try {
    store.ensure();
    const gone = { pid: 1, startTime: "never" };
    const facts = {
      holder: gone,
      bound: false,
      egress: "off",
      host_access: false,
      hypervisors: {},
      ssh_ports: {},
    } as const;
    const record: GroupRecord = {
      id: "0123456789ab",
      group: "a",
      members: ["a"],
      served: ["a"],
      running: [],
      ...facts,
    };
    await store.writeGroupRecord(record);
    assert.equal(completeRecords(store)[0].hypervisors.a?.pid, machine.pid);
  } finally {
    await end(machine);
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("macOS: a bound holder hears of its client's end by looking at its parent with ps", async () => {
  using _ = replaceHost(macos);
  assert.equal(host().parentPid(), Deno.ppid);
  const client = waiting();
  const told = Promise.withResolvers<string>();
  const stop = watchParent(client.pid, told.resolve, { everyMs: 10 });
  try {
    await end(client);
    assert.equal(await told.promise, `process ${client.pid} is gone`);
  } finally {
    stop();
  }
});

Deno.test("macOS: QEMU is started as it is, with nothing that only Linux has", () => {
  using _ = replaceHost(macos);
  assert.deepEqual(boundWrapper(), []);
  assert.deepEqual(sandboxArguments(), []);
});

Deno.test("macOS: whether its hypervisor can be used says the kernel", () => {
  const before = Deno.env.get("FLEETBOX_TEST_HV_SUPPORT");
  try {
    for (const [said, expected] of [["1", true], ["0", false]] as const) {
      Deno.env.set("FLEETBOX_TEST_HV_SUPPORT", said);
      assert.equal(macos.hasHypervisor(), expected);
    }
  } finally {
    if (before === undefined) Deno.env.delete("FLEETBOX_TEST_HV_SUPPORT");
    else Deno.env.set("FLEETBOX_TEST_HV_SUPPORT", before);
  }
  assert.equal(darwin({ sysctl: "/nowhere/sysctl" }).hasHypervisor(), false);
});

Deno.test("macOS: what is missing is installed with Homebrew, and looked for where that puts it", () => {
  using _ = replaceHost(macos);
  using _qemu = replaceVariables({ FLEETBOX_QEMU: "" });
  assert.throws(() => findQemu("aarch64", "/nowhere"), { hint: "Install it: brew install qemu" });
  assert.throws(() => findUefi("aarch64", ["/nowhere"]), { hint: "Install it: brew install qemu" });
  assert.ok(host().shares.includes("/opt/homebrew/share"));
  assert.ok(host().programDirs.includes("/opt/homebrew/opt/e2fsprogs/sbin"));
  assert.equal(toolPath("no-such-program"), "no-such-program");
});

Deno.test("macOS: the time that a process has used is read in ps's form", () => {
  const told = (text: string) => {
    const ps = Deno.makeTempFileSync({ prefix: "ps" });
    try {
      Deno.writeTextFileSync(ps, `#!/bin/sh\necho '${text}'\n`);
      Deno.chmodSync(ps, 0o755);
      return darwin({ ps }).cpuTimeMs(1);
    } finally {
      Deno.removeSync(ps);
    }
  };
  assert.equal(told("  0:00.25"), 250);
  assert.equal(told(" 12:34.50"), 754_500);
  assert.equal(told("1:02:03.00"), 3_723_000);
  assert.equal(told("nonsense"), 0);
});

Deno.test("Linux: the facts are the kernel's own", () => {
  const linux = host();
  assert.equal(linux.name, "linux");
  assert.equal(linux.parentPid(), Deno.ppid);
  assert.match(linux.startTimeOf(Deno.pid)!, /^\d+$/);
  assert.ok([...linux.commandLines()].some(({ pid, args }) => pid === Deno.pid && args.length > 1));
  assert.match(linux.bootId()!, /^[0-9a-f-]{36}$/);
  assert.ok(Math.abs(linux.uptime() - Deno.osUptime()) < 2);
  const parts = Array.from({ length: 3 }, () => (Atomics.wait(STILL, 0, 0, 15), linux.uptime() % 1));
  assert.ok(new Set(parts).size > 1, `not in whole seconds: ${parts}`);
});

/** Nothing that anybody changes. */
const STILL = new Int32Array(new SharedArrayBuffer(4));
