/** `fleetbox status`: all facts about one member. */

import { Command } from "../arguments/parser.ts";
import { getGroup, getReport } from "../../control.ts";
import { labelsText } from "../../core/labels.ts";
import { checkName } from "../../core/names.ts";
import { naturalOrder, type Store } from "../../store.ts";
import { diskOf } from "../../store/disk.ts";
import type { MemberScript } from "../../store/scripts.ts";
import type { GroupReport, MemberReport, PortReport } from "../../wire.ts";
import { ageText } from "../arguments/duration.ts";
import { forwardLine, type MemberView, stateWord, viewOf } from "../member_view.ts";
import { transferText } from "../terminal/meter.ts";
import { ANSWER_MS, type MemberFacts, observeGroups } from "../../control/observe.ts";
import { say, sayJson, terminalWidth } from "../terminal/output.ts";
import { wrapLine } from "../terminal/wrap.ts";
import { shellQuote } from "../../core/quoting.ts";
import { bytesText, sizeText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { atPlace } from "../places/current.ts";

export function statusCommand(): Command {
  return new Command("status")
    .alias("info")
    .description("show all about one member")
    .argument("<name>", "the member")
    .option("--verbose", "also its hypervisor's command line, ready to paste")
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      `
--json: what its holder reports {"name","host_name"?,"state","stage"?,"running","ip","since"?,"group"?,
"group_id"?,"last_group"?,"last_group_id"?,"labels"?,"pid"?,"hypervisor"?,"hypervisor_pid"?,"suspended"?,"cpus","memory_mb","image","egress","host_access","ssh"?,"forwards"?,"network"?,"faults"?,"failure"?}
with the group's "bound","accelerator","gateway_trouble"?, and "config" and "paths" from the store.

Example:
  fleetbox status a --json | jq .network.dropped`,
    )
    .action(async (word: string, flags: { json?: boolean; verbose?: boolean }) => {
      const store = openStore();
      const member = await requireMember(store, checkName(word));
      if (member.report && (flags.json || flags.verbose)) {
        member.report = await getReport(store, member.name, ANSWER_MS, true).catch(() => undefined) ?? member.report;
      }
      const group = member.report ? await getGroup(store, member.name).catch(() => undefined) : undefined;
      const view = viewOf(member, observeGroups(store), group?.bound);
      if (flags.json) sayJson(statusJson(store, member, view, group));
      else statusLines(view, member, store, group, Date.now(), terminalWidth()).forEach(say);
      const command = member.report?.command;
      if (flags.verbose && !flags.json && command) say(`\n${command.map(shellQuote).join(" ")}`);
    });
}

function statusJson(store: Store, member: MemberFacts, view: MemberView, group: GroupReport | undefined) {
  const config = member.stored && "config" in member.stored ? member.stored.config : undefined;
  return {
    ...view,
    ...member.report,
    ...egressOf(view, group),
    ...(group && { accelerator: group.accelerator }),
    ...(group?.gateway_trouble && { gateway_trouble: group.gateway_trouble }),
    config: config ?? null,
    paths: { ...store.member(member.name), ...(config && { disk: diskOf(store, config) }) },
  };
}

/** A holder of an earlier version tells it of its group. */
function egressOf(view: MemberView, group: GroupReport | undefined): Pick<MemberView, "egress" | "host_access"> {
  const { egress, host_access } = view.egress ? view : group ?? {};
  return egress ? { egress, host_access } : {};
}

