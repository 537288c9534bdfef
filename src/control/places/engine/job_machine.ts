/** What a job is asked for, for one member. */

import { type Options, optionsOf } from "../../../core/options.ts";
import type { CheckpointManifest } from "../../../store/snapshots.ts";
import { wantedMachine } from "../../bring_up/room.ts";
import type { MemberFacts } from "../../observe.ts";

/** A machine that a job is for. */
export interface JobMachine {
  name: string;
  cpus: number;
  memoryMiB: number;
}

/** Pure. @param saved the checkpoint of the options: a machine that goes on from there is as it was then */
export function jobMachine(facts: MemberFacts, options: Options, saved?: CheckpointManifest): JobMachine {
  const { name } = facts;
  const config = saved?.members[options.snapshot?.members[name] ?? ""]?.config;
  const { cpus, memoryMiB } = wantedMachine(
    config ? { name, stored: { name, config } } : facts,
    optionsOf(options, name),
  );
  return { name, cpus, memoryMiB };
}
