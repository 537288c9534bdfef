/** A program for `hints_test.ts` to run, whose error nobody catches. */

import { start, type StartOptions } from "fleetbox";

await start("web", { memory: 1 } as StartOptions);
