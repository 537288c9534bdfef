/**
 * A member as `ls` and `status` show it: from its holder, else from the store and the processes.
 *
 * Besides the protocol's states there are four that only an observer knows: `orphaned` (the machine runs, its holder
 * was killed), `damaged` (the config cannot be read), `unknown` (its holder does not answer) and `queued` (its job waits
 * for a host of a place's engine). This shape is what
 * `fleetbox ls --json` prints; keys may be added, none changes its meaning.
 */

import { hintOf, messageOf } from "../core/errors.ts";
import type { Labels } from "../core/labels.ts";
import type { PortForward } from "../core/options.ts";
import { addressOf, isPublic } from "../core/port_forwards.ts";
import type { ForwardReport, SshEndpoint, Stage, State } from "../wire.ts";
import {
  type Everything,
  forwardsOf,
  type GroupFacts,
  type MemberFacts,
  orphanGroup,
  silentMachine,
} from "../control/observe.ts";

export type ViewState = State | "orphaned" | "damaged" | "unknown" | "queued";

export interface MemberView {
  name: string;
  /** Where it is: of `ls --all-places`. A place that does not answer is one without a name. */
  place?: string;
  state: ViewState;
  stage?: Stage;
  /** True for `downloading`, `starting` and `running`. */
  running: boolean;
  /** The address on the group's network; "" while it has none. */
  ip: string;
  cpus?: number;
  memory_mb?: number;
  disk_mb?: number;
  image?: string;
  /** It is `stopped`, and its next start goes on where it was suspended. Absent: it boots. */
  suspended?: true;
  /** Its hypervisor runs but does not answer. Absent: it answers. */
  not_answering?: true;
  /** When the state began, ISO 8601. */
  since?: string;
  /** What it is called on its group's network, when that is not its name. */
  host_name?: string;
  /** Words to find it by. */
  labels?: Labels;
  /** The group that it is served in: its name, which another group can have as well, and its id. */
  group?: string;
  group_id?: string;
  /** No holder serves it: the group that it last booted in, and that it returns to while that lives. */
  last_group?: string;
  last_group_id?: string;
  /** Whether the group ends with the program that made it. */
  bound: boolean;
  /** Whether it reaches the outside. Absent: it was made by an earlier version. */
  egress?: "on" | "off";
  /** Whether it reaches services on the host's own loopback. */
  host_access?: boolean;
  ssh?: SshEndpoint;
  /** Port forwards to the member, open while it runs. */
  forwards?: ForwardReport[];
  /** The faults that it is under, at most the first 20, and how many there are. */
  faults?: { id: string; what: string }[];
  fault_count?: number;
  /** Why it is `error`, `orphaned`, `damaged` or `unknown`, or the problem of a running member. */
  reason?: string;
  /** What to do about it. */
  hint?: string;
}

export function viewOf(member: MemberFacts, groups: readonly GroupFacts[], bound = false): MemberView {
  const { name, report, silence, stored } = member;
  const config = stored && "config" in stored ? stored.config : undefined;
  const known = config &&
    {
      cpus: config.cpus,
      memory_mb: config.memory_mb,
      disk_mb: config.disk_mb,
      image: config.image,
      ...(config.egress && { egress: config.egress, host_access: config.host_access ?? false }),
    };
  const forwards = forwardsOf(member);
  const hostName = report?.host_name ?? config?.host_name;
  const base = {
    name,
    ...(hostName && { host_name: hostName }),
    ...known,
    ...(config?.labels && { labels: config.labels }),
    ip: config?.ip ?? "",
    bound,
    ...(forwards.length > 0 ? { forwards } : {}),
  };
  if (report) {
    return {
      ...base,
      state: report.state,
      stage: report.stage,
      running: report.running,
      ip: report.ip || (report.state === "running" ? "" : base.ip),
      cpus: report.cpus,
      memory_mb: report.memory_mb,
      image: report.image,
      since: report.since,
      group: report.group,
      group_id: report.group_id,
      ...(report.egress && { egress: report.egress, host_access: report.host_access ?? false }),
      ssh: report.ssh,
      ...(report.faults && { faults: report.faults, fault_count: report.fault_count }),
      ...(report.not_answering
        ? { not_answering: true, reason: messageOf(silentMachine(report)), hint: hintOf(silentMachine(report)) }
        : report.state === "error" || report.failure
        ? { reason: report.failure?.message ?? report.error, hint: report.failure?.hint ?? `fleetbox logs ${name}` }
        : {}),
    };
  }
  const problem = (state: ViewState, reason: string, hint?: string, group?: GroupFacts): MemberView => ({
    ...base,
    state,
    running: false,
    group: group?.group,
    group_id: group?.id,
    reason,
    hint,
  });
  if (silence) return problem("unknown", silence.message, silence.hint);
  const orphans = orphanGroup(groups, name);
  if (orphans?.isComingBack) {
    return problem("orphaned", "its holder died, its machine runs; it is being adopted", undefined, orphans);
  }
  if (orphans) return problem("orphaned", "its holder is gone, its machine runs", `fleetbox up ${name}`, orphans);
  if (stored && "damage" in stored) return problem("damaged", messageOf(stored.damage), stored.damage.hint);
  const last = config?.group && {
    last_group: groups.find(({ id }) => id === config.group)?.group ?? config.group_name,
    last_group_id: config.group,
  };
  return { ...base, state: "stopped", running: false, ...last, ...(member.isSuspended && { suspended: true }) };
}

/** Its state in a word for people. */
export function stateWord({ state, suspended }: Pick<MemberView, "state" | "suspended">): string {
  return suspended ? "suspended" : state;
}

export function viewsOf({ members, served, groups }: Everything): MemberView[] {
  return members.map((member) => {
    const id = member.report?.group_id;
    const bound = served.get(id ?? "")?.bound ?? groups.find((one) => one.id === id)?.bound ?? false;
    return viewOf(member, groups, bound);
  });
}

/** A forward, for people. */
export function forwardLine({ guest_port, open, problem, ...end }: ForwardReport): string {
  const state = problem ? ` (not open: ${problem})` : open ? "" : " (open when it runs)";
  return `${addressOf(end)}:${end.host_port} leads to ${end.protocol ? "UDP port" : "port"} ${guest_port}${state}`;
}

/** The ports that others than programs of this host can use, for people. */
export function publicPorts(name: string, forwards: readonly PortForward[]): string[] {
  return forwards.filter(isPublic).map((one) => {
    const port = `${one.protocol ? "UDP port" : "port"} ${one.guest_port}`;
    return `warning: other hosts can reach ${port} of ${name}, through ${addressOf(one)}:${one.host_port}`;
  });
}
