import * as assert from "#assert";
import type { GroupFacts, MemberFacts } from "./observe.ts";
import type { MemberConfig } from "../store.ts";
import { type BoundWish, type Plan, planBound, planJoin, planUp, planUpBeside } from "./plan.ts";
import { absent, damaged, group, killed, served, silent, stopped } from "./testing.ts";

function told(plan: Plan): string {
  switch (plan.step) {
    case "refuse":
      return `refuse: ${plan.error.code}: ${plan.error.message}`;
    case "await-end":
      return `await-end ${plan.names}`;
    case "release":
      return `release ${plan.names}`;
    case "replace":
      return `replace ${plan.names}`;
    case "spawn":
      return `spawn ${plan.names}; adopted ${plan.adopted}; also ${plan.alsoAdopted}`;
    case "add":
      return `via ${plan.via}: add ${plan.add}; pending ${plan.pending}; running ${plan.running}`;
  }
}

const UP: [what: string, members: MemberFacts[], groups: GroupFacts[], expected: string | RegExp][] = [
  [
    "nothing is there: one holder for all, in the user's order",
    [absent("b"), absent("a")],
    [],
    "spawn b,a; adopted ; also ",
  ],
  [
    "one that runs and does not answer is no member that runs already",
    [served("a", "a", { not_answering: true, hypervisor_pid: 7 }), stopped("b")],
    [group("a", ["a"])],
    /^refuse: timeout: "a" runs, but its hypervisor \(process 7\) does not answer$/,
  ],
  ["stopped and new members boot together", [stopped("a"), absent("b")], [], "spawn a,b; adopted ; also "],
  ["one that runs is left alone", [served("a", "a")], [group("a", ["a"])], "via a: add ; pending ; running a"],
  [
    "what is missing is added to the group of those that run",
    [stopped("d"), served("a", "a"), absent("e")],
    [group("a", ["a"])],
    "via a: add d,e; pending ; running a",
  ],
  [
    "one that boots already is waited for",
    [served("a", "a", { state: "starting" }), served("b", "a", { state: "downloading" }), served("c", "a")],
    [group("a", ["a", "b", "c"])],
    "via a: add ; pending a,b; running c",
  ],
  [
    "one that failed is booted again, via one that lives",
    [served("a", "a", { state: "error" }), served("b", "a")],
    [group("a", ["a", "b"])],
    "via b: add a; pending ; running b",
  ],
  [
    "one that failed alone is booted again, via itself",
    [served("a", "a", { state: "error" })],
    [group("a", ["a"])],
    "via a: add a; pending ; running ",
  ],
  [
    "one that is being stopped is waited for first, whatever else there is",
    [served("a", "a", { stage: "stopping" }), served("z", "z")],
    [group("a", ["a"]), group("z", ["z"])],
    "await-end a",
  ],
  [
    "members of two groups are refused, both named",
    [served("a", "a"), absent("n"), served("z", "y")],
    [group("a", ["a"]), group("y", ["z"])],
    /^refuse: conflict: .*"a" is in the group "a", "z" in the group "y", and two networks cannot merge$/,
  ],
  [
    "one that failed in another group is released there, and follows those that run",
    [served("z", "z", { state: "error", pid: 2 }), served("a", "a", { pid: 1 })],
    [group("a", ["a"]), group("z", ["z"])],
    "release z",
  ],
  [
    "of those that failed in two groups, the later ones follow the first",
    [served("a", "a", { state: "error", pid: 1 }), served("z", "z", { state: "error", pid: 2 })],
    [group("a", ["a"]), group("z", ["z"])],
    "release z",
  ],
  [
    "one that failed and still has a machine is in its group",
    [served("z", "z", { state: "error", pid: 2, hypervisor_pid: 7 }), served("a", "a", { pid: 1 })],
    [group("a", ["a"]), group("z", ["z"])],
    /^refuse: conflict: .*two networks cannot merge$/,
  ],
  [
    "groups of one name, of two holders, are two groups",
    [served("a", "a", { pid: 1 }), served("b", "a", { pid: 2 })],
    [],
    /^refuse: conflict: /,
  ],
  ["a damaged member is refused with its damage", [absent("a"), damaged("b")], [], "refuse: damaged: b is damaged"],
  ["one whose holder is silent is refused", [silent("a")], [], "refuse: timeout: silent"],
  [
    "a killed holder's machines are adopted, those that nobody named as well",
    [stopped("b"), absent("n")],
    [killed("a", ["a", "b", "c"])],
    "spawn b,n; adopted b; also a,c",
  ],
  [
    "a killed holder's group of which nothing runs is no group",
    [stopped("a")],
    [killed("a", [])],
    "spawn a; adopted ; also ",
  ],
  [
    "machines of two killed holders are refused",
    [stopped("a"), stopped("z")],
    [killed("a", ["a"]), killed("z", ["z"])],
    /^refuse: conflict: .*two networks cannot merge$/,
  ],
  [
    "a killed holder's machine and one that is served are refused",
    [served("a", "a"), stopped("z")],
    [group("a", ["a"]), killed("z", ["z"])],
    /^refuse: conflict: .*"z" in the group "z"/,
  ],
  [
    "a stopped member comes back to its own network",
    [stopped("a", "id-g")],
    [group("g", ["b", "c"])],
    "via b: add a; pending ; running ",
  ],
  [
    "stopped members of two groups that live are refused",
    [stopped("a", "id-g"), stopped("z", "id-h")],
    [group("g", ["b"]), group("h", ["c"])],
    /^refuse: conflict: /,
  ],
  [
    "who runs decides: a stopped member of another group comes along",
    [stopped("a", "id-g"), served("c", "h")],
    [group("g", ["b"]), group("h", ["c"])],
    "via c: add a; pending ; running c",
  ],
  [
    "a stopped member comes back to its own network when that lost its holder: it is adopted",
    [stopped("a", "id-g"), absent("n")],
    [killed("g", ["b", "c"])],
    "spawn a,n,b; adopted b; also c",
  ],
  [
    "a group that lost its holder, and of which nothing runs, is nobody's home",
    [stopped("a", "id-g")],
    [killed("g", [])],
    "spawn a; adopted ; also ",
  ],
  [
    "nobody comes back into a group that dies with its program",
    [stopped("a", "id-g")],
    [group("g", ["b"], { bound: true })],
    "spawn a; adopted ; also ",
  ],
];

