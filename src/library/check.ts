/** Checks options at run time, too: unknown options, wrong types, values out of range. */

import { resolve } from "../system/path.ts";
import { FleetboxError } from "../core/errors.ts";
import { areLabels } from "../core/labels.ts";
import { imageReference } from "../core/image_reference.ts";
import "./hints.ts";
import { SHARES } from "../core/faults/cpu.ts";
import { PACKAGES, TARGETS } from "../core/faults/packages.ts";
import { DISK_OPERATIONS, RATE_STEPS } from "../core/faults/disk.ts";
import { LOSS_MODES } from "../core/power_cut.ts";
import { nearest } from "../core/nearest.ts";
import { needsAddresses, scriptsOf } from "./scripts.ts";
import { DEFAULTS, LIMITS, type Options } from "../core/options.ts";
import { clip } from "../core/bytes.ts";
import type { MachineOptions, StartOptions } from "./types.ts";

type Check = (value: unknown) => string | undefined;

/** Returns the expected form when a value has another. */
const number = (min: number, max: number, isWhole = false): Check => (value) =>
  typeof value === "number" && value >= min && value <= max && (!isWhole || Number.isInteger(value))
    ? undefined
    : `a ${isWhole ? "whole " : ""}number from ${min} to ${max}`;
const boolean: Check = (value) => typeof value === "boolean" ? undefined : "true or false";
const text: Check = (value) =>
  typeof value === "string" && value !== "" && !value.includes("\0") ? undefined : "a string";
const oneOf = (...values: string[]): Check => (value) =>
  values.includes(value as string) ? undefined : values.map((one) => JSON.stringify(one)).join(" or ");
const words = (known: readonly string[]): Check => (value) =>
  Array.isArray(value) && value.length > 0 && value.every((one) => known.includes(one))
    ? undefined
    : `a list of ${known.map((one) => JSON.stringify(one)).join(", ")}`;
const signal: Check = (value) => value instanceof AbortSignal ? undefined : "an AbortSignal";
const milliseconds = number(0, 24 * 3600 * 1000);
const bytes: Check = (value) =>
  typeof value === "string" || value instanceof Uint8Array || value instanceof ReadableStream
    ? undefined
    : "a string, a Uint8Array or a ReadableStream";
const record: Check = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? undefined : "an object";

const isPort = number(1, 65_535, true);
const ports: Check = (value) => {
  const isRight = (one: unknown) => {
    if (typeof one === "number") return isPort(one) === undefined;
    if (record(one) !== undefined) return false;
    const { guestPort, hostPort, ...others } = one as Record<string, unknown>;
    const isFree = hostPort === undefined || isPort(hostPort) === undefined;
    return isPort(guestPort) === undefined && isFree && Object.keys(others).length === 0;
  };
  return Array.isArray(value) && value.every(isRight)
    ? undefined
    : "a list of ports, or of {hostPort, guestPort}, from 1 to 65535";
};

const fixtures: Check = (value) => {
  const isOne = (one: unknown) =>
    record(one) === undefined && Object.entries(one as object).every(([key, path]) =>
      (key === "hostPath" || key === "guestPath") && text(path) === undefined
    ) && Object.keys(one as object).length === 2;
  return Array.isArray(value) && value.every(isOne) ? undefined : "a list of {hostPath, guestPath}";
};

const commands: Check = (value) => {
  const isOne = (one: unknown) => Array.isArray(one) ? one.length > 0 && !one.some(text) : text(one) === undefined;
  return Array.isArray(value) && value.every(isOne) ? undefined : "a list of commands";
};

const labels: Check = (value) => areLabels(value) ? undefined : 'texts by key, such as {"tier":"db"}';

const scripts: Check = (value) => {
  const isOne = (one: unknown) => {
    if (typeof one === "string") return one !== "";
    if (record(one) !== undefined) return false;
    const { script, name = "script", ...others } = one as Record<string, unknown>;
    return (typeof script === "function" || text(script) === undefined) && text(name) === undefined &&
      Object.keys(others).length === 0;
  };
  return (Array.isArray(value) ? value : [value]).every(isOne)
    ? undefined
    : "a path, {script, name?}, or a list of them";
};

