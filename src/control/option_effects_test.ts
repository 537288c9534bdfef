import * as assert from "#assert";
import { DEFAULTS, type Options } from "../core/options.ts";
import type { MemberConfig } from "../store.ts";
import { type Effect, EFFECTS, ineffective, type MemberOption, type Standing, standingOf } from "./option_effects.ts";

const STANDINGS: Standing[] = ["absent", "stopped", "failed", "booting", "running"];

/** What each option does, a letter a standing: absent, stopped, failed, booting, running. */
const EXPECTED: Record<MemberOption, string> = {
  image: "k....",
  arch: "k....",
  firmware: "k....",
  cpus: "kkk..",
  mem: "kkk..",
  disk: "kkk..",
  fixtures: "k....",
  shares: "k....",
  user_data: "k....",
  run: "kkkcc",
  publish: "kkkcc",
  egress: "kkkcc",
  host_access: "kkkcc",
  labels: "kkkcc",
  log_writes: "kkk..",
  ready: "bbb..",
  cold: "bbb..",
  no_template: "bbb..",
  clock: "bbb..",
  boot_timeout_ms: "bbbww",
};

const CONFIG = {
  name: "a",
  image: "micro",
  cpus: 1,
  memory_mb: 256,
  disk_mb: DEFAULTS.diskMiB,
  fixtures: [],
  egress: "on",
  host_access: false,
} as unknown as MemberConfig;

/** Of each option a value that the member of {@link CONFIG} does not have. */
const OTHERS: Required<Pick<Options, MemberOption>> = {
  image: "debian-12",
  arch: Deno.build.arch === "x86_64" ? "aarch64" : "x86_64",
  firmware: "uefi",
  cpus: 2,
  mem: 1,
  disk: 20,
  shares: [{ host_path: "/a", guest_path: "/b" }],
  fixtures: [{ host_path: "/a", guest_path: "/b" }],
  user_data: "#!/bin/sh",
  run: [{ name: "x.sh", text: "true" }],
  publish: [{ guest_port: 80 }],
  egress: "off",
  host_access: true,
  labels: { tier: "db" },
  log_writes: true,
  ready: "ssh",
  cold: true,
  no_template: true,
  clock: "keep",
  boot_timeout_ms: 1000,
};

const WORDS = { option: (option: MemberOption) => option, value: (_: MemberOption, value: unknown) => String(value) };
const LETTERS: Record<Effect, string> = { boot: "b", kept: "k", change: "c", wait: "w", none: "." };

Deno.test("every option has its effect in every standing of a member", () => {
  const table = Object.fromEntries(
    Object.entries(EFFECTS).map(([option, row]) => [option, STANDINGS.map((one) => LETTERS[row[one]]).join("")]),
  );
  assert.deepEqual(table, EXPECTED);
});

for (const option of Object.keys(EXPECTED) as MemberOption[]) {
  Deno.test(`${option}: named where it has no effect, with what to do, and nowhere else`, () => {
    for (const standing of STANDINGS) {
      const config = standing === "absent" ? undefined : CONFIG;
      const found = ineffective("a", standing, config, { [option]: OTHERS[option] }, WORDS);
      const expected = EFFECTS[option][standing] === "none" ? [option] : [];
      assert.deepEqual(found.map((one) => one.option), expected, standing);
      for (const { message, hint } of found) {
        assert.ok(message.includes(option) && message.startsWith("a "), message);
        assert.match(hint, /fleetbox (rm|stop|restart) a/);
      }
    }
  });
}

Deno.test("what a member has already is no contradiction, however it is written", () => {
  const same: Options = { image: "micro", cpus: 1, mem: 0.25, disk: 10, fixtures: [], arch: Deno.build.arch };
  for (const standing of STANDINGS) assert.deepEqual(ineffective("a", standing, CONFIG, same, WORDS), [], standing);
  const shared = { ...CONFIG, fixtures: [{ guest_path: "/b", host_path: "/a" }] };
  assert.deepEqual(ineffective("a", "running", shared, { fixtures: OTHERS.fixtures }, WORDS), []);
});

Deno.test("a disk that runs is told to grow by a restart, and that it cannot shrink", () => {
  const told = (disk: number) => ineffective("a", "running", CONFIG, { disk }, WORDS).map(({ hint }) => hint).join();
  assert.match(told(20), /fleetbox restart a disk 20/);
  assert.match(told(5), /fleetbox rm a/);
});

Deno.test("a member's standing is what is observed of it; a machine without its holder runs", () => {
  const stored = { name: "a", config: CONFIG };
  const report = (state: string) => ({
    name: "a",
    state,
    running: ["running", "starting", "downloading"].includes(state),
  });
  const of = (state: string) => standingOf({ name: "a", stored, report: report(state) as never });
  assert.equal(standingOf({ name: "a" }), "absent");
  assert.equal(standingOf({ name: "a", stored }), "stopped");
  assert.deepEqual(["downloading", "starting", "running", "stopped", "error"].map(of), [
    ...["booting", "booting", "running", "stopped", "failed"],
  ]);
  const orphans = { id: "1", group: "a", members: ["a"], holder: 1, holderAlive: false, served: ["a"] };
  const groups = [{ ...orphans, machinesAlive: ["a"], running: ["a"], bound: false, isComingBack: false }];
  assert.equal(standingOf({ name: "a", stored }, groups), "running");
});
