/**
 * The library's face: what a machine and a group are to a test, and every option, with its unit and its default.
 *
 * Types alone. What they do is in the files beside this one; `mod.ts` gives them out.
 */

import type { ErrorCode } from "../core/errors.ts";
import type { Stage, State } from "../wire.ts";
import type { Command } from "./shell.ts";

export type { Command, ErrorCode, Stage, State };

export type * from "./types/checkpoint.ts";
export type * from "./types/cluster.ts";
export type * from "./types/fault.ts";
export type * from "./types/machine_clock.ts";
export type * from "./types/disk_faults.ts";
export type * from "./types/machine_faults.ts";
export type * from "./types/options.ts";
export type * from "./types/process.ts";
export type * from "./types/shared.ts";
export type * from "./types/test_options.ts";
export type * from "./types/vm.ts";
export type * from "./types/vm_options.ts";
export type * from "./types/wait.ts";
