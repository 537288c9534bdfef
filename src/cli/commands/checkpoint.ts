/** `fleetbox checkpoint`: saves a group at one instant under a name; lists and removes what was saved. */

import { Command } from "../arguments/parser.ts";
import { FleetboxError, hintOf, messageOf } from "../../core/errors.ts";
import { checkName, checkNames, listed } from "../../core/names.ts";
import { CHECKPOINT_NAME, takeCheckpoint, unknownCheckpoint } from "../../control/snapshots/checkpoint.ts";
import type { Store } from "../../store.ts";
import {
  checkpoints,
  type CheckpointUsers,
  removeCheckpoint,
  type StoredCheckpoint,
  usersOfCheckpoint,
} from "../../store/snapshots.ts";
import type { Event } from "../../wire.ts";
import { requireAndAdopt } from "../adopt_and_tell.ts";
import { ageText, elapsedText } from "../arguments/duration.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { throwAll } from "../error_text.ts";
import { paintFor } from "../terminal/colour.ts";
import { ask, canAsk } from "../terminal/consent.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { isLive, say, sayJson, warn } from "../terminal/output.ts";
import { progressFor, VERBOSE } from "../terminal/progress.ts";
import { tableLines } from "../terminal/table.ts";
import { atPlace } from "../places/current.ts";

interface Flags {
  as?: string;
  json?: boolean;
  verbose?: boolean;
}

export function checkpointCommand(): Command {
  const command = new Command("checkpoint")
    .description("save members at one instant under a name, to be forked and restored; they run on")
    .argument("<names...>", "running members of one group: a,b,c or a b c")
    .option("--as <name>", "the checkpoint's name; needed") // required, it would be for `ls`, too
    .option("--verbose", VERBOSE)
    .option("--json", "one JSON object per event")
    .enablePositionalOptions(); // what follows `ls` and `rm` is theirs
  for (const make of [listCheckpointsCommand, removeCheckpointsCommand]) {
    command.addCommand(make().helpOption("-h, --help", "print help"));
  }
  return command
    .helpCommand(false)
    .addHelpText(
      "after",
      `
The members are paused for the moment in which their memory is copied, all of them at once.
A checkpoint has all that is in their memory, secrets too. Only its user can read its files.
Ctrl-C removes it again; a second Ctrl-C leaves at once.

Events of --json: {"event":"member","member":{…}} for each change, and at the end
{"event":"checkpoint","name","group","members":["a"],"bytes","made_at"}.

Examples:
  fleetbox checkpoint a,b,c --as seeded
  fleetbox checkpoint ls
  fleetbox fork seeded --as run1
  fleetbox restore seeded
  fleetbox checkpoint rm seeded`,
    )
    .action(async (words: string[], flags: Flags) => {
      const names = parseNames(words);
      if (flags.as === undefined) throw nameMissing(names);
      await make(names, checkName(flags.as, CHECKPOINT_NAME), flags);
    });
}

function nameMissing(names: readonly string[]): FleetboxError {
  return new FleetboxError(
    "misuse",
    `--as is missing. For example: fleetbox checkpoint ${names.join(",")} --as seeded`,
    {
      hint: "fleetbox help checkpoint",
    },
  );
}

async function make(names: string[], as: string, flags: Flags): Promise<void> {
  const store = openStore();
  await requireAndAdopt(store, names);
  const progress = progressFor(names, flags);
  using interrupt = new Interrupt(() => {
    progress.end();
    return `left at once; the checkpoint may still be made (see: fleetbox checkpoint ls)`;
  });
  const started = performance.now();
  try {
    const onEvent = (event: Event) => {
      if (event.event === "member" && (flags.json || isLive())) progress.member(event.member);
      if (event.event === "note") progress.note(event.message);
      if (event.event === "detail" && flags.verbose) progress.detail(event);
    };
    const { name, group, members, made_at } = await takeCheckpoint(store, {
      names,
      as,
      verbose: flags.verbose,
      onEvent,
      signal: interrupt.signal,
    });
    progress.end();
    const bytes = Object.values(members).reduce((sum, one) => sum + one.bytes, 0);
    if (flags.json) return sayJson({ event: "checkpoint", name, group, members: Object.keys(members), bytes, made_at });
    const took = elapsedText(performance.now() - started);
    say(`checkpoint ${name}: ${listed(Object.keys(members))}, ${bytesText(bytes)} (${took})`);
    say(atPlace(`go on from there: fleetbox fork ${name}; go back: fleetbox restore ${name}`));
  } finally {
    progress.end();
  }
}

/** A checkpoint for the output. */
interface CheckpointView {
  name: string;
  /** ISO 8601; absent, like the next ones: it is damaged. */
  made_at?: string;
  group?: string;
  members?: { name: string; host_name: string; ip: string; image: string; memory_mb: number; bytes: number }[];
  based_on?: string;
  bytes: number;
  used_by: CheckpointUsers;
  reason?: string;
  hint?: string;
}