const MACHINE = {
  image: text,
  arch: oneOf("amd64", "arm64"),
  firmware: oneOf("bios", "uefi"),
  fixtures,
  userData: (value: unknown) => typeof value === "function" ? undefined : text(value) && "a string or a function",
  run: scripts,
  ready: oneOf("ssh", "cloud-init"),
  cold: boolean,
  template: boolean,
  clock: oneOf("set", "keep"),
  cpus: number(1, LIMITS.cpus, true),
  memoryMiB: number(LIMITS.memoryMinMiB, LIMITS.memoryMaxMiB),
  diskMiB: number(1, LIMITS.diskMaxMiB),
  publish: ports,
  egress: oneOf("on", "off"),
  hostAccess: boolean,
  labels,
  logWrites: boolean,
  bootTimeoutMs: number(1, 24 * 3600 * 1000),
  signal,
};
const { signal: _, ...MEMBER } = MACHINE;
const FAULT = { forMs: number(1, 24 * 3600 * 1000), seed: number(0, 2 ** 32 - 1, true) };
const LIMITED = { timeoutMs: milliseconds, signal };
const PROCESS = { env: record, cwd: text, ...LIMITED };

const RESTART = { bootTimeoutMs: MACHINE.bootTimeoutMs, cold: boolean, clock: MACHINE.clock, signal };

const START = { ...MACHINE, store: text, on: text, existing: oneOf("refuse", "reuse") };

/** The options of each call, by name. */
const CALLS = {
  add: MACHINE,
  member: MEMBER,
  start: START,
  test: { ...START, logs: commands },
  shared: { ...MACHINE, store: text, on: text, key: text, logs: commands },
  exec: { ...PROCESS, stdin: bytes, check: boolean, maxOutputBytes: number(0, 2 ** 30, true) },
  spawn: { ...PROCESS, stdin: (value: unknown) => value === "piped" ? undefined : bytes(value) },
  copy: LIMITED,
  write: { mode: number(0, 0o7777, true), ...LIMITED },
  wait: { ...LIMITED, intervalMs: number(1, 3600 * 1000), message: text },
  stop: { graceMs: milliseconds, signal },
  kill: { loseUnflushed: oneOf("none", ...LOSS_MODES), seed: number(0, Number.MAX_SAFE_INTEGER, true) },
  restart: RESTART,
  reboot: {
    ...RESTART,
    graceMs: milliseconds,
    force: boolean,
    cpus: MACHINE.cpus,
    memoryMiB: MACHINE.memoryMiB,
    diskMiB: MACHINE.diskMiB,
  },
  checkpoint: { signal },
  nemesis: {
    faults: words(PACKAGES),
    targets: words(TARGETS),
    intervalMs: number(100, 24 * 3600 * 1000),
    durationMs: number(1, 24 * 3600 * 1000),
    quietMs: milliseconds,
    seed: number(0, 2 ** 32 - 1, true),
    primaries: (value: unknown) => typeof value === "function" ? undefined : "a function",
    of: (value: unknown) => Array.isArray(value) && value.length > 0 ? undefined : "a list of machines",
  },
  fault: FAULT,
  strobe: {
    ...FAULT,
    byMs: (value: unknown) => typeof value === "number" ? undefined : "a number",
    periodMs: milliseconds,
  },
  failDisk: {
    ...FAULT,
    on: words(DISK_OPERATIONS),
    error: text,
    once: boolean,
    rate: number(1 / RATE_STEPS, 1),
    sectors: (value: unknown) => Array.isArray(value) && value.length === 2 ? undefined : "the first and the last one",
  },
  slowDisk: { ...FAULT, on: words(DISK_OPERATIONS), iops: number(1, 1_000_000, true), latencyMs: number(1, 5_000) },
  fillDisk: { ...FAULT, share: number(0.01, 1), path: text },
  squeeze: { ...FAULT, availableMiB: number(1, 1024 * 1024, true) },
  throttle: { ...FAULT, share: number(SHARES.min, SHARES.max) },
  openCheckpoint: { store: text, on: text },
  fork: {
    publish: ports,
    egress: MACHINE.egress,
    hostAccess: boolean,
    clock: MACHINE.clock,
    bootTimeoutMs: MACHINE.bootTimeoutMs,
    signal,
  },
  restore: { clock: MACHINE.clock, bootTimeoutMs: MACHINE.bootTimeoutMs, signal },
  console: { lines: number(0, 1_000_000, true), all: boolean },
} satisfies Record<string, Record<string, Check>>;

/**
 * Checks the options of a call, and returns them.
 * @param call in words, for the error: `exec() on "web"`.
 * @throws {FleetboxError} `misuse`: an unknown option, a wrong type, a value out of its range.
 */