for (const [what, members, groups, expected] of UP) {
  Deno.test(`up: ${what}`, () => {
    const plan = told(planUp(members, groups));
    if (typeof expected === "string") assert.equal(plan, expected);
    else assert.match(plan, expected);
  });
}

const JOIN: [what: string, member: MemberFacts, via: MemberFacts, groups: GroupFacts[], expected: string | RegExp][] = [
  ["a new member", absent("d"), served("b", "a"), [group("a", ["a", "b"])], "via b: add d; pending ; running "],
  ["a stopped one", stopped("d"), served("b", "a"), [group("a", ["a", "b"])], "via b: add d; pending ; running "],
  ["via one that boots", absent("d"), served("b", "a", { state: "starting" }), [], "via b: add d; pending ; running "],
  ["one that runs there", served("d", "a"), served("b", "a"), [], "via b: add ; pending ; running d"],
  [
    "one that boots there",
    served("d", "a", { state: "starting" }),
    served("b", "a"),
    [],
    "via b: add ; pending d; running ",
  ],
  ["one of another group", served("d", "d"), served("b", "a"), [], /^refuse: conflict: .*two networks cannot merge/],
  ["one whose home is another group", stopped("d", "id-g"), served("b", "a"), [group("g", ["x"])], /^via b: add d;/],
  ["via one that is stopped", absent("d"), stopped("b"), [], /^refuse: conflict: .* via "b": it is not running$/],
  ["via one that failed", absent("d"), served("b", "a", { state: "error" }), [], /^refuse: conflict: .* it failed$/],
  ["via an unknown one", absent("d"), absent("b"), [], /^refuse: not-found: .* there is no such member$/],
  ["via one that is being stopped", absent("d"), served("b", "a", { stage: "stopping" }), [], "await-end b"],
  [
    "via a killed holder's machine: its group is adopted first",
    absent("d"),
    stopped("b"),
    [killed("a", ["a", "b"])],
    "spawn b; adopted b; also a",
  ],
];

const BESIDE: [
  what: string,
  member: MemberFacts,
  other: MemberFacts,
  groups: GroupFacts[],
  expected: string | RegExp,
][] = [
  [
    "one that runs: its network",
    absent("b"),
    served("a", "a"),
    [group("a", ["a"])],
    "via a: add b; pending ; running ",
  ],
  ["one that boots", absent("b"), served("a", "a", { state: "starting" }), [], "via a: add b; pending ; running "],
  ["one that is stopped, or is not there", absent("b"), stopped("a"), [], "spawn b; adopted ; also "],
  ["one that is being stopped", absent("b"), served("a", "a", { stage: "stopping" }), [], "spawn b; adopted ; also "],
  ["one that runs in another group", served("b", "b"), served("a", "a"), [], /^refuse: conflict: .*cannot merge/],
  ["a killed holder's machine", absent("b"), stopped("a"), [killed("a", ["a"])], "spawn b,a; adopted a; also "],
];

for (const [what, member, other, groups, expected] of BESIDE) {
  Deno.test(`up beside ${what}`, () => {
    const plan = told(planUpBeside([member], [other], groups));
    if (typeof expected === "string") assert.equal(plan, expected);
    else assert.match(plan, expected);
  });
}

