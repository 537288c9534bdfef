/**
 * The candidates at the cursor of a command line: the hidden `fleetbox __complete WORDS…`, for the shells' scripts
 * (`scripts.ts`). The words are those after `fleetbox`; the last one is the typed part of the word at the cursor.
 *
 * It has no list of commands: the meaning of a word comes from the parser's own commands, by the names of arguments and
 * values (`<name>`, `<image>`, `<file>`, `<on|off>`). The answer is a line of flags (`files`: complete paths, too;
 * `nospace`: the word continues; `quote`: the shell quotes candidates; `-`: none), then a line for each candidate: the word, a tab, a description. It
 * never fails, because a shell cannot show an error there.
 */

import type { Argument, Command, Option } from "../arguments/parser.ts";
import { isName } from "../../core/names.ts";
import { CATALOG } from "../../image/catalog.ts";
import type { Store } from "../../store.ts";
import { HERE, placeNames } from "../../store/places.ts";
import { type MemberView, stateWord, viewsOf } from "../member_view.ts";
import { observeAll } from "../../control/observe.ts";
import { takePlace } from "../places/wish.ts";
import { say } from "../terminal/output.ts";
import { buildProgram } from "../program.ts";
import { openStore } from "../arguments/open_store.ts";

/** A candidate. */
interface Candidate {
  word: string;
  what?: string;
}

/** The candidates at the cursor. */
interface Completion {
  candidates: Candidate[];
  /** Whether paths are candidates, too. */
  files?: boolean;
  /** Whether the word continues after a candidate. */
  nospace?: boolean;
  /** Whether candidates may have characters that mean something to a shell. */
  quote?: boolean;
}

/** How long a holder may keep the shell waiting. */
const HOLDER_MS = 300;

/** Prints the candidates for the last of these words. */
export async function runComplete(words: readonly string[]): Promise<void> {
  try {
    const program = await buildProgram(words.length > 1 ? words[0] : undefined);
    const live = new Live(placeOf(words.slice(0, -1)));
    const { candidates, files, nospace, quote } = await complete(program, words, live);
    say([...(files ? ["files"] : []), ...(nospace ? ["nospace"] : []), ...(quote ? ["quote"] : [])].join(" ") || "-");
    for (const { word, what } of candidates) say(what ? `${word}\t${what.replace(/\s+/g, " ")}` : word);
  } catch { /* errors must not disturb the prompt */ }
}

/** The present members and images; replaced in tests. */
export interface Facts {
  /** @param place @default the one of the line, else this host */
  members(place?: string): Promise<MemberView[]>;
  /** The paths on a member that begin like this one. */
  paths(name: string, begun: string): Promise<string[]>;
  /** The names and ids of the images in the store. */
  images(): Promise<Candidate[]>;
  /** The checkpoints in the store. */
  checkpoints(): Promise<Candidate[]>;
  /** The traces in the store. */
  traces(): Promise<Candidate[]>;
  /** The names of the places. */
  places(): string[];
}

/** The candidates for the last of these words. */
export async function complete(program: Command, words: readonly string[], facts: Facts): Promise<Completion> {
  const current = words.at(-1) ?? "";
  let command = program;
  let at = 0;
  for (; at < words.length - 1 && command.commands.length > 0; at++) {
    const next = command.commands.find((one) => one.name() === words[at] || one.aliases().includes(words[at]));
    if (!next && command.registeredArguments.length > 0) break; // it also does something itself
    if (!next) return { candidates: [] };
    command = next;
  }
  const line = readLine(command, words.slice(at, -1));
  if (line.value && (line.value.required || !current.startsWith("-"))) {
    return await values(command, line.value, current, facts);
  }
  if (line.isOver || !current.startsWith("-")) return await operands(program, command, line, current, facts);
  const [, flag, begun] = /^(--[^=]+)=(.*)$/s.exec(current) ?? [];
  if (flag === undefined) return { candidates: starting(current, flags(command, line)) };
  const option = command.options.find(({ long }) => long === flag);
  if (!option) return { candidates: [] };
  const found = await values(command, option, begun, facts);
  return { ...found, candidates: found.candidates.map(({ word, what }) => ({ word: `${flag}=${word}`, what })) };
}

/** The parsed words before the cursor. */
interface Line {
  operands: string[];
  used: Set<Option>;
  /** The option whose value is at the cursor. */
  value?: Option;
  /** Whether no option follows any more. */
  isOver: boolean;
}

/** Commands whose words after the first operand belong to the guest's program. */
const PASSING_ON = new Set(["ssh", "exec"]);

function readLine(command: Command, words: readonly string[]): Line {
  const line: Line = { operands: [], used: new Set(), isOver: false };
  for (const word of words) {
    // The value of `-f [file]` may be left out.
    if (line.value && (line.value.required || !word.startsWith("-") || word === "-")) {
      line.value = undefined;
      continue;
    }
    line.value = undefined;
    if (line.isOver || !word.startsWith("-") || word === "-") {
      line.operands.push(word);
      if (PASSING_ON.has(command.name())) line.isOver = true;
    } else if (word === "--") {
      line.isOver = true;
    } else {
      const [name] = word.split("=");
      const option = command.options.find(({ long, short }) => name === long || name === short);
      if (!option) continue;
      line.used.add(option);
      if ((option.required || option.optional) && !word.includes("=")) line.value = option;
    }
  }
  return line;
}

