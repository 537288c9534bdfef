/** `fleetbox trace start`, `stop` and `ls`: what is recorded of groups, and where that goes. */

import { getGroup } from "../../control/members.ts";
import { packTrace } from "../../control/recording/pack.ts";
import { endRecorder, findTrace, type StoredTrace, storedTraces } from "../../control/recording/traces.ts";
import { FleetboxError, fromWireError } from "../../core/errors.ts";
import { withLock } from "../../system/locks.ts";
import { makeDirectory } from "../../system/files.ts";
import { startBeside } from "../../control/spawn.ts";
import { selfExecutable } from "../../system/program_info.ts";
import type { Store } from "../../store.ts";
import { ageText } from "../arguments/duration.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { checkNewFile } from "../arguments/new_file.ts";
import { Command } from "../arguments/parser.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { atPlace, withPlace } from "../places/current.ts";
import { memberAsked } from "../group_asked.ts";
import type { Greeting } from "./record.ts";
import { say, sayJson, warn } from "../terminal/output.ts";
import { tableLines } from "../terminal/table.ts";

export function startTraceCommand(): Command {
  return new Command("start")
    .description("record a group from now on: events, consoles, frames")
    .argument("[names...]", "members of the group (default: the only group that runs)")
    .addHelpText(
      "after",
      `
It goes on in the background: until trace stop, or until the group has ended.

Examples:
  fleetbox trace start
  fleetbox trace start a`,
    )
    .action(async (words: string[]) => {
      const store = openStore();
      const names = words.length > 0 ? parseNames(words) : [];
      const via = await memberAsked(store, names, (one) => `Name a member of one: fleetbox trace start ${one}`);
      const { id, members } = await begin(store, via, names);
      say(`recording ${members.join(", ")} as ${id}`);
      say(`  end it  fleetbox trace stop ${withPlace(via)}`);
    });
}

async function begin(store: Store, via: string, names: readonly string[]): Promise<{ id: string; members: string[] }> {
  const group = await getGroup(store, via);
  const members = group?.members.map(({ name }) => name) ?? [];
  const other = names.find((name) => !members.includes(name));
  if (other !== undefined) {
    throw new FleetboxError("conflict", `"${via}" and "${other}" are not in one group, and a trace is of one`, {
      hint: `Record each: fleetbox trace start ${via}; fleetbox trace start ${other}`,
    });
  }
  makeDirectory(store.tracesDir);
  return await withLock(lockOf(store), async () => {
    const before = storedTraces(store).find(({ meta, recorder }) => recorder && meta.group_id === group?.group_id);
    if (before) {
      throw new FleetboxError("conflict", `The group of "${via}" is recorded already, as ${before.id}`, {
        hint: `End that first: fleetbox trace stop ${via}`,
      });
    }
    const { program, args } = selfExecutable();
    const command = ["fleetbox", ...Deno.args];
    const recorder = await startBeside(store, program, [...args, "__record", via, ...command], {
      log: "/dev/null",
      env: { FLEETBOX_HOME: store.root },
    });
    const line = await recorder.firstLine;
    recorder.release();
    const greeting = greetingOf(line);
    if ("error" in greeting) throw fromWireError(greeting.error);
    return { id: greeting.id, members };
  });
}

function greetingOf(line: string | undefined): Greeting {
  try {
    return JSON.parse(line ?? "") as Greeting;
  } catch {
    throw new FleetboxError("failed", `The recorder did not begin: it said ${JSON.stringify(line ?? "nothing")}`);
  }
}

export function stopTraceCommand(): Command {
  return new Command("stop")
    .description("end a trace, and pack it into one file")
    .argument("[name]", "a member of the group, or a trace's id (default: the only trace)")
    .option("-w, --write <file>", "the file (default: <id>.zip, here)")
    .option("--force", "overwrite the file")
    .addHelpText(
      "after",
      `
A trace whose group has ended, or whose recorder was killed, is packed the same way.

Examples:
  fleetbox trace stop a -w trace.zip
  fleetbox trace show trace.zip`,
    )
    .action(async (word: string | undefined, flags: { write?: string; force?: boolean }) => {
      const store = openStore();
      const found = findTrace(store, word);
      await withLock(lockOf(store), async () => await end(store, findTrace(store, found.id), flags));
    });
}

async function end(store: Store, trace: StoredTrace, flags: { write?: string; force?: boolean }): Promise<void> {
  const file = flags.write ?? `${trace.id}.zip`;
  checkNewFile(file, { force: flags.force, how: "replaced" });
  await endRecorder(trace);
  const bytes = await packTrace(trace.directory, file);
  const problem = storedTraces(store).find(({ id }) => id === trace.id)?.meta.problem;
  await Deno.remove(trace.directory, { recursive: true });
  if (problem !== undefined) warn(`it ends early: ${problem}`);
  say(`${file}  ${bytesText(bytes)}`);
  say(`  look at it  fleetbox trace show ${file}`);
}

/** One command at a time begins or ends a trace. */
export const lockOf = (store: Store) => `${store.tracesDir}/.lock`;

export function listTracesCommand(): Command {
  return new Command("ls")
    .description("list the traces that are recorded, and those that were left")
    .option("--json", "a JSON array")
    .addHelpText(
      "after",
      `
--json: an array of {"id","state","members","bytes","started","age_ms","directory","problem"?}.

Example:
  fleetbox trace ls`,
    )
    .action((flags: { json?: boolean }) => {
      const traces = storedTraces(openStore());
      if (flags.json) return sayJson(traces.map(rowOf));
      if (traces.length === 0) return say(atPlace("There is no trace. Begin one: fleetbox trace start a,b,c"));
      const rows = traces.map((trace) => {
        const { id, state, members, bytes, age_ms: age } = rowOf(trace);
        return [id, state, ageText(age), bytesText(bytes), members.join(",")].map((text) => ({ text }));
      });
      for (const line of tableLines(["TRACE", "STATE", "AGE", "SIZE", "MEMBERS"], rows)) say(line);
    });
}

/** A trace in JSON. */
export interface TraceRow {
  id: string;
  /** `left`: its recorder was killed. */
  state: "recording" | "ended" | "left";
  members: string[];
  bytes: number;
  started: string;
  age_ms: number;
  directory: string;
  problem?: string;
}

function rowOf({ id, directory, bytes, recorder, meta }: StoredTrace): TraceRow {
  return {
    id,
    state: recorder ? "recording" : meta.ended === undefined ? "left" : "ended",
    members: meta.members.map(({ name }) => name),
    bytes,
    started: meta.started,
    age_ms: Date.now() - Date.parse(meta.started),
    directory,
    ...(meta.problem === undefined ? {} : { problem: meta.problem }),
  };
}
