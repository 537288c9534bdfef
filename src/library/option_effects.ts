/** The library's use of the table of effects: an option without an effect on an existing machine is refused. */

import { ineffective, type MemberOption, standingOf } from "../control/option_effects.ts";
import { FleetboxError, fromWireError } from "../core/errors.ts";
import { type Options, optionsOf } from "../core/options.ts";
import type { MemberConfig } from "../store.ts";
import type { MemberReport } from "../wire.ts";

/** @throws {FleetboxError} `conflict`: an existing machine differs from the options */
export function checkEffect(config: MemberConfig, options: Options): void {
  const { name } = config;
  const standing = standingOf({ name, stored: { name, config } });
  const [first] = ineffective(name, standing, config, options, {
    option: (option) => OPTION_NAMES[option],
    value: (option, value) =>
      option === "mem" || option === "disk"
        ? String(Math.round(Number(value) * 1024))
        : JSON.stringify(value) ?? "(none)",
  });
  if (!first) return;
  throw new FleetboxError("conflict", `Cannot use the machine "${name}" again: ${first.message}`, {
    hint: `Leave the option out, or remove the machine, so that it is created again: fleetbox rm ${name}`,
  });
}

/** What a machine that exists has already, whatever its group's options are. */
export const OF_ITS_OWN: Options = {
  egress: undefined,
  host_access: undefined,
  cpus: undefined,
  mem: undefined,
  disk: undefined,
};

/** Reports of machines whose scripts have run. @throws {FleetboxError} why one has not, with its last lines */
export function scriptsHaveRun(reports: MemberReport[], options: Options): MemberReport[] {
  const failed = reports.find(({ name, failure }) => failure && optionsOf(options, name).run?.length);
  if (failed) throw fromWireError(failed.failure!);
  return reports;
}

/** The library's names of the options. */
const OPTION_NAMES: Record<MemberOption, string> = {
  image: "image",
  arch: "arch",
  firmware: "firmware",
  cpus: "cpus",
  mem: "memoryMiB",
  disk: "diskMiB",
  fixtures: "fixtures",
  shares: "shares",
  user_data: "userData",
  run: "run",
  publish: "publish",
  egress: "egress",
  host_access: "hostAccess",
  labels: "labels",
  log_writes: "logWrites",
  ready: "ready",
  cold: "cold",
  no_template: "template",
  clock: "clock",
  boot_timeout_ms: "bootTimeoutMs",
};