/** The options that may follow, and `--help`. */
function flags(command: Command, { used }: Line): Candidate[] {
  const options = command.options.filter((option) => !option.hidden && (!used.has(option) || option.parseArg));
  return [
    ...options.map(({ long, short, description }) => ({ word: long ?? short!, what: description })),
    ...(command.name() === "help" ? [] : [{ word: "--help", what: "print help" }]),
  ];
}

async function operands(
  program: Command,
  command: Command,
  line: Line,
  current: string,
  facts: Facts,
): Promise<Completion> {
  const isFirst = line.operands.length === 0 && line.used.size === 0 && !line.isOver;
  const within = command.commands.length > 0 && isFirst ? commandsStarting(current, command) : [];
  const list = command.registeredArguments;
  const argument = list[line.operands.length] ?? (list.at(-1)?.variadic ? list.at(-1) : undefined);
  if (!argument) return { candidates: within };
  if (argument.argChoices) return { candidates: starting(current, argument.argChoices.map((word) => ({ word }))) };
  if (argument.name() === "command" && command.name() === "help") {
    const [first, ...more] = line.operands;
    const named = first === undefined
      ? program
      : program.commands.find((one) => one.name() === first || one.aliases().includes(first));
    return { candidates: named && more.length === 0 ? commandsStarting(current, named) : [] };
  }
  const found = await kind(command, argument, line.operands, current, facts);
  return { ...found, candidates: [...within, ...found.candidates] };
}

/** Commands that begin with the typed part; if there are none, aliases that do. */
function commandsStarting(begun: string, parent: Command): Candidate[] {
  const found = starting(begun, commandsOf(parent));
  if (found.length > 0) return found;
  return starting(
    begun,
    parent.commands.flatMap((one) => one.aliases().map((word) => ({ word, what: one.description() }))),
  );
}

function commandsOf(program: Command): Candidate[] {
  return program.commands.filter((one) => !one.name().startsWith("_")).map((one) => ({
    word: one.name(),
    what: one.description(),
  }));
}

/** The values of an option: `<on|off>` lists them, other names tell their kind. */
async function values(command: Command, option: Option, current: string, facts: Facts): Promise<Completion> {
  const placeholder = /[<[](.+?)(\.\.\.)?[>\]]/.exec(option.flags)?.[1] ?? "";
  const choices = option.argChoices ?? (placeholder.includes("|") ? placeholder.split("|") : undefined);
  if (choices) return { candidates: starting(current, choices.map((word) => ({ word }))) };
  switch (placeholder) {
    case "image":
      return { files: true, candidates: starting(current, [...catalogue(), ...await facts.images()]) };
    case "name":
      return { candidates: await members(facts, current, wantedBy(command, option)) };
    case "place":
      return { candidates: starting(current, [...facts.places(), HERE].map((word) => ({ word }))) };
    case "file":
    case "dir":
    case "host:guest":
      return { files: true, candidates: [] };
    default:
      return { candidates: [] };
  }
}

/** An argument's kind, by its name. */
async function kind(
  command: Command,
  argument: Argument,
  before: readonly string[],
  current: string,
  facts: Facts,
): Promise<Completion> {
  switch (argument.name()) {
    case "name":
    case "names":
      return { candidates: await names(command, argument, before, current, facts) };
    case "targets":
      if (/^[^/:]+:/.test(before[0] ?? "")) return { files: true, candidates: [] }; // from a member to this host
      return { nospace: true, candidates: await placesBegun(facts, current) };
    case "dir":
    case "places": {
      const [, name, path = ""] = /^([^/:]*):(.*)$/s.exec(current) ?? [];
      if (isName(name)) return await guestPlaces(facts, name, path);
      return { files: true, nospace: true, candidates: await placesBegun(facts, current) };
    }
    case "image":
      return { candidates: starting(current, catalogue().filter(({ word }) => word !== MICRO)) };
    case "images":
      return { candidates: starting(current, (await facts.images()).filter(({ word }) => !before.includes(word))) };
    case "checkpoint":
    case "checkpoints":
      return {
        candidates: starting(current, (await facts.checkpoints()).filter(({ word }) => !before.includes(word))),
      };
    case "place":
      return { candidates: starting(current, facts.places().map((word) => ({ word }))) };
    case "file":
      return { files: true, candidates: [] };
    case "trace":
      return { files: true, candidates: starting(current, await facts.traces()) };
    case "alias": {
      const buildable = CATALOG.filter(({ build }) => build).map(({ alias, title }) => ({ word: alias, what: title }));
      return { candidates: starting(current, buildable) };
    }
    default:
      return { candidates: [] };
  }
}

/** `NAME:` of the members that the word may begin. */
async function placesBegun(facts: Facts, current: string): Promise<Candidate[]> {
  const found = /^[^/:.]*$/.test(current) ? await members(facts, current, isUp) : [];
  return found.map(({ word, what }) => ({ word: `${word}:`, what }));
}

