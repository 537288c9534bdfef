/**
 * User-data that names the machines of its group: a function of their host names and addresses, which are decided here, before anything boots, as
 * the holder would decide them: the lowest free ones, in order. The holder is asked for exactly these, and refuses what is taken.
 */

import { FleetboxError } from "../../core/errors.ts";
import { SUBNET } from "../../network/subnet.ts";
import type { Wanted } from "../naming.ts";
import type { MemberAddress, UserDataOf } from "../types.ts";

type UserData = string | UserDataOf | undefined;

interface GroupFacts {
  /** The user-data of machines that have none of their own. */
  common: UserData;
  /** The machines that the group has already. */
  present?: readonly MemberAddress[];
  /** Addresses of machines that are coming. */
  taken?: ReadonlySet<string>;
  /** What a machine of the store is. */
  stored?: (storeName: string) => { ip: string; host_name?: string } | undefined;
}

/** The wanted machines with their addresses and the text of their user-data. As they are when no function is asked for it. */
export function withUserData(wanted: readonly Wanted[], { common, present = [], taken, stored }: GroupFacts): Wanted[] {
  const userDataOf = ({ own }: Wanted): UserData => own?.userData ?? common;
  if (!wanted.some((one) => typeof userDataOf(one) === "function")) return [...wanted];
  const addresses = new Set([...taken ?? [], ...present.map(({ ip }) => ip)]);
  const befores = wanted.map(({ storeName }) => stored?.(storeName));
  // Those that are there keep theirs, as far as nobody has it.
  const kept = befores.map((before) => {
    if (!before || addresses.has(before.ip) || !SUBNET.isMemberAddress(before.ip)) return undefined;
    addresses.add(before.ip);
    return before.ip;
  });
  const placed = wanted.map(({ name }, index): MemberAddress => {
    const ip = kept[index] ?? SUBNET.lowestFree((address) => addresses.has(address));
    addresses.add(ip);
    return { name: befores[index]?.host_name ?? name, ip };
  });
  const members = [...present, ...placed];
  return wanted.map((one, index) => {
    const self = placed[index];
    const userData = userDataOf(one);
    const text = typeof userData === "function" ? userData({ members, self }) : userData;
    if (typeof userData === "function" && typeof text !== "string") {
      throw new FleetboxError(
        "misuse",
        `Bad user-data of "${one.name}": its function gave ${typeof text}, expected a text`,
      );
    }
    return { ...one, ip: self.ip, own: { ...one.own, ...(text === undefined ? {} : { userData: text }) } };
  });
}
