/**
 * `Deno` for programs that run on Node: the members that the client half and the library use, each behaving as Deno's.
 *
 * `scripts/npm.ts` bundles the library with this in place of the global (decision 0019), and fails when the bundle uses a
 * member that is not here.
 */

import { Command } from "./command.ts";
import { errors } from "./errors.ts";
import { files } from "./files.ts";
import { sockets } from "./sockets.ts";
import { system } from "./system.ts";
import { test } from "./test_runner.ts";

// Getters stay getters.
export const Deno: object = Object.defineProperties(
  { ...files, ...sockets, Command, errors, test },
  Object.getOwnPropertyDescriptors(system),
);
