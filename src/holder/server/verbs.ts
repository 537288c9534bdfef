/**
 * A handler for each JSON verb of the protocol (`wire/verbs.ts`), and their common part: checking a verb's needs, and
 * reporting an error in the form of the verb's answer.
 */

import { FleetboxError, toWireError } from "../../core/errors.ts";
import { checkNames } from "../../core/names.ts";
import { checkLoss, type LostWrites } from "../../core/power_cut.ts";
import { checkOptions, checkWish } from "../../core/options.ts";
import { checkSide } from "../../core/port_forwards.ts";
import { ranBefore } from "../../store/scripts.ts";
import { type Answer, encodeLine, type Event, type JsonRequest, type Op, type RequestOf, VERBS } from "../../wire.ts";
import type { FaultReport, FaultsReport, ReplyOf } from "../../wire.ts";
import type { Group } from "../group/group.ts";
import type { Member } from "../member/member.ts";
import type { Client } from "./client.ts";

/** The default time for a guest to shut down. */
const DEFAULT_GRACE_MS = 30_000;

/** The context of a handler. */
interface Context {
  group: Group;
  /** The member whose socket got the request. */
  name: string;
  client: Client;
}

/** `one` gives the reply; `events` returns when `done` is true, or throws; the others answer on the client themselves. */
type Handler<O extends Op> = (
  context: Context,
  request: RequestOf<O>,
) => typeof VERBS[O]["answer"] extends "one" ? Promise<ReplyOf<O>> | ReplyOf<O> : Promise<void>;

const HANDLERS: { [O in Op]: Handler<O> } = {
  report: (context, { verbose }) => verbose ? memberOf(context).fullReport() : memberOf(context).askedReport(),
  reach: async (context) => {
    await memberOf(context).reachable();
    return memberOf(context).report();
  },
  async change(context, { egress, host_access }) {
    using _ = tell(context.group, context.client, [context.name], ["member", "note"]);
    await memberOf(context).change(checkOptions({ egress, host_access }));
  },
  group: ({ group }) => group.askedReport(),
  watch,
  add,
  run,
  stop,
  async checkpoint({ group, client }, { names, as, owner, verbose }) {
    const members = checkNames(names);
    using _ = tell(group, client, members, withSteps(verbose));
    await group.saves.checkpoint(members, as, owner);
  },
  async suspend({ group, client }, { names, verbose }) {
    const members = checkNames(names);
    using _ = tell(group, client, members, withSteps(verbose));
    await group.saves.suspend(members);
  },
  fault: ({ group }, { spec, for_ms: forMs, seed }) => group.faults.begin({ spec, forMs, seed }),
  faults: async ({ group }) => faultsOf(group, await group.faults.reports()),
  heal: async ({ group }, { ids }) => faultsOf(group, await group.faults.heal(ids && checkIds(ids))),
  async clock(context, { cheap }) {
    const { readClock } = await import("../faults/machine/read_clock.ts");
    return await readClock(memberOf(context), { isCheap: cheap });
  },
  async capture(context, { names, snap, rate }) {
    const { serveCapture } = await import("../capture/serve.ts");
    const wish = { names: names && checkWanted(names), snap, rate };
    await serveCapture(context.group, memberOf(context).context.network, wish, context.client);
  },
  async journal(context, { follow = false, lines, after }) {
    const { serveJournal } = await import("../journal/serve.ts");
    await serveJournal(memberOf(context), { follow, lines, after }, context.client);
  },
  console: async (context) => await memberOf(context).attachConsole(context.client.upgrade()),
  forward: (context, wish) => memberOf(context).forward(checkWish(wish)),
  unforward: (context, end) => memberOf(context).unforward({ host_port: end.host_port, ...checkSide(end) }),
};

/** The events of work that has steps. */
function withSteps(verbose = false, output = false): ("member" | "note" | "detail" | "output")[] {
  return ["member", "note", ...verbose ? ["detail" as const] : [], ...output ? ["output" as const] : []];
}

function faultsOf(group: Group, faults: FaultReport[]): FaultsReport {
  return { group: group.name, group_id: group.id, faults };
}

function checkWanted(names: unknown): string[] {
  if (Array.isArray(names)) return checkNames(names);
  throw new FleetboxError("misuse", "Bad value for names: expected a list of members' names");
}

function checkIds(ids: unknown): string[] {
  if (Array.isArray(ids) && ids.every((id) => typeof id === "string")) return [...new Set(ids)];
  throw new FleetboxError("misuse", "Bad value for ids: expected a list of faults' ids");
}

