/**
 * The driver with which this program runs machines. The one place that names it, with `processes.ts`; everybody else knows
 * the contract. Loads all of the driver: commands that only look at processes import `processes.ts`.
 */

import type { Driver } from "./contract.ts";
import { qemu } from "./qemu/driver.ts";

export const driver: Driver = qemu;