function viewOf(store: Store, stored: StoredCheckpoint): CheckpointView {
  const { name, bytes } = stored;
  const base = { name, bytes, used_by: usersOfCheckpoint(store, name) };
  if ("damage" in stored) return { ...base, reason: messageOf(stored.damage), hint: hintOf(stored.damage) };
  const { made_at, group, members, based_on } = stored.manifest;
  return {
    ...base,
    made_at,
    group,
    members: Object.entries(members).map(([name, { host_name, ip, bytes, config: { image, memory_mb } }]) => ({
      name,
      host_name,
      ip,
      image,
      memory_mb,
      bytes,
    })),
    ...(based_on === undefined ? {} : { based_on }),
  };
}

function listCheckpointsCommand(): Command {
  return new Command("ls")
    .alias("list")
    .description("list the checkpoints in the store, and what is based on them")
    .option("--json", "one JSON array")
    .addHelpText(
      "after",
      `
--json: [{"name","made_at"?,"group"?,"members"?:[{"name","host_name","ip","image","memory_mb","bytes"}],
"based_on"?,"bytes","used_by":{"members","checkpoints"},"reason"?,"hint"?}]

Example:
  fleetbox checkpoint ls`,
    )
    .action((flags: { json?: boolean }) => {
      const store = openStore();
      const views = checkpoints(store).map((one) => viewOf(store, one));
      if (flags.json) return sayJson(views);
      if (views.length === 0) return warn(atPlace("no checkpoints yet: fleetbox checkpoint a,b --as seeded"));
      const rows = views.map(({ name, made_at, members, bytes, used_by, based_on }) => [
        name,
        made_at === undefined ? "-" : ageText(Date.now() - Date.parse(made_at)),
        members?.map((one) => one.name).join(" ") ?? "damaged",
        bytesText(bytes),
        based_on ?? "-",
        [...used_by.members, ...used_by.checkpoints.map((other) => `checkpoint:${other}`)].join(" ") || "-",
      ]);
      const head = ["NAME", "AGE", "MEMBERS", "SIZE", "FROM", "USED BY"];
      tableLines(head, rows.map((row) => row.map((text) => ({ text }))), paintFor()).forEach(say);
      const damaged = views.filter(({ reason }) => reason);
      if (damaged.length > 0) say("");
      for (const { reason, hint } of damaged) say(hint ? `${reason}\n  try: ${hint}` : reason!);
    });
}

interface RemoveFlags {
  force?: boolean;
  json?: boolean;
}

function removeCheckpointsCommand(): Command {
  return new Command("rm")
    .aliases(["delete", "remove"])
    .description("delete checkpoints; members that are based on them stay as they are")
    .argument("<checkpoints...>", "the checkpoints: a,b or a b")
    .option("-f, --force", "do not ask")
    .option("--json", 'one JSON object: {"event":"checkpoint-rm","removed":["…"],"kept_by":{…}}; does not ask')
    .addHelpText(
      "after",
      `
Asks first when both input and output are a terminal. What is based on a checkpoint keeps the
layers of its disks, until it is removed, too.

Example:
  fleetbox checkpoint rm seeded`,
    )
    .action(async (words: string[], flags: RemoveFlags) => {
      const store = openStore();
      const names = checkNames(words.flatMap((word) => word.split(",")), CHECKPOINT_NAME);
      const there = new Map(checkpoints(store).map((one) => [one.name, one]));
      const known = names.flatMap((name) => there.get(name) ?? []);
      const failures: unknown[] = names.filter((name) => !there.has(name)).map((name) =>
        unknownCheckpoint(store, name)
      );
      if (known.length > 0 && !flags.force && canAsk(flags)) askFor(known);

      const removed: string[] = [];
      const keptBy: Record<string, CheckpointUsers> = {};
      for (const { name } of known) {
        try {
          const users = usersOfCheckpoint(store, name);
          if (!await removeCheckpoint(store, name)) throw unknownCheckpoint(store, name);
          removed.push(name);
          keptBy[name] = users;
          if (!flags.json) say(`${name} removed${keptText(users)}`);
        } catch (thrown) {
          failures.push(thrown);
        }
      }
      if (flags.json) sayJson({ event: "checkpoint-rm", removed, kept_by: keptBy });
      throwAll(failures);
    });
}

/** Who keeps layers of a checkpoint that was removed. */
function keptText({ members, checkpoints: others }: CheckpointUsers): string {
  const users = [
    ...(members.length > 0 ? [`${members.length > 1 ? "the members" : "the member"} ${listed(members)}`] : []),
    ...(others.length > 0 ? [`${others.length > 1 ? "the checkpoints" : "the checkpoint"} ${listed(others)}`] : []),
  ];
  if (users.length === 0) return "";
  const count = members.length + others.length;
  return `; ${users.join(" and ")} ${count > 1 ? "are" : "is"} based on it and ${
    count > 1 ? "keep" : "keeps"
  } its disk layers`;
}

/** @throws {FleetboxError} the user did not agree. */
function askFor(known: readonly StoredCheckpoint[]): void {
  say("This deletes:");
  for (const one of known) {
    const what = "damage" in one ? "damaged" : Object.keys(one.manifest.members).join(", ");
    say(`  ${one.name} (${what}), ${bytesText(one.bytes)}`);
  }
  ask(`Delete ${known.length === 1 ? known[0].name : `these ${known.length} checkpoints`}?`);
}
