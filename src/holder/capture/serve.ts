/**
 * The verb `capture`: a line, then the frames of a group as a pcapng stream, until the client closes its writing side, leaves, or
 * the group ends. Loaded with the first capture.
 */

import { writeAll } from "../../core/bytes.ts";
import { pause, startLimit } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { GATEWAY } from "../../core/faults/gateway_name.ts";
import { listed } from "../../core/names.ts";
import { Capture, type Station } from "../../network/capture/capture.ts";
import { HostClock } from "../../network/capture/host_clock.ts";
import { MAX_FRAME } from "../../network/frame.ts";
import { SUBNET } from "../../network/subnet.ts";
import { GATEWAY_PORT } from "../../network/switch.ts";
import { VERSION } from "../../system/program_info.ts";
import { encodeLine, REPLY_TIMEOUT_MS } from "../../wire.ts";
import type { Group } from "../group/group.ts";
import { identityOf } from "../member/identity.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import type { Client } from "../server/client.ts";
import { FaultNotes } from "./fault_notes.ts";

const APPLICATION = `fleetbox ${VERSION}`;

/**
 * A recorder's frames, those of a capture with a rate, go together: after each piece so long none. A frame alone costs this process and the
 * reader ten times as much as one among others, which the machines of a test miss.
 */
const GATHER_MS = 50;

/** Less has not even the addresses of all protocols. */
const MIN_SNAP = 64;
const MAX_RATE = 1_000_000_000;

export interface CaptureWish {
  /** Members of the group, or `gateway`; undefined: all of them, those that join later, too. */
  names: readonly string[] | undefined;
  /** How many bytes of each frame are kept; undefined: all. */
  snap: number | undefined;
  /** How many frames a second at most; undefined: all. */
  rate: number | undefined;
}

/**
 * Serves a capture to its end.
 * @throws {FleetboxError} `not-found`: a name is no member of this group; `misuse`: a length or a rate that cannot be
 */
export async function serveCapture(
  group: Group,
  network: GroupNetwork,
  { names, snap, rate }: CaptureWish,
  client: Client,
): Promise<void> {
  const present = [...group.members.map(({ name }) => name), GATEWAY];
  const unknown = names?.find((name) => !present.includes(name));
  if (unknown !== undefined) {
    throw new FleetboxError("not-found", `"${unknown}" is not running in this group`, {
      hint: `In it: ${listed(group.members.map(({ name }) => name))}, and ${GATEWAY}`,
    });
  }
  const wanted = names ?? present;
  const clock = new HostClock();
  const notes = new FaultNotes();
  let wake = () => {};
  const over = new AbortController();
  const capture = new Capture({
    application: APPLICATION,
    ...(snap === undefined ? {} : { snap: checkWhole("snap", snap, MIN_SNAP, MAX_FRAME) }),
    ...(rate === undefined ? {} : { rate: checkWhole("rate", rate, 1, MAX_RATE) }),
    isWanted: (port) => names?.includes(memberAt(port)) ?? true,
    describe: (port) => stationOf(group, memberAt(port)),
    kindOf: (id) => notes.kindOf(id),
    onData: () => wake(),
  }, clock.timeUs());
  capture.declare(present.map(portOf));
  const noteFaults = () => notes.update(group.faults.stored(), new Date()).forEach((text) => capture.note(text));
  const off = group.hub.subscribe(({ event }) => {
    if (event === "member" || event === "gone") noteFaults();
  });
  noteFaults();
  const endTap = await network.capture(capture);
  let endLimit = () => {};
  const end = () => {
    if (over.signal.aborted) return;
    over.abort();
    endLimit = startLimit(REPLY_TIMEOUT_MS, () => client.close()); // for what is queued
    endTap();
    off();
    wake();
  };
  void Promise.race([client.left(), group.ended]).then(end);
  try {
    await client.write(encodeLine({ event: "capture", members: wanted }));
    const conn = client.upgrade();
    for (;;) {
      const bytes = capture.take();
      if (bytes.length > 0) {
        await writeAll(conn, bytes);
        if (rate !== undefined) await pause(GATHER_MS, over.signal);
      } else if (over.signal.aborted) break;
      else await new Promise<void>((resolve) => wake = resolve);
    }
    await writeAll(conn, capture.statistics(clock.timeUs()));
  } catch { /* the client has left: an error would be among its frames */ }
  end();
  endLimit();
}

/** A port's name in the switch, and what it is called in a capture. */
const portOf = (name: string) => name === GATEWAY ? GATEWAY_PORT : name;
const memberAt = (port: string) => port === GATEWAY_PORT ? GATEWAY : port;

function stationOf(group: Group, name: string): Station {
  if (name === GATEWAY) {
    return {
      name,
      description: "the group's gateway, which leads to the host, and its DNS",
      mac: SUBNET.gatewayMac,
      addresses: [{ ip: SUBNET.gateway, names: ["gateway"] }, { ip: SUBNET.dns, names: ["dns"] }],
    };
  }
  const member = group.member(name);
  const config = member?.config ?? member?.context.store.config(name); // it is just being adopted
  const description = `member ${name} of the group ${group.name}`;
  const identity = config ? identityOf(config) : member?.identity;
  if (!identity) return { name, description, addresses: [] };
  const { ip, mac, hostName } = identity;
  return {
    name,
    description: `${description}, ${ip}`,
    mac,
    addresses: [{ ip, names: [...new Set([hostName, name])] }],
  };
}

function checkWhole(what: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new FleetboxError(
    "misuse",
    `Bad value for ${what}: found ${value}, expected a whole number, ${least} to ${most}`,
  );
}
