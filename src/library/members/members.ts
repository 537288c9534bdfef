/** The machines that a call asks for: names, a number, or each with options of its own. */

import { FleetboxError } from "../../core/errors.ts";
import { checkNames } from "../../core/names.ts";
import type { Options } from "../../core/options.ts";
import { SUBNET } from "../../network/subnet.ts";
import { checked, wireMachine } from "../check.ts";
import type { Wanted } from "../naming.ts";
import type { MemberOptions, Members, RebootOptions } from "../types.ts";

/** A machine that a call asks for. */
export type Asked = Pick<Wanted, "name" | "own">;

/**
 * The machines of a group that a call asks for, in their order.
 * @param numbered names for so many machines
 * @throws {FleetboxError} `misuse`
 */
export function askedMembers(members: Members, numbered: (count: number) => string[]): Asked[] {
  if (Array.isArray(members)) return checkNames(members).map((name) => ({ name }));
  if (typeof members === "object" && members !== null) {
    checkNames(Object.keys(members));
    return Object.entries(members as Record<string, MemberOptions>).map(([name, own]) => ({
      name,
      own: checked("member", `the machine "${name}"`, own),
    }));
  }
  if (typeof members !== "number") {
    const expected = "names, a number of machines, or an object of names and options";
    throw new FleetboxError("misuse", `Not a group: found ${typeof members}, expected ${expected}`);
  }
  if (Number.isInteger(members) && members >= 1 && members <= SUBNET.capacity) {
    return numbered(members).map((name) => ({ name }));
  }
  const expected = `a whole number from 1 to ${SUBNET.capacity}`;
  throw new FleetboxError("misuse", `Not a number of machines: found ${members}, expected ${expected}`);
}

/** How many characters names in the store need besides their stem. */
export function roomFor(asked: readonly { name: string }[]): number {
  return 1 + Math.max(0, ...asked.map(({ name }) => name.length));
}

/** What single machines are asked for, in the protocol's form. */
export function memberOptions(wanted: readonly Wanted[], cwd?: () => string): Pick<Options, "members"> {
  const members = wanted.flatMap(({ storeName, own = {}, ip }) => {
    const options = { ...wireMachine(own, cwd), ...(ip === undefined ? {} : { ip }) };
    return Object.keys(options).length === 0 ? [] : [{ names: [storeName], options }];
  });
  return members.length === 0 ? {} : { members };
}

/** The options with which a member starts once more: its config has its forwards and what it may reach. */
export function again(options: Options, request: RebootOptions): Options {
  const { bootTimeoutMs, cold, clock = options.clock } = request;
  const kept = { publish: undefined, egress: undefined, host_access: undefined, ip: undefined };
  const limit = bootTimeoutMs === undefined ? {} : { boot_timeout_ms: bootTimeoutMs };
  return { ...options, ...kept, ...sizesOf(request), ...limit, cold, clock };
}

/** The size that a member is to have from now on, in the protocol's form. */
export function sizesOf({ cpus, memoryMiB, diskMiB }: RebootOptions): Pick<Options, "cpus" | "mem" | "disk"> {
  return wireMachine({ cpus, memoryMiB, diskMiB });
}
