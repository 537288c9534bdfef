import * as assert from "#assert";
import { completed, wishOf } from "./actions.ts";

const MEMBERS = ["a", "b", "rm"];

for (
  const line of [
    "fault partition a b",
    "fault partition a,b rm --one-way --for 10s",
    "fault drop --from a --to b,gateway",
    "fault shape --from a --delay 50ms --jitter 10ms --loss 0.5% --rate 1mbit --duplicate 1% --reorder 1%",
    "fault hold a gateway",
    "fault flap a b --for 5s",
    "heal",
    "heal f3a9c",
    "pause a --for 10s",
    "resume a b",
    "up a,b",
    "stop a",
    "suspend a,b",
    "checkpoint a,b --as seeded",
    "capture",
    "capture a,gateway",
  ]
) {
  Deno.test(`a click may run ${line}`, () => {
    const argv = line.split(" ");
    assert.deepEqual(wishOf(argv, MEMBERS), { words: argv });
  });
}

for (
  const [argv, why] of [
    [undefined, /Expected \{"argv"/],
    ["pause a", /Expected \{"argv"/],
    [["pause", 1], /Expected \{"argv"/],
    [["pause", ...Array(64).fill("a")], /at most 64/],
    [[], /"" is not for clicks/],
    [["rm", "a"], /"rm" is not for clicks/],
    [["exec", "a", "sh"], /"exec" is not for clicks/],
    [["fault"], /Expected partition/],
    [["fault", "run", "plan.json"], /Expected partition/],
    [["fault", "disk", "a"], /Expected partition/],
    [["pause"], /Which members/],
    [["stop", "--all"], /"--all" is not for clicks/],
    [["stop", "--force", "a"], /"--force" is not for clicks/],
    [["capture", "-w", "x"], /"-w" is not for clicks/],
    [["capture", "a", "--for", "/etc"], /Bad value for --for/],
    [["checkpoint", "a", "--as"], /Bad value for --as: found ""/],
    [["checkpoint", "a", "--as", "--json"], /Bad value for --as/],
    [["checkpoint", "a", "--as", "../x"], /Bad value for --as/],
    [["checkpoint", "rm", "a"], /"rm" is not in the group/],
    [["checkpoint", "ls"], /"ls" is not in the group/],
    [["pause", "c"], /"c" is not in the group: it has a, b/],
    [["pause", "a,c"], /"c" is not in the group/],
    [["pause", "a,"], /"" is not in the group/],
    [["pause", "gateway"], /"gateway" is not in the group/],
    [["fault", "drop", "--from", "a", "--to", "b,c"], /"c" is not in the group/],
    [["fault", "drop", "--to"], /Bad value for --to/],
    [["heal", "--via", "a"], /"--via" is not for clicks/],
    [["pause", "a\n"], /is not for clicks/],
    [["pause", "$(id)"], /is not for clicks/],
    [["up", "A"], /is not for clicks/],
  ] as [unknown, RegExp][]
) {
  Deno.test(`a click may not run ${JSON.stringify(argv)?.slice(0, 60)}`, () => {
    const wish = wishOf(argv, MEMBERS);
    assert.ok("why" in wish);
    assert.match(wish.why, why);
  });
}

Deno.test("the server says which group a click heals, and what it captures and where to", () => {
  assert.deepEqual(completed(["heal", "f1"], ["b", "a"], "x"), ["heal", "f1", "--via", "b"]);
  assert.deepEqual(completed(["capture"], ["b", "a"], "x.pcapng"), ["capture", "b,a,gateway", "-w", "x.pcapng"]);
  assert.deepEqual(completed(["capture", "a"], ["b"], "x.pcapng"), ["capture", "a", "-w", "x.pcapng"]);
  assert.deepEqual(completed(["pause", "a"], ["b"], "x"), ["pause", "a"]);
});