export function checked<T extends object>(kind: keyof typeof CALLS, call: string, options: T | undefined): T {
  const given: unknown = options ?? {};
  if (record(given) !== undefined) {
    throw new FleetboxError("misuse", `Bad options of ${call}: found ${shown(given)}, expected an object`);
  }
  const checks: Record<string, Check> = CALLS[kind];
  for (const [key, value] of Object.entries(given as object)) {
    if (!Object.hasOwn(checks, key)) {
      throw new FleetboxError(
        "misuse",
        `Unknown option "${key}" of ${call}; expected ${Object.keys(checks).map((one) => `"${one}"`).join(", ")}`,
        { hint: meantOption(key, Object.keys(checks)) },
      );
    }
    const expected = value === undefined ? undefined : checks[key](value);
    if (expected) {
      throw new FleetboxError("misuse", `Bad option "${key}" of ${call}: found ${shown(value)}, expected ${expected}`, {
        hint: meantValue(key, value, checks[key]),
      });
    }
  }
  return given as T;
}

/** `memory` for `memoryMiB`, `timeout` for `timeoutMs`: the unit is missing, or mistyped. */
function meantOption(key: string, known: string[]): string | undefined {
  const word = key.toLowerCase();
  const meant = known.find((one) => one.toLowerCase().startsWith(word)) ??
    known.find((one) => one.toLowerCase().includes(word)) ?? nearest(key, known);
  return meant === undefined || word === "" ? undefined : `Did you mean "${meant}"?`;
}

/** A number of GiB or seconds for an option in MiB or milliseconds. */
function meantValue(key: string, value: unknown, check: Check): string | undefined {
  if (typeof value !== "number" || !/MiB$/.test(key)) return undefined;
  const meant = value * 1024;
  return check(meant) === undefined ? `Did you mean ${meant} (${value} GiB)? It is in MiB.` : undefined;
}

/** The options of a group in the protocol's form. The holder chooses absent ones. */
export function wireOptions(options: StartOptions, cwd?: () => string): Options & { boot_timeout_ms: number } {
  return { boot_timeout_ms: DEFAULTS.bootTimeoutMs, ...wireMachine(options, cwd) };
}

/** Those of a machine, for which those of its group hold where it has none. */
export function wireMachine(options: MachineOptions, cwd: () => string = Deno.cwd): Options {
  const { image, arch, firmware, fixtures, userData, ready, cpus, memoryMiB, diskMiB } = options;
  const { bootTimeoutMs, egress, hostAccess } = options;
  const wire: Options = {};
  if (bootTimeoutMs !== undefined) wire.boot_timeout_ms = bootTimeoutMs;
  if (image !== undefined) wire.image = imageReference(image, cwd);
  if (arch !== undefined) wire.arch = arch === "arm64" ? "aarch64" : "x86_64";
  if (firmware !== undefined) wire.firmware = firmware;
  if (fixtures !== undefined) {
    wire.fixtures = fixtures.map(({ hostPath, guestPath }) => ({
      host_path: resolve(cwd(), hostPath),
      guest_path: guestPath,
    }));
  }
  if (typeof userData === "string") wire.user_data = userData; // a function is asked where the addresses are known
  if (options.run !== undefined && !needsAddresses(options.run)) wire.run = scriptsOf(options.run, cwd);
  if (ready !== undefined) wire.ready = ready;
  if (options.cold) wire.cold = true;
  if (options.template === false) wire.no_template = true;
  if (options.clock !== undefined) wire.clock = options.clock;
  if (cpus !== undefined) wire.cpus = cpus;
  if (memoryMiB !== undefined) wire.mem = memoryMiB / 1024;
  if (diskMiB !== undefined) wire.disk = diskMiB / 1024;
  if (options.publish !== undefined) {
    wire.publish = options.publish.map((one) => {
      const { hostPort, guestPort } = typeof one === "number" ? { guestPort: one, hostPort: undefined } : one;
      return hostPort === undefined ? { guest_port: guestPort } : { guest_port: guestPort, host_port: hostPort };
    });
  }
  if (egress !== undefined) wire.egress = egress;
  if (hostAccess !== undefined) wire.host_access = hostAccess;
  if (options.labels !== undefined) wire.labels = options.labels;
  if (options.logWrites !== undefined) wire.log_writes = options.logWrites;
  return wire;
}

function shown(value: unknown): string {
  return clip(typeof value === "function" ? "a function" : JSON.stringify(value) ?? String(value), 80);
}
