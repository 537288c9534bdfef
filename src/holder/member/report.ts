/** What a holder reports of a member. */

import { type MemberReport, type SshEndpoint } from "../../wire.ts";
import type { Member } from "./member.ts";
import { isActive, runOf, wireState } from "./phases.ts";

/** @param ssh where its guest answers, once that is known */
export function memberReport(member: Member, ssh: SshEndpoint | undefined): MemberReport {
  const { config, context, phases: { now, since } } = member;
  const { state, stage, failure } = wireState(now);
  const report: MemberReport = {
    name: member.name,
    pid: Deno.pid,
    running: isActive(state),
    ip: isActive(state) ? config?.ip ?? "" : "",
    state,
    since: since.toISOString(),
    group: context.group,
    group_id: context.groupId,
    cpus: config?.cpus ?? 0,
    memory_mb: config?.memory_mb ?? 0,
    image: config?.image ?? "",
  };
  const hostName = config ? config.host_name : member.identity?.hostName;
  if (hostName !== undefined && hostName !== member.name) report.host_name = hostName;
  if (context.bound) report.bound = true;
  if (config?.egress) {
    report.egress = config.egress;
    report.host_access = config.host_access ?? false;
  }
  if (member.isLeaving) report.leaving = true;
  if (stage && stage !== "ready") report.stage = stage;
  if (now.kind === "preparing" && now.download) report.download = now.download;
  if (failure) {
    report.error = [failure.message, ...failure.causes].join("\n");
    report.failure = failure;
  }
  if (ssh && (state === "running" || stage === "cloud-init" || stage === "script")) report.ssh = ssh;
  const run = runOf(now);
  if (run?.isWarm) report.warm = true;
  if (run && run.resets > 0) report.resets = run.resets;
  if (config?.template) report.template = config.template;
  if (run) Object.assign(report, { hypervisor: run.machine.hypervisor, hypervisor_pid: run.machine.process.pid });
  const forwards = member.ports.report();
  if (forwards.length > 0) report.forwards = forwards;
  const network = context.network.counters(member.name);
  if (network) report.network = network;
  const { first, count } = context.faults().of(member.name);
  if (count > 0) Object.assign(report, { faults: first, fault_count: count });
  return report;
}
