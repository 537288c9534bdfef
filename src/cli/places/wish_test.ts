/** `--on` is taken out of the words wherever it may stand, and never out of the guest's program. */

import * as assert from "#assert";
import { replaceVariables } from "../../core/environment.ts";
import { takePlace } from "./wish.ts";

const CASES: [line: string, place: string | undefined, words: string][] = [
  ["up a --on big", "big", "up a"],
  ["up --on=big a", "big", "up a"],
  ["ls --on here", undefined, "ls"],
  ["exec --on big a -- prog --on x", "big", "exec a -- prog --on x"],
  ["exec a --on big -- prog", "big", "exec a -- prog"],
  ["exec a prog --on x", undefined, "exec a prog --on x"],
  ["exec -u root --on big a prog", "big", "exec -u root a prog"],
  ["exec -u --on a prog", undefined, "exec -u --on a prog"],
  ["ssh -L 1:b:2 --on big a", "big", "ssh -L 1:b:2 a"],
  ["--on big exec a prog --on x", "big", "exec a prog --on x"],
  ["--on big fault disk a --error EIO --on write", "big", "fault disk a --error EIO --on write"],
  ["image ls --on big", "big", "image ls"],
];

for (const [line, place, words] of CASES) {
  Deno.test(`fleetbox ${line} is ${place ? `at ${place}` : "here"}: ${words}`, () => {
    const wish = takePlace(line.split(" "));
    assert.deepEqual([wish.place, wish.words.join(" ")], [place, words]);
  });
}

Deno.test("a place that is not named, or twice, is refused; FLEETBOX_PLACE is the default", () => {
  assert.throws(() => takePlace(["ls", "--on"]), /--on needs a value/);
  assert.throws(() => takePlace(["ls", "--on", "--json"]), /--on needs a value/);
  assert.throws(() => takePlace(["ls", "--on", "a", "--on=b"]), /names 2 places: a, b/);
  using _ = replaceVariables({ FLEETBOX_PLACE: "lab" });
  assert.deepEqual(takePlace(["ls"]), { place: "lab", isGiven: false, words: ["ls"] });
  assert.equal(takePlace(["ls", "--on", "here"]).place, undefined);
  assert.equal(takePlace(["ls", "--on", "big"]).place, "big");
});
