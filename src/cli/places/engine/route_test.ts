/** Which job a command for a place with an engine goes to. */

import * as assert from "#assert";
import type { Job } from "../../../control/places/engine/jobs.ts";
import { wayOf } from "./route.ts";

const job = (id: string, phase: Job["phase"], serves: string[], members = serves): Job => ({
  ...{ key: `${id}@t`, id, phase, serves, members },
});
const JOBS = [
  job("1", "serving", ["a", "b"], ["a", "b", "s"]), // s is stopped
  job("2", "serving", ["c"]),
  job("3", "queued", [], ["q", "r"]),
  job("4", "ending", [], ["e"]),
];

/** `login`, `submit`, `job 1`, or the parts: `1: stop a; login: stop x; cancel 3`. */
function told(line: string, jobs = JOBS): string {
  const way = wayOf(line.split(" "), jobs, "lab");
  if (way.step === "job") return `job ${way.job.id}`;
  if (way.step !== "each") return way.step;
  const parts = way.parts.map(({ job, words }) => `${job?.id ?? "login"}: ${words.join(" ")}`);
  return [...parts, ...way.cancel.map(({ id }) => `cancel ${id}`)].join("; ");
}

const CASES: [line: string, way: string][] = [
  ["up x,y", "submit"],
  ["up x --memory 1G", "submit"],
  ["up e", "submit"],
  ["up a,x", "job 1"],
  ["up s", "job 1"],
  ["join x --via b", "job 1"],
  ["status a", "job 1"],
  ["status x", "login"],
  ["cp file a:path", "job 1"],
  ["exec c -- echo a", "job 2"],
  ["checkpoint a --name cp", "job 1"],
  ["restore cp", "submit"],
  ["image ls", "login"],
  ["stop a", "1: stop a"],
  ["stop a,c x --force", "1: stop --force a; 2: stop --force c; login: stop --force x"],
  ["stop q r", "cancel 3"],
  ["rm q,r a", "1: rm a; login: rm q r; cancel 3"],
  ["stop --all", "1: stop a b; 2: stop c; cancel 3"],
  ["rm --all --force", "1: rm --force a b; 2: rm --force c; login: rm --all --force; cancel 3"],
  ["stop x", "login: stop x"],
];

for (const [line, way] of CASES) {
  Deno.test(`fleetbox ${line}, at a place with jobs: ${way}`, () => assert.equal(told(line), way));
}

Deno.test("what would need several jobs, a job that waits, or no job at all is refused with the way out", () => {
  const refused: [string, RegExp][] = [
    ["status a c", /members of one job, found job 1 \(a,b\), job 2 \(c\)/],
    ["events", /members of one job/],
    ["status q", /q, r waits? in the queue as job 3/],
    ["up q", /in the queue as job 3/],
    ["stop q", /wait in one job, 3: expected all of them, or none/],
    ["restart x", /it would start machines beside the store/],
    ["image build ./x", /it would start machines beside the store/],
  ];
  for (const [line, words] of refused) assert.throws(() => told(line), words, line);
});

Deno.test("a command that follows a group needs no name when there is one job", () => {
  assert.equal(told("events", [JOBS[1]]), "job 2");
  assert.equal(told("events", []), "login");
});
