/** A program that `hints_test.ts` runs; its error is not caught. */

import { start, type StartOptions } from "fleetbox";

await start("web", { memory: 1 } as StartOptions);
