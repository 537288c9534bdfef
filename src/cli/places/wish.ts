/**
 * Where a command is to run: `--on PLACE`, else `FLEETBOX_PLACE`. `start.ts` asks before any command is loaded, and takes the
 * option out of the words; `program.ts` declares it for help and completion.
 */

import { variable } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";
import { Store } from "../../store.ts";
import { HERE, placeNames } from "../../store/places.ts";

/** A place, and the words without the option. */
export interface PlaceWish {
  /** Absent: here. */
  place?: string;
  /** Whether it was given with this command: else it is from the environment. */
  isGiven: boolean;
  words: string[];
}

/** Commands whose words after the first operand belong to the guest's program, with their options that have a value. */
const PASSING_ON: Record<string, RegExp> = {
  exec: /^(-[a-z]*[weu]|--(workdir|env|user))$/,
  ssh: /^(-[A-Za-z]*[LRD]|--(local|remote|dynamic))$/,
  shell: /^(-[A-Za-z]*[LRD]|--(local|remote|dynamic))$/,
};

/** `fault disk --on write` was there before: its place stands in front, `fleetbox --on big fault disk …`. */
function hasItsOwn([first, second]: readonly string[]): boolean {
  return first === "fault" && second === "disk";
}

/** `a@big`, also as `a@big,b@big` and `a@big:PATH`, is `a` when there is a place big, which goes to `given`. */
function withoutPlace(word: string, given: string[]): string {
  const [, names, rest] = /^([a-z0-9@,-]+)(:[^]*)?$/.exec(word) ?? [];
  if (names === undefined || !names.includes("@")) return word;
  const pairs = names.split(",").map((one) => one.split("@"));
  const [[, place]] = pairs;
  const known = place === undefined ? [] : placeNames(Store.fromEnvironment());
  if (!known.includes(place) || pairs.some((pair) => pair.length !== 2 || pair[1] !== place)) return word;
  if (!given.includes(place)) given.push(place);
  return pairs.map(([name]) => name).join(",") + (rest ?? "");
}

/** @throws {FleetboxError} `misuse`: the option has no value, or stands twice */
export function takePlace(args: readonly string[]): PlaceWish {
  const words: string[] = [];
  const given: string[] = [];
  let at = 0;
  let isNamed = false; // the member is, behind which the guest's program begins
  for (; at < args.length && args[at] !== "--"; at++) {
    const word = args[at];
    const withValue = PASSING_ON[words[0]];
    if (word.startsWith("--on=") && !hasItsOwn(words)) {
      given.push(word.slice("--on=".length));
    } else if (word === "--on" && !hasItsOwn(words)) {
      given.push(args[++at] ?? "");
    } else {
      if (isNamed) break;
      words.push(withoutPlace(word, given));
      if (withValue === undefined) continue;
      if (withValue.test(word) && at + 1 < args.length) words.push(args[++at]);
      else isNamed = !word.startsWith("-");
    }
  }
  words.push(...args.slice(at));
  if (given.length > 1) throw bad(`--on names ${given.length} places: ${given.join(", ")}; expected one`);
  if (given[0] === "" || given[0]?.startsWith("-")) throw bad("--on needs a value: the name of a place");
  const place = given[0] ?? variable("FLEETBOX_PLACE");
  return { ...(place === undefined || place === HERE ? {} : { place }), isGiven: given.length > 0, words };
}

function bad(message: string): FleetboxError {
  return new FleetboxError("misuse", message, {
    hint: `fleetbox place ls lists them; this host is --on ${HERE}. For example: fleetbox up a --on big`,
  });
}
