import * as assert from "#assert";
import { replaceVariables } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";
import { FAKE_QEMU, Workspace } from "../../../tests/fake_qemu/machine.ts";
import { chooseAccelerator, decide, type Facts, type KvmDevice } from "./accelerator.ts";
import { type DryRun, dryRun } from "./dry_run.ts";
import type { AcceleratorChoice } from "../contract.ts";
import { findQemu, parseQemuVersion, qemuVersion } from "./program.ts";

const HOST: Facts = { os: "linux", native: true, kvm: "opens", hvf: false };
const VERDICTS: [string, Partial<Facts>, string, RegExp][] = [
  ["is forced to kvm", { forced: "kvm", kvm: "absent" }, "kvm", /FLEETBOX_ACCEL=kvm/],
  ["is forced to tcg", { forced: "tcg", dryRun: { verdict: "works" } }, "tcg", /forces/],
  ["emulates another architecture", { native: false, dryRun: { verdict: "works" } }, "tcg", /another architecture/],
  ["has no /dev/kvm", { kvm: "absent" }, "tcg", /no \/dev\/kvm/],
  ["may not open /dev/kvm", { kvm: "denied" }, "tcg", /cannot be opened/],
  ["runs a small guest", { dryRun: { verdict: "works" } }, "kvm", /small guest ran/],
  ["dies with KVM", { dryRun: { verdict: "dies", message: "MSR 0x10a" } }, "tcg", /MSR 0x10a/],
  [
    "dies with more words than one",
    { dryRun: { verdict: "dies", message: "error: failed to set MSR; kvm.c:3183: Assertion `ret' failed." } },
    "tcg",
    /cannot use it \(failed to set MSR\)$/,
  ],
  ["crawls with KVM", { dryRun: { verdict: "crawls" } }, "tcg", /slower than emulation/],
  ["hangs with KVM", { dryRun: { verdict: "hangs" } }, "tcg", /did not start/],
  ["is a Mac", { os: "darwin", kvm: "absent", hvf: true }, "hvf", /macOS/],
  ["is a Mac without its hypervisor", { os: "darwin", kvm: "absent" }, "tcg", /kern\.hv_support/],
];
for (const [what, facts, accelerator, reason] of VERDICTS) {
  Deno.test(`a host that ${what} gets ${accelerator}, with the reason`, () => {
    const choice = decide({ ...HOST, ...facts }) as AcceleratorChoice;
    assert.equal(choice.accelerator, accelerator);
    assert.match(choice.reason, reason);
  });
}

Deno.test("a /dev/kvm that opens decides nothing without a dry run", () => assert.equal(decide(HOST), "dry run"));

Deno.test("an unknown accelerator is refused, and the error names it", () => {
  assert.throws(
    () => decide({ ...HOST, forced: "turbo" }),
    (error) => error instanceof FleetboxError && error.code === "misuse" && /"turbo"/.test(error.message),
  );
});

/** Hides what the environment of the test run forces. */
function unforced(): Disposable {
  return replaceVariables({ FLEETBOX_ACCEL: "" });
}

Deno.test({
  name: "the verdict is remembered, and found anew when the file is damaged, of another boot, or QEMU has changed",
  ignore: Deno.build.os !== "linux" || !exists("/dev/kvm"),
  async fn() {
    using _ = unforced();
    await using workspace = new Workspace();
    const binary = `${workspace.path}/qemu-system-${Deno.build.arch}`;
    const cacheFile = `${workspace.path}/accelerator.json`;
    Deno.writeTextFileSync(binary, "one");
    let runs = 0;
    const verdict: DryRun = { verdict: "works" };
    const look = { kvm: (): KvmDevice => "opens", dryRun: () => Promise.resolve((runs++, verdict)) };
    const choose = () => chooseAccelerator({ binary, cacheFile, look });
    const expectRuns = async (expected: number) => {
      assert.equal((await choose()).accelerator, "kvm");
      assert.equal(runs, expected);
    };
    await expectRuns(1);
    await expectRuns(1);
    for (const damage of ["", "{", "null", '{"key":"x","accelerator":"kvm","reason":"y"}']) {
      Deno.writeTextFileSync(cacheFile, damage);
      await expectRuns(runs + 1);
    }
    const before = runs;
    Deno.writeTextFileSync(binary, "another");
    await expectRuns(before + 1);
    assert.deepEqual([...Deno.readDirSync(workspace.path)].map(({ name }) => name).sort(), [
      "accelerator.json",
      `qemu-system-${Deno.build.arch}`,
    ]);
    assert.equal((await chooseAccelerator({ binary, cacheFile: "/nowhere/x", look })).accelerator, "kvm");
  },
});

Deno.test("the dry run distinguishes a QEMU that works from one that dies", async () => {
  const binary = findQemu("x86_64");
  assert.deepEqual(await dryRun(binary, "tcg"), { verdict: "works" });
  const dead = await dryRun(binary, "none-such");
  assert.ok(dead.verdict === "dies" && /invalid accelerator/.test(dead.message));
});

Deno.test("the dry run reports a guest that is too slow, and one that dies with its message", async () => {
  await using workspace = new Workspace();
  {
    using _ = workspace.behave({ "*": { kvm: "crawls" } });
    assert.deepEqual(await dryRun(FAKE_QEMU, "kvm"), { verdict: "crawls" });
  }
  using _ = workspace.behave({ "*": { kvm: "dies" } });
  const dead = await dryRun(FAKE_QEMU, "kvm");
  assert.ok(dead.verdict === "dies" && /failed to set MSR 0x10a/.test(dead.message));
});

Deno.test("a dry run that is ended from outside says nothing of KVM, and nothing is remembered", async () => {
  using _ = unforced();
  await using workspace = new Workspace();
  const binary = `${workspace.path}/qemu-system-${Deno.build.arch}`;
  Deno.writeTextFileSync(binary, "#!/bin/sh\nkill -9 $$\n", { mode: 0o755 });
  await assert.rejects(dryRun(binary, "kvm"), /ended from outside, by SIGKILL/);
  const cacheFile = `${workspace.path}/accelerator.json`;
  const look = { kvm: (): KvmDevice => "opens", dryRun: (binary: string) => dryRun(binary, "kvm") };
  await assert.rejects(chooseAccelerator({ binary, cacheFile, look }), /ended from outside/);
  assert.ok(!exists(cacheFile));
});

Deno.test("findQemu() says what to do when QEMU is missing", () => {
  {
    using _ = replaceVariables({ FLEETBOX_QEMU: "/nowhere/qemu" });
    assert.throws(() => findQemu(), /FLEETBOX_QEMU is "\/nowhere\/qemu"/);
  }
  {
    using _ = replaceVariables({ FLEETBOX_QEMU: FAKE_QEMU });
    assert.equal(findQemu(), FAKE_QEMU);
  }
  assert.throws(
    () => findQemu("vax"),
    (error) => error instanceof FleetboxError && error.code === "unavailable" && error.hint !== undefined,
  );
});

Deno.test("a QEMU older than 7.2 is refused, newer ones are not", async () => {
  assert.equal(await qemuVersion(FAKE_QEMU), "7.2.22");
  assert.equal(parseQemuVersion("QEMU emulator version 10.0.2 (Debian)", "q"), "10.0.2");
  assert.throws(() => parseQemuVersion("QEMU emulator version 7.1.0", "q"), /found 7.1.0, expected 7.2/);
  assert.throws(() => parseQemuVersion("GNU bash", "q"), /is not QEMU/);
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}
