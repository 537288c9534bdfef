/**
 * Which option of `up`, `join` and the library takes effect on a member that is there already: one table, pure.
 *
 * | effect   | what happens                                                                               |
 * | -------- | ------------------------------------------------------------------------------------------ |
 * | `boot`   | it holds for the boot that begins now                                                      |
 * | `kept`   | it is the member's from its boot on: it stands in its config                               |
 * | `change` | the member's holder changes it at once, and it is kept                                     |
 * | `wait`   | it limits how long is waited                                                               |
 * | `none`   | it cannot: what the member has is told, with what to do; the same value is no contradiction |
 *
 * Every option has a row and every row every standing: an option that is added does not compile until this is decided.
 * The command line tells what has no effect as a note, for its other members may well take it; the library refuses.
 */

import type { Options, SharedDirectory } from "../core/options.ts";
import type { MemberConfig } from "../store.ts";
import type { MemberFacts } from "./observe.ts";
import { type GroupFacts, orphanGroup } from "./observe.ts";

/** What an option may be asked of. `running`: also a machine whose holder was killed. */
export type Standing = "absent" | "stopped" | "failed" | "booting" | "running";
export type Effect = "boot" | "kept" | "change" | "wait" | "none";
/** The options that a user gives; the others are between the halves of the program. */
export type MemberOption = Exclude<
  keyof Options,
  "owner" | "remove_on_failure" | "host_names" | "snapshot" | "members" | "needs" | "inherit" | "ip" | "must"
>;

const MADE_WITH = { absent: "kept", stopped: "none", failed: "none", booting: "none", running: "none" } as const;
const OF_THE_MEMBER = {
  absent: "kept",
  stopped: "kept",
  failed: "kept",
  booting: "change",
  running: "change",
} as const;
const FROM_A_BOOT_ON = { absent: "kept", stopped: "kept", failed: "kept", booting: "none", running: "none" } as const;
const OF_A_BOOT = { absent: "boot", stopped: "boot", failed: "boot", booting: "none", running: "none" } as const;

export const EFFECTS: Record<MemberOption, Record<Standing, Effect>> = {
  image: MADE_WITH,
  arch: MADE_WITH,
  firmware: MADE_WITH,
  cpus: FROM_A_BOOT_ON,
  mem: FROM_A_BOOT_ON,
  disk: FROM_A_BOOT_ON,
  fixtures: MADE_WITH,
  shares: MADE_WITH,
  user_data: MADE_WITH,
  run: OF_THE_MEMBER,
  publish: OF_THE_MEMBER,
  egress: OF_THE_MEMBER,
  host_access: OF_THE_MEMBER,
  labels: OF_THE_MEMBER,
  log_writes: FROM_A_BOOT_ON,
  ready: OF_A_BOOT,
  cold: OF_A_BOOT,
  no_template: OF_A_BOOT,
  clock: OF_A_BOOT,
  boot_timeout_ms: { absent: "boot", stopped: "boot", failed: "boot", booting: "wait", running: "wait" },
};

/** An option that was asked for and has no effect. */
interface Ineffective {
  option: MemberOption;
  /** A sentence: what the member has instead, and why. */
  message: string;
  /** What to do. */
  hint: string;
}

/** How an option is called, and its values written, where it was asked for. */
export interface Wording {
  option(option: MemberOption): string;
  value(option: MemberOption, value: unknown): string;
}

export function standingOf({ name, report, stored }: MemberFacts, groups: readonly GroupFacts[] = []): Standing {
  if (report?.state === "error") return "failed";
  if (report?.running) return report.state === "running" ? "running" : "booting";
  if (orphanGroup(groups, name)) return "running";
  return stored || report ? "stopped" : "absent";
}

