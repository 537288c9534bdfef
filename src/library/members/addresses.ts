/**
 * User-data and scripts that name the machines of their group: functions of the host names and addresses, which are decided here, before
 * anything boots, as the holder would decide them: the lowest free ones, in order. The holder is asked for exactly these, and refuses what is
 * taken.
 */

import { FleetboxError } from "../../core/errors.ts";
import { SUBNET } from "../../network/subnet.ts";
import type { Wanted } from "../naming.ts";
import { needsAddresses, scriptList } from "../scripts.ts";
import type { GroupAddresses, MachineOptions, MemberAddress } from "../types.ts";

/** What a machine is given to read or to run. */
export type Texts = Pick<MachineOptions, "userData" | "run">;

interface GroupFacts {
  /** What machines are given that have none of their own. */
  common: Texts;
  /** The machines that the group has already. */
  present?: readonly MemberAddress[];
  /** Addresses of machines that are coming. */
  taken?: ReadonlySet<string>;
  /** What a machine of the store is. */
  stored?: (storeName: string) => { ip: string; host_name?: string } | undefined;
}

/** The wanted machines with their addresses, and texts in place of functions. As they are when no function is asked. */
export function withTexts(wanted: readonly Wanted[], { common, present = [], taken, stored }: GroupFacts): Wanted[] {
  const textsOf = ({ own }: Wanted): Texts => ({
    userData: own?.userData ?? common.userData,
    run: own?.run ?? common.run,
  });
  const asks = (one: Wanted) => typeof textsOf(one).userData === "function" || needsAddresses(textsOf(one).run);
  if (!wanted.some(asks)) return [...wanted];
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
    const texts = resolved(textsOf(one), one.name, { members, self });
    return { ...one, ip: self.ip, own: { ...one.own, ...texts } };
  });
}

function resolved({ userData, run }: Texts, name: string, group: GroupAddresses): Texts {
  const textOf = (what: string, made: string | ((group: GroupAddresses) => string)): string => {
    if (typeof made !== "function") return made;
    const text: unknown = made(group);
    if (typeof text === "string") return text;
    const found = `its function gave ${typeof text}, expected a text`;
    throw new FleetboxError("misuse", `Bad ${what} of "${name}": ${found}`);
  };
  const texts: Texts = {};
  if (userData !== undefined) texts.userData = textOf("user-data", userData);
  if (run !== undefined) {
    texts.run = scriptList(run).map((one) =>
      typeof one === "string" ? one : { ...one, script: textOf(`script "${one.name ?? "script"}"`, one.script) }
    );
  }
  return texts;
}
