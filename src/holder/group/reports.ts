/** What a group tells: to a client that asks, and to the next holder, in its record. */

import type { WireError } from "../../core/errors.ts";
import { VERSION } from "../../system/program_info.ts";
import { ownIdentity, type ProcessIdentity } from "../../system/process.ts";
import type { GroupRecord } from "../../store.ts";
import type { StoredFault } from "../../store/records.ts";
import { type GroupReport, type MemberReport, PROTOCOL_VERSION } from "../../wire.ts";
import type { Member } from "../member/member.ts";
import { problemOf } from "../member/phases.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import type { Adoptions } from "./adoptions.ts";
import { together } from "./egress.ts";
import type { GroupUses } from "./uses.ts";

/** The group itself, as others see it. */
interface Named {
  readonly id: string;
  readonly name: string;
  readonly members: readonly Member[];
}

/** What is told of a group besides its members. */
export interface GroupFacts {
  bound: boolean;
  /** The names of all that belong to it, stopped ones included. */
  belongs: ReadonlySet<string>;
  uses: ReturnType<GroupUses["all"]>;
  network: GroupNetwork;
  adoptions: Adoptions;
  faults: StoredFault[];
  /** What brings the group back when this holder is killed. */
  guardian: ProcessIdentity | undefined;
}

export function groupReport(
  { id, name }: Named,
  { bound, uses, network }: GroupFacts,
  accelerator: GroupReport["accelerator"],
  members: MemberReport[],
): GroupReport {
  return {
    group: name,
    group_id: id,
    pid: Deno.pid,
    version: VERSION,
    protocol: PROTOCOL_VERSION,
    bound,
    ...together(uses),
    ...(accelerator ? { accelerator } : {}),
    members,
    gateway: network.counters(),
    ...(network.gatewayTrouble ? { gateway_trouble: network.gatewayTrouble } : {}),
  };
}

export function groupRecord({ id, name: group, members }: Named, facts: GroupFacts): GroupRecord {
  const { bound, belongs, uses, network, adoptions, guardian, faults } = facts;
  const hypervisors: Record<string, ProcessIdentity> = {};
  const ports: Record<string, number> = {};
  const since: Record<string, string> = {};
  const problems: Record<string, WireError> = {};
  const squeezed = members.filter((one) => one.squeezed || adoptions.mayBeStopped(one.name)).map(({ name }) => name);
  for (const member of members) {
    const { name, phases } = member;
    const process = member.process ?? adoptions.pending(name);
    if (process) hypervisors[name] = process;
    const running = member.state === "running" ? phases.since.toISOString() : adoptions.sinceBefore(name, process);
    if (running) since[name] = running;
    const problem = problemOf(phases.now) ?? adoptions.problemBefore(name);
    if (problem) problems[name] = problem;
    const port = member.sshPort ?? adoptions.sshPortBefore(name);
    if (port) ports[name] = port;
  }
  return {
    id,
    group,
    members: [...belongs],
    served: members.map(({ name }) => name),
    // Those whose guests have answered: this holder, or the one from which they are just being adopted.
    running: members.filter(({ name, state }) => state === "running" || adoptions.hadAnswered(name))
      .map(({ name }) => name),
    since,
    ...(Object.keys(problems).length > 0 ? { problems } : {}),
    holder: ownIdentity()!,
    guardian,
    bound,
    ...together(uses),
    gateway_restricted: network.restricted,
    hypervisors,
    gateway: network.gatewayProcess,
    ssh_ports: ports,
    ...(faults.length > 0 ? { faults } : {}),
    ...(squeezed.length > 0 ? { squeezed } : {}),
  };
}
