/**
 * What a member is called and what it has on its group's network: its host name, its address, its MAC.
 *
 * The address is kept when nobody has it here; its last octet is the member's slot, and the MAC follows from the slot. So
 * every group of three looks the same from within, whatever the store calls its members. A config of an earlier version has
 * a MAC of another kind, and keeps it. Pure.
 */

import { FleetboxError } from "../../core/errors.ts";
import { SUBNET } from "../../network/subnet.ts";
import type { MemberConfig } from "../../store.ts";

export interface Identity {
  /** Unique in the group. */
  hostName: string;
  ip: string;
  mac: string;
}

/** Another member of the group. */
export interface Neighbour extends Identity {
  /** Its name in the store. */
  name: string;
}

/** The identity that a config says. */
export function identityOf({ name, host_name, ip, mac }: MemberConfig): Neighbour {
  return { name, hostName: host_name ?? name, ip, mac };
}

/**
 * A member's settings from its next boot on.
 * @param before its config; undefined for a new one.
 * @param asked the host name and the address that it is asked to have.
 * @param served the members of the group that the holder serves: what they have, nobody else gets.
 * @param away those that are stopped and will come back: a new address is none of theirs.
 * @throws {FleetboxError} `conflict`: the host name or the MAC is another's, or the network is full.
 */
export function decideIdentity(
  name: string,
  before: MemberConfig | undefined,
  asked: { hostName?: string; ip?: string },
  served: readonly Neighbour[],
  away: readonly Neighbour[],
): Identity {
  const hostName = decideHostName(name, before, asked.hostName, [...served, ...away]);
  const kept = before && before.mac !== SUBNET.macOf(before.ip) ? before.mac : undefined;
  const twin = served.find(({ mac }) => mac === kept);
  if (twin) throw sameMac(name, twin);
  const isTaken = (address: string, among: readonly Neighbour[]) =>
    among.some(({ ip, mac }) => ip === address || (kept === undefined && mac === SUBNET.macOf(address)));
  const mayStay = before !== undefined && SUBNET.isMemberAddress(before.ip) && !isTaken(before.ip, served);
  const isFree = (address: string) => !isTaken(address, served) && !isTaken(address, away);
  const ip = mayStay ? before.ip : asked.ip ?? SUBNET.lowestFree((address) => !isFree(address));
  if (asked.ip !== undefined && (ip !== asked.ip || !SUBNET.isMemberAddress(ip) || !(mayStay || isFree(ip)))) {
    throw otherAddress(name, asked.ip, mayStay ? before.ip : undefined);
  }
  return { hostName, ip, mac: kept ?? SUBNET.macOf(ip) };
}

/**
 * A member's host name: the one with which it was made, for a new one what is asked, else its name.
 * @throws {FleetboxError} `conflict`: another member has it, or is called so in the store. DNS answers both, for one each.
 */
export function decideHostName(
  name: string,
  before: Pick<MemberConfig, "host_name"> | undefined,
  asked: string | undefined,
  others: readonly Pick<Neighbour, "name" | "hostName">[],
): string {
  const had = before && (before.host_name ?? name);
  if (had !== undefined && asked !== undefined && asked !== had) {
    throw new FleetboxError(
      "conflict",
      `"${name}" keeps the host name "${had}", with which it was made (asked: "${asked}")`,
      {
        hint: `To make it anew, without its disk: fleetbox rm ${name}, then again`,
      },
    );
  }
  const hostName = had ?? asked ?? name;
  const other = others.find((one) => one.hostName === hostName || one.hostName === name || one.name === hostName);
  if (!other) return hostName;
  const found = other.hostName === name || other.hostName === hostName ? "the host name" : "the name";
  const taken = other.hostName === name ? name : hostName;
  throw new FleetboxError(
    "conflict",
    `Cannot bring "${name}" onto this network: "${taken}" is ${found} of ${
      other.name === taken ? "another member" : `"${other.name}"`
    } there already`,
    { hint: "Give it another host name, or bring it up in a group of its own." },
  );
}

function otherAddress(name: string, asked: string, had: string | undefined): FleetboxError {
  const why = had !== undefined
    ? `it keeps ${had}`
    : SUBNET.isMemberAddress(asked)
    ? "another member has it"
    : `it is none of ${SUBNET.cidr}'s members`;
  return new FleetboxError("conflict", `"${name}" cannot have the address ${asked}: ${why}`, {
    hint: "Start it again: the addresses are decided anew then.",
  });
}

function sameMac(name: string, { name: other, mac }: Neighbour): FleetboxError {
  return new FleetboxError(
    "conflict",
    `Cannot bring "${name}" onto this network: its MAC address ${mac} is that of "${other}"`,
    { hint: "Bring it up in a group of its own." },
  );
}
