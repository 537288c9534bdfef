/** What values read back from the store must be: they become arguments, addresses, paths and signals. */

import type { ProcessIdentity } from "../system/process.ts";

/** The check of one value, and what it expects. */
export type Check = [isRight: (value: unknown) => boolean, expected: string];

export const string: Check = [(value) => typeof value === "string", "a string"];
export const whole: Check = [
  (value) => Number.isSafeInteger(value) && (value as number) > 0,
  "a whole number above 0",
];

export function shaped(pattern: RegExp, expected: string): Check {
  return [(value) => typeof value === "string" && pattern.test(value), expected];
}

export function optional([isRight, expected]: Check): Check {
  return [(value) => value === undefined || isRight(value), expected];
}

/** Checks an object of what was parsed; keys without a check are left. @throws {TypeError} what is not as expected */
export function checkObject<T>(value: unknown, checks: Record<keyof T, Check>): T {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError("it is not a JSON object");
  }
  for (const [key, [isRight, expected]] of Object.entries<Check>(checks)) {
    const found = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    if (isRight(found)) continue;
    const shown = JSON.stringify(found) ?? "missing";
    throw new TypeError(
      `its "${key}" is ${shown.length > 80 ? `${shown.slice(0, 79)}…` : shown}, expected ${expected}`,
    );
  }
  return value as T;
}

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
