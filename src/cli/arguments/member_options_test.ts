import * as assert from "#assert";
import { ineffective, type MemberOption, type Standing } from "../../control/option_effects.ts";
import type { Options } from "../../core/options.ts";
import type { MemberConfig } from "../../store.ts";
import { askedOptions, FLAG_WORDING, type MemberFlags, memberOptions } from "./member_options.ts";

const CONFIG = {
  name: "a",
  cpus: 1,
  memory_mb: 256,
  disk_mb: 10240,
  image: "micro",
  fixtures: [{ guest_path: "/srv", host_path: "/w/site" }],
} as unknown as MemberConfig;

function notes(flags: MemberFlags, standing: Standing = "stopped"): string[] {
  const asked = askedOptions(flags, memberOptions(flags, () => "/w", "other"));
  return ineffective("a", standing, CONFIG, asked, FLAG_WORDING).map(({ message }) => message);
}

Deno.test("an existing member that is asked for with other options says what it keeps; an image of the environment's is no wish", () => {
  assert.deepEqual(notes({}), []);
  assert.deepEqual(notes({ cpus: "1", memory: "256M", disk: "10G", image: "micro" }), []);
  assert.deepEqual(notes({ cpus: "2", memory: "1G" }), []); // it gets them when it boots
  assert.deepEqual(notes({ cpus: "2", memory: "1G" }, "running"), [
    "a runs with --cpus 1 (asked: 2): that changes with a boot",
    "a runs with --memory 256M (asked: 1G): that changes with a boot",
  ]);
  assert.deepEqual(notes({ firmware: "uefi", image: "./x.img" }, "running"), [
    "a keeps --image micro, with which it was made (asked: /w/x.img)",
    "a keeps --firmware (its image's), with which it was made (asked: uefi)",
  ]);
});

Deno.test("every flag that has no effect on a running member is named with what to do", () => {
  const asked = { user_data: "#!/bin/sh", ready: "ssh", fixtures: [], arch: "aarch64", disk: 1 } satisfies Options;
  const found = ineffective("a", "running", { ...CONFIG, arch: "x86_64" }, asked, FLAG_WORDING);
  assert.deepEqual(
    found.map(({ option, message }) => [option, message]),
    [
      ["arch", "a keeps --arch amd64, with which it was made (asked: arm64)"],
      ["disk", "a keeps --disk 10G, for a disk cannot shrink (asked: 1G)"],
      ["fixtures", "a keeps --fixture /w/site:/srv, with which it was made (asked: (none))"],
      ["user_data", "a was made without --user-data, and keeps none"],
      ["ready", "a runs already: --ready ssh is for a boot"],
    ] satisfies [MemberOption, string][],
  );
  for (const { hint } of found) assert.match(hint, /^To (make|boot) it .*: fleetbox (rm|stop) a/);
});
