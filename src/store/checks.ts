/** What values read back from the store must be: they become arguments, addresses, paths and signals. */

import type { ProcessIdentity } from "../system/process.ts";

export function isTime(value: unknown): boolean {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}

export function isPort(port: unknown): boolean {
  return Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536;
}

export function isProcess(value: unknown): value is ProcessIdentity {
  const { pid, startTime } = (value ?? {}) as Record<string, unknown>;
  return Number.isSafeInteger(pid) && (pid as number) > 0 && typeof startTime === "string";
}