for (const [what, member, via, groups, expected] of JOIN) {
  Deno.test(`join: ${what}`, () => {
    const plan = told(planJoin(member, via, groups));
    if (typeof expected === "string") assert.equal(plan, expected);
    else assert.match(plan, expected);
  });
}

/** A member that a program has made. Its process is called `1` when it lives. */
const madeBy = (name: string, pid: number): MemberFacts => ({
  name,
  stored: { name, config: { name, owner: { pid } } as MemberConfig },
});
/** The process that serves the group, as {@link served} has it. */
const HOLDER = "p".charCodeAt(0);
const NOBODY = { holder: undefined };
const REUSE = { existing: "reuse" } as const;

const BOUND: [
  what: string,
  members: MemberFacts[],
  others: MemberFacts[],
  wish: Partial<BoundWish>,
  expected: string | RegExp,
][] = [
  ["nothing is there: one holder for all", [absent("a"), absent("b")], [], NOBODY, "spawn a,b; adopted ; also "],
  ["the user's machine of that name", [absent("a"), stopped("b")], [], NOBODY, /^refuse: conflict: .*"b".*it was made/],
  ["the user's, served or not", [served("b", "g")], [], NOBODY, /^refuse: conflict: .* there is one of that name/],
  ["another program's", [madeBy("b", 1)], [], NOBODY, /^refuse: conflict: .*process 1 made it and still runs$/],
  ["what an ended program left is replaced", [madeBy("b", 2), absent("a")], [], NOBODY, "replace b"],
  ["of two, one left and one of the user's: nothing is", [madeBy("b", 2), stopped("a")], [], NOBODY, /^refuse: .*"a"/],
  ["the user's, to be used again", [stopped("b")], [], { ...NOBODY, ...REUSE }, "spawn b; adopted ; also "],
  ["what was left, to be used again", [madeBy("b", 2)], [], { ...NOBODY, ...REUSE }, "spawn b; adopted ; also "],
  [
    "one that another holder serves, to be used again",
    [served("b", "g")],
    [],
    { ...NOBODY, ...REUSE },
    /^refuse: conflict: "b" is already served by another holder$/,
  ],
  [
    "one that another holder serves, beside a group that lives",
    [served("b", "g")],
    [served("a", "p")],
    REUSE,
    /^refuse: conflict: "b" is already served/,
  ],
  ["a new one joins the others", [absent("b")], [served("a", "p")], {}, "via a: add b; pending ; running "],
  ["one of its own that is down", [stopped("b")], [served("a", "p")], REUSE, "via a: add b; pending ; running "],
  ["its own are no obstacle", [served("a", "p")], [], {}, "via a: add ; pending ; running a"],
  ["its own that boots", [served("a", "p", { state: "starting" })], [], {}, "via a: add ; pending a; running "],
  [
    "its own that failed is booted again, via one that lives",
    [served("a", "p", { state: "error" })],
    [served("b", "p")],
    REUSE,
    "via b: add a; pending ; running ",
  ],
  ["its own that is being stopped", [served("a", "p", { stage: "stopping" })], [served("b", "p")], {}, "await-end a"],
  [
    "the last of the others is being stopped, and the network ends with it",
    [absent("b")],
    [served("a", "p", { stage: "stopping" })],
    {},
    "await-end a",
  ],
  [
    "of the others one is being stopped: the group goes on",
    [absent("b")],
    [served("a", "p", { stage: "stopping" }), served("c", "p")],
    {},
    "via c: add b; pending ; running ",
  ],
  ["the others are down", [stopped("b")], [stopped("a")], REUSE, "spawn b; adopted ; also "],
  [
    "somebody else has brought the others up: that is another network",
    [stopped("b")],
    [served("a", "g")],
    { ...NOBODY, ...REUSE },
    "spawn b; adopted ; also ",
  ],
  ["a killed holder's machine", [stopped("k")], [], REUSE, /^refuse: conflict: Cannot start "k" bound to this program/],
  ["a damaged one", [damaged("a")], [], NOBODY, "refuse: damaged: a is damaged"],
  ["one whose holder is silent", [silent("a")], [], REUSE, "refuse: timeout: silent"],
  [
    "one that runs and does not answer",
    [served("a", "p", { not_answering: true, hypervisor_pid: 7 })],
    [],
    REUSE,
    /^refuse: timeout: "a" runs, but/,
  ],
];

for (const [what, members, others, wish, expected] of BOUND) {
  Deno.test(`bound: ${what}`, () => {
    const isAlive = ({ pid }: { pid: number }) => pid === 1;
    const whole: BoundWish = { holder: HOLDER, existing: "refuse", isAlive, ...wish };
    const plan = told(planBound(members, others, [killed("k", ["k"])], whole));
    if (typeof expected === "string") assert.equal(plan, expected);
    else assert.match(plan, expected);
  });
}