/** `NAME:PATH`, of the paths that there are on the member; after a directory the word continues. */
async function guestPlaces(facts: Facts, name: string, begun: string): Promise<Completion> {
  const found = await facts.paths(name, begun);
  return {
    nospace: found.length !== 1 || found[0].endsWith("/"),
    quote: true,
    candidates: found.map((path) => ({ word: `${name}:${path}` })),
  };
}

/** Members that the command can use; after a comma the next one of the list, each once. */
async function names(
  command: Command,
  argument: Argument,
  before: readonly string[],
  current: string,
  facts: Facts,
): Promise<Candidate[]> {
  const comma = argument.variadic ? current.lastIndexOf(",") + 1 : 0;
  const [list, last] = [current.slice(0, comma), current.slice(comma)];
  const named = new Set([...before, list].flatMap((word) => word.split(",")));
  const found = await members(facts, last, wantedBy(command));
  return found.filter(({ word }) => !named.has(word)).map(({ word, what }) => ({ word: list + word, what }));
}

async function members(facts: Facts, begun: string, wanted: (view: MemberView) => boolean): Promise<Candidate[]> {
  const [, place] = begun.split("@");
  const places = place === undefined ? [undefined] : facts.places().filter((name) => name.startsWith(place));
  const found = await Promise.all(places.map(async (place) => {
    const views = (await facts.members(place)).filter(wanted);
    const at = place === undefined ? "" : `@${place}`;
    return views.map((view) => ({ word: `${view.name}${at}`, what: `${stateWord(view)}, ${view.image ?? "?"}` }));
  }));
  return starting(begun, found.flat());
}

const isUp = ({ running, state }: MemberView) => running || state === "orphaned";
const isDown = ({ running }: MemberView) => !running;
const anyone = () => true;

/** The members that a command can use; commands that are not listed here take any. */
const WANTED: Record<string, (view: MemberView) => boolean> = {
  up: isDown,
  join: isDown,
  stop: isUp,
  checkpoint: isUp,
  suspend: isUp,
  wait: isUp,
  stats: isUp,
  ssh: isUp,
  exec: isUp,
  "ssh-config": isUp,
  console: isUp,
  capture: isUp,
  view: isUp,
};

function wantedBy(command: Command, option?: Option): (view: MemberView) => boolean {
  return option ? isUp : WANTED[command.name()] ?? anyone;
}

const MICRO = "micro";

function catalogue(): Candidate[] {
  return [
    { word: MICRO, what: "the built-in one" },
    ...CATALOG.map(({ alias, title }) => ({ word: alias, what: title })),
  ];
}

/** Candidates that begin with the typed part, each once. */
function starting(begun: string, candidates: readonly Candidate[]): Candidate[] {
  const seen = new Set<string>();
  return candidates.filter(({ word }) => word.startsWith(begun) && !seen.has(word) && seen.add(word));
}

/** The place that a line is of, as far as it goes. */
function placeOf(words: readonly string[]): string | undefined {
  try {
    return takePlace(words).place;
  } catch {
    return undefined;
  }
}

/** From the store and the holders; of a place, from the place, while there is a connection to it. */
class Live implements Facts {
  #store: Store = openStore();

  constructor(private readonly place: string | undefined) {}

  async members(place = this.place): Promise<MemberView[]> {
    if (place !== undefined) {
      const { viewsIfConnected } = await import("../places/all.ts");
      return await viewsIfConnected(this.#store, place);
    }
    return viewsOf(await observeAll(this.#store, HOLDER_MS));
  }

  places(): string[] {
    return placeNames(this.#store);
  }

  async paths(name: string, begun: string): Promise<string[]> {
    if (this.place !== undefined) return [];
    const { guestPaths } = await import("./guest_paths.ts");
    return await guestPaths(this.#store, name, begun);
  }

  async checkpoints(): Promise<Candidate[]> {
    if (this.place !== undefined) return []; // those of this host are not there
    const { checkpoints } = await import("../../store/snapshots.ts");
    return checkpoints(this.#store).map((one) => ({
      word: one.name,
      what: "damage" in one ? "damaged" : Object.keys(one.manifest.members).join(", "),
    }));
  }

  async traces(): Promise<Candidate[]> {
    if (this.place !== undefined) return [];
    const { storedTraces } = await import("../../control/recording/traces.ts");
    return storedTraces(this.#store).map(({ id, meta, recorder }) => ({
      word: id,
      what: `${recorder ? "recording" : "recorded"}: ${meta.members.map(({ name }) => name).join(", ")}`,
    }));
  }

  async images(): Promise<Candidate[]> {
    if (this.place !== undefined) return [];
    const { cachedImages } = await import("../../image/cache.ts");
    return cachedImages(this.#store).flatMap(({ id, refs }) => [
      ...refs.filter(({ ref }) => !ref.includes("/")).map(({ ref }) => ({ word: ref, what: "in the store" })),
      { word: id, what: "in the store" },
    ]);
  }
}