/** What was asked of a member and has no effect: it differs from what the member has. */
export function ineffective(
  name: string,
  standing: Standing,
  config: MemberConfig | undefined,
  asked: Options,
  wording: Wording,
): Ineffective[] {
  const found: Ineffective[] = [];
  for (const option of Object.keys(EFFECTS) as MemberOption[]) {
    const value = asked[option];
    if (value === undefined || EFFECTS[option][standing] !== "none") continue;
    const flag = wording.option(option);
    if (EFFECTS[option] === OF_A_BOOT) {
      found.push({
        option,
        message: `${name} ${standing === "running" ? "runs already" : "is being booted already"}: ` +
          `${value === true ? flag : `${flag} ${wording.value(option, value)}`} is for a boot`,
        hint: `To boot it with that: fleetbox stop ${name}, then again`,
      });
      continue;
    }
    if (!config || isTheSame(option, value, config)) continue;
    if (isResource(option)) {
      found.push({ option, ...otherResource(name, standing, option, value, config, wording) });
      continue;
    }
    if (EFFECTS[option] === FROM_A_BOOT_ON) {
      found.push({
        option,
        message:
          `${name} ${standing === "running" ? "runs" : "is being booted"} ${value === true ? "without" : "with"} ` +
          `${flag}: that begins and ends with a boot`,
        hint: `To boot it so: fleetbox stop ${name}, then again`,
      });
      continue;
    }
    found.push({
      option,
      message: keeps(name, option, had(option, config), value, wording),
      hint: `To make it anew, without its disk: fleetbox rm ${name}, then again`,
    });
  }
  return found;
}

type Resource = "cpus" | "mem" | "disk";

function isResource(option: MemberOption): option is Resource {
  return option === "cpus" || option === "mem" || option === "disk";
}

/** A machine that runs keeps its size; a disk keeps at least that. */
function otherResource(
  name: string,
  standing: Standing,
  option: Resource,
  asked: unknown,
  config: MemberConfig,
  wording: Wording,
): { message: string; hint: string } {
  const flag = wording.option(option);
  const [has, wanted] = [had(option, config), asked].map((value) => wording.value(option, value));
  if (option === "disk" && Math.round(Number(asked) * 1024) < config.disk_mb) {
    return {
      message: `${name} keeps ${flag} ${has}, for a disk cannot shrink (asked: ${wanted})`,
      hint: `To make it anew, without its disk: fleetbox rm ${name}, then again`,
    };
  }
  return {
    message: `${name} ${standing === "running" ? "runs" : "is being booted"} with ${flag} ${has} (asked: ${wanted}): ` +
      "that changes with a boot",
    hint: `To boot it so: fleetbox restart ${name} ${flag} ${wanted}`,
  };
}

/** What the member has instead, and why. */
function keeps(name: string, option: MemberOption, has: unknown, asked: unknown, wording: Wording): string {
  const flag = wording.option(option);
  // A text of up to 32 KiB, which no sentence can show.
  if (option === "user_data") {
    return has === undefined
      ? `${name} was made without ${flag}, and keeps none`
      : `${name} keeps the ${flag} with which it was made`;
  }
  const value = (given: unknown) => given === undefined ? "(its image's)" : wording.value(option, given);
  return `${name} keeps ${flag} ${value(has)}, with which it was made (asked: ${value(asked)})`;
}

function isTheSame(option: MemberOption, value: unknown, config: MemberConfig): boolean {
  // A machine of the image's kind, on this kind of host, almost always: nothing is known that speaks against it.
  if (option === "arch" && config.arch === undefined) return value === Deno.build.arch;
  if (option === "log_writes") return value === (config.log_writes ?? false);
  if (option === "image" && value === config.image_id) return true;
  if (option === "mem" || option === "disk") return Math.round((value as number) * 1024) === mib(option, config);
  return JSON.stringify(normal(value)) === JSON.stringify(normal(had(option, config)));
}

/** What a member has, as an option says it. */
function had(option: MemberOption, config: MemberConfig): unknown {
  if (option === "mem" || option === "disk") return mib(option, config) / 1024;
  if (option === "shares") return config.shares ?? [];
  return (config as unknown as Record<string, unknown>)[option];
}

function mib(option: "mem" | "disk", config: MemberConfig): number {
  return option === "mem" ? config.memory_mb : config.disk_mb;
}

/** Keys in one order. */
function normal(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map(({ host_path, guest_path }: SharedDirectory) => [host_path, guest_path]);
}