/** `key  value` lines for people. */
function statusLines(
  view: MemberView,
  { report, stored }: MemberFacts,
  store: Store,
  group: GroupReport | undefined,
  nowMs: number,
  columns = Infinity,
): string[] {
  const config = stored && "config" in stored ? stored.config : undefined;
  const { egress, host_access } = egressOf(view, group);
  const since = view.since ? `, for ${ageText(nowMs - Date.parse(view.since))}` : "";
  const entries: [string, string | undefined][] = [
    ["name", view.name],
    ["host name", view.host_name],
    ["state", `${stateWord(view)}${detailOf(view)}${since}`],
    ["download", report?.state === "downloading" && report.download ? transferText(report.download) : undefined],
    ["reason", view.reason],
    ["try", view.hint && atPlace(view.hint)],
    ["faults", view.faults?.map(({ id, what }) => `${id}: ${what}`).join("\n")],
    ["address", view.ip || undefined],
    ["ssh", view.state === "running" ? sshText(view) : undefined],
    ["forwards", view.forwards?.map(forwardLine).join("\n")],
    ["group", view.group && `${view.group}${view.bound ? " (bound to its client)" : ""}`],
    [
      "members",
      group && group.members.length > 1
        ? group.members.map(({ name }) => name).sort(naturalOrder).join(", ")
        : undefined,
    ],
    ["last group", view.last_group],
    ["labels", labelsText(view.labels) || undefined],
    ["egress", egress && `${egress}${host_access ? ", with access to the host's loopback" : ""}`],
    ["gateway", group?.gateway_trouble],
    ["cpus", view.cpus?.toString()],
    ["memory", view.memory_mb === undefined ? undefined : sizeText(view.memory_mb)],
    ["disk", config && `${sizeText(config.disk_mb)}, ${diskOf(store, config)}`],
    ["image", view.image],
    ["scripts", config?.scripts?.map(scriptText).join("\n")],
    ["template", config?.template && `${config.template}${report?.warm ? "; it goes on from there" : ""}`],
    ["checkpoint", config?.from_checkpoint],
    ["mac", config?.mac],
    ["created", config?.created_at],
    ["hypervisor", report && hypervisorText(report)],
    ["accelerator", group?.accelerator && `${group.accelerator.name} (${group.accelerator.reason})`],
    ["holder", report && `process ${report.pid}${group ? `, fleetbox ${group.version}` : ""}`],
    ["console", store.member(view.name).serialLog],
    // By the member: what its port of the switch has sent, it has received.
    ["received", report?.network && traffic(report.network.tx_frames, report.network.tx_bytes)],
    ["sent", report?.network && traffic(report.network.rx_frames, report.network.rx_bytes)],
    ["dropped", report?.network && droppedText(report.network)],
  ];
  const told = entries.filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "");
  const width = Math.max(...told.map(([key]) => key.length));
  return told.flatMap(([key, value]) => {
    const lines = value.trim().split("\n").flatMap((line) => wrapLine(line, columns - width - 2));
    return lines.map((line, index) => `${(index === 0 ? key : "").padEnd(width)}  ${line}`);
  });
}

function detailOf({ stage, not_answering: isSilent }: MemberView): string {
  if (isSilent) return " (not answering)";
  return stage && stage !== "ready" ? ` (${stage})` : "";
}

function scriptText({ name, text }: MemberScript): string {
  return text === undefined ? `${name} has run` : `${name} has not run to its end`;
}

function sshText({ name, ssh }: MemberView): string {
  return atPlace(`fleetbox ssh ${name}`) + `${ssh ? ` (${ssh.user}@${ssh.host}, port ${ssh.port})` : ""}`;
}

function traffic(frames: number, bytes: number): string {
  return `${frames} frames, ${bytesText(bytes)}`;
}

function droppedText({ dropped }: PortReport): string {
  const reasons = Object.entries(dropped).filter(([, count]) => count > 0);
  return reasons.length === 0 ? "none" : reasons.map(([reason, count]) => `${count} ${reason}`).join(", ");
}

/** `QEMU 7.2.22, process 4711`; a holder of an earlier version does not tell the version. */
function hypervisorText({ hypervisor, hypervisor_pid: pid }: MemberReport): string | undefined {
  return pid === undefined ? undefined : `${hypervisor === undefined ? "" : `${hypervisor}, `}process ${pid}`;
}