/** Answers a JSON request. @throws when the client leaves meanwhile. */
export async function answerVerb(group: Group, name: string, request: JsonRequest, client: Client): Promise<void> {
  const answer: Answer = VERBS[request.op].answer;
  let reply: unknown;
  try {
    checkNeeds(group, name, request.op);
    reply = await (HANDLERS[request.op] as Handler<Op>)({ group, name, client }, request as RequestOf<Op>);
  } catch (thrown) {
    const error = toWireError(thrown);
    return await client.write(encodeLine(answer === "one" ? error : { event: "error", ...error }));
  }
  if (answer === "one") await client.write(encodeLine(reply as object));
  if (request.op === "report" && (reply as ReplyOf<"report">).state === "error") group.firstBoot.told(name);
  if (answer === "events") await client.write(encodeLine({ event: "done" }));
}

/** @throws {FleetboxError} `not-found`: the member has left; `conflict`: it has no machine, and none is being made. */
function checkNeeds(group: Group, name: string, op: Op): void {
  const { needs } = VERBS[op];
  if (needs === "nothing") return;
  const member = memberOf({ group, name });
  if (needs === "machine") member.checkConsole();
}

function memberOf({ group, name }: Pick<Context, "group" | "name">): Member {
  const member = group.member(name);
  if (member) return member;
  throw new FleetboxError("not-found", `"${name}" has left the group`);
}

async function add({ group, client }: Context, request: RequestOf<"add">): Promise<void> {
  const { name, options, wait, verbose, output } = request;
  const done = (async () => await group.add(name, checkOptions(options ?? {})))();
  if (wait === false) {
    // Refusals come at once; later failures are in the member's state.
    const taken = Promise.withResolvers<void>();
    const off = group.hub.subscribe((event) => {
      if (event.event === "member" && event.member.name === name) taken.resolve();
    });
    done.catch(() => {});
    return await Promise.race([done, taken.promise]).finally(off);
  }
  using _ = tell(group, client, [name], withSteps(verbose, output));
  await done;
}

/** What a client asks for ends with it: nobody would know how it came out. */
async function run(context: Context, { scripts, verbose, output }: RequestOf<"run">): Promise<void> {
  const { group, client, name } = context;
  const { run: given = [] } = checkOptions({ run: scripts });
  using _ = tell(group, client, [name], withSteps(verbose, output));
  const left = new AbortController();
  const gone = new FleetboxError("interrupted", "the command that has asked for it has ended");
  void client.left().then(() => left.abort(gone));
  const before = await (await import("../scripts/member_scripts.ts")).runGiven(memberOf(context), given, left.signal);
  for (const script of before) {
    client.post(encodeLine({ event: "note", message: ranBefore(name, script) }));
  }
}

async function stop({ group, name, client }: Context, request: RequestOf<"stop">): Promise<void> {
  const { force = false, grace_ms: graceMs = DEFAULT_GRACE_MS, lose_unflushed: mode, seed, verbose } = request;
  using _ = tell(group, client, [name], verbose ? ["detail"] : []);
  if (mode === undefined) return await group.stop(name, { force, graceMs });
  const loss = checkLoss(mode, seed);
  const onLost = async (lost: LostWrites) => {
    client.post(encodeLine({ event: "power-cut", name, ...loss, ...lost }));
    await client.drained(); // with the last member the holder ends
  };
  await group.stop(name, { force: true, graceMs: 0, cut: { loss, onLost } });
}

/** Tells a client of members' changes, their steps, or both, and of the group's notes, until it is disposed of. */
function tell(group: Group, client: Client, names: readonly string[], kinds: readonly Event["event"][]): Disposable {
  if (kinds.includes("note")) { for (const note of group.hub.takeUnheard()) client.post(encodeLine(note)); }
  const off = kinds.length === 0 ? () => {} : group.hub.subscribe((event) => {
    const isOfOne = event.event === "detail" || event.event === "output";
    const its = event.event === "member" ? event.member.name : isOfOne ? event.name : names[0];
    if (names.includes(its) && kinds.includes(event.event)) client.post(encodeLine(event));
  });
  return { [Symbol.dispose]: off };
}

/** Sends a client the present state, then every change, until the group ends or the client leaves. */
async function watch({ group, name, client }: Context, { verbose, output }: RequestOf<"watch">): Promise<void> {
  for (const member of group.members) {
    if (verbose) member.details.forEach((detail) => client.post(encodeLine(detail)));
    client.post(encodeLine({ event: "member", member: member.report() }));
  }
  for (const note of group.hub.takeUnheard()) client.post(encodeLine(note));
  // It left between the client's connect and its request.
  if (!group.member(name)) client.post(encodeLine({ event: "gone", name }));
  const off = group.hub.subscribe((event) => {
    const isWanted = event.event === "detail" ? verbose : event.event === "output" ? output : true;
    if (isWanted) client.post(encodeLine(event));
  });
  await Promise.race([client.left(), group.ended]);
  off();
  await client.drained();
}
