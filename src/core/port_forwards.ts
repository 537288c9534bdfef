/**
 * The host's side of a port forward: its protocol, its address and its port. TCP and 127.0.0.1 are left out wherever a
 * side is written, so that what earlier versions wrote is the same forward.
 */

import { FleetboxError } from "./errors.ts";

/** Where a port forward listens, besides its port. */
export interface HostSide {
  /** Absent: TCP. */
  protocol?: "udp";
  /** An IPv4 address of this host, or 0.0.0.0 for all. Absent: 127.0.0.1. */
  address?: string;
}

/** With its port. */
export interface HostEnd extends HostSide {
  host_port: number;
}

export const LOOPBACK = "127.0.0.1";
const ALL = "0.0.0.0";

export function addressOf({ address = LOOPBACK }: HostSide): string {
  return address;
}

/** The side alone, without what goes without saying. */
export function sideOf({ protocol, address }: HostSide): HostSide {
  return { ...(protocol && { protocol }), ...(address && { address }) };
}

/** The same text for the same end. */
export function endKey(end: HostEnd): string {
  return `${end.protocol ?? "tcp"}:${addressOf(end)}:${end.host_port}`;
}

export function isSameSide(one: HostSide, other: HostSide): boolean {
  return one.protocol === other.protocol && addressOf(one) === addressOf(other);
}

/** Whether only one of two ends can be open. */
export function collides(one: HostEnd, other: HostEnd): boolean {
  return one.host_port === other.host_port && one.protocol === other.protocol &&
    (addressOf(one) === addressOf(other) || one.address === ALL || other.address === ALL);
}

/** Whether programs of other hosts may reach it. */
export function isPublic({ address = LOOPBACK }: HostSide): boolean {
  return !address.startsWith("127.");
}

/** Checks a side from outside: `tcp` and 127.0.0.1 are left out. @throws {FleetboxError} `misuse` */
export function checkSide({ protocol, address }: { protocol?: unknown; address?: unknown }): HostSide {
  if (protocol !== undefined && protocol !== "tcp" && protocol !== "udp") {
    throw new FleetboxError("misuse", `Bad value for protocol: found ${JSON.stringify(protocol)}, expected tcp or udp`);
  }
  const checked = address === undefined ? LOOPBACK : checkAddress(address);
  return {
    ...(protocol === "udp" && { protocol: "udp" as const }),
    ...(checked !== LOOPBACK && { address: checked }),
  };
}

function checkAddress(address: unknown): string {
  if (address === "localhost") return LOOPBACK;
  const octets = typeof address === "string" && /^\d{1,3}(\.\d{1,3}){3}$/.test(address)
    ? address.split(".").map(Number)
    : [];
  // One that is read as octal elsewhere is refused, and those that no host has.
  const isOne = octets.length === 4 && octets.every((octet) => octet <= 255) && octets.join(".") === address &&
    (octets[0] > 0 || address === ALL) && octets[0] < 224;
  if (isOne) return address as string;
  const what = typeof address === "string" && address.includes(":") ? "and IPv6 is not forwarded: " : "";
  throw new FleetboxError(
    "misuse",
    `Bad address of this host: found ${
      JSON.stringify(address)
    }, ${what}expected one such as 127.0.0.1, or 0.0.0.0 for all`,
  );
}

/** `127.0.0.1:8080`, and its protocol where that is UDP. */
export function endText(end: HostEnd): string {
  return `${addressOf(end)}:${end.host_port}${end.protocol ? "/udp" : ""}`;
}
