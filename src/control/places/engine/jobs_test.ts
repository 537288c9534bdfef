/** What is read of a cluster's jobs, and what Slurm is told. */

import * as assert from "#assert";
import { jobsOf, needsOf } from "./jobs.ts";
import { endOf, Slurm } from "./slurm.ts";

const slurm = new Slurm({ kind: "slurm", cluster: "t", user: "me", partition: "p", time: "1:00:00" });

Deno.test("a job's members are those of its claims; without any, those of its record while it waits or is starting", () => {
  const text = [
    'record 1@t on {"members":["a","s"]}',
    'record 2@t off {"members":["q"]}',
    'record 3@t off {"members":["n"]}',
    'record 4@t on {"members":["o"]}',
    'record 5@t on {"members":["x"]}',
    'record 6@other on {"members":["y"]}',
    'claim a {"name":"n1","job":"1@t"}',
    'claim b {"name":"n1","job":"1@t"}',
    'claim y {"name":"n1","job":"6@other"}',
    'claim z {"name":"n1","job":"7@t"}',
    'claim half {"na',
    'group "job":"8@t"',
    "jobs",
    "1 RUNNING None",
    "2 PENDING Resources",
    "3 RUNNING None",
    "4 RUNNING None",
    "5 TIMEOUT TimeLimit",
    "9 RUNNING None",
  ].join("\n");
  const { live, ended, endedKeys } = jobsOf(text, "t", slurm);
  assert.deepEqual(live.map(({ id, phase, serves, reason }) => [id, phase, serves.join(), reason]), [
    ["1", "serving", "a,b", undefined],
    ["2", "queued", "", "Resources"],
    ["3", "starting", "", undefined],
    ["4", "ending", "", undefined],
  ]);
  assert.deepEqual(ended, [{ key: "5@t", id: "5", state: "TIMEOUT", members: ["x"] }]);
  // Of another cluster nothing is known; of jobs without a record claims, and groups, may still be there.
  assert.deepEqual(endedKeys.sort(), ["5@t", "7@t", "8@t"]);
});

Deno.test("a job is submitted with what its machines need, and the place's options", () => {
  const needs = needsOf([{ cpus: 2, memoryMiB: 1024 }, { cpus: 1, memoryMiB: 256 }]);
  assert.deepEqual(needs, { cpus: 3, memoryMiB: 512 + 1024 + 256 + 2 * 160 });
  const request = {
    title: "a",
    ...needs,
    command: ["/s/it's", "__job"],
    env: { FLEETBOX_HOME: "/s" },
    log: "/s%/JOB@t",
  };
  const words = slurm.submission(request).join(" ");
  assert.match(words, /--cpus-per-task=3 --mem=2112M --output=\/s%%\/%j@t .*--partition=p --time=1:00:00$/);
  assert.match(words, /--no-requeue/);
  assert.equal(
    slurm.script(request),
    `#!/bin/sh\nexport FLEETBOX_JOB="$SLURM_JOB_ID@t"\nexec 'env' FLEETBOX_HOME=/s '/s/it'\\''s' __job\n`,
  );
});

Deno.test("why a job is over is told in words, with Slurm's own", () => {
  assert.match(endOf("TIMEOUT").why, /ran out of its time \(TIMEOUT\)/);
  assert.match(endOf("OUT_OF_MEMORY").why, /more memory than it had/);
  const limit = "slurmstepd-n2: error: StepId=13.batch exceeded memory limit (1219944448 > 973078528), being killed";
  assert.match(endOf("FAILED", limit).why, /more memory than it had \(FAILED\)/);
  assert.match(endOf("FAILED", "something else").why, /its holder was killed/);
  assert.match(endOf("NODE_FAIL").why, /its node failed/);
  assert.match(endOf("SOMETHING").why, /SOMETHING/);
  assert.match(endOf(undefined).why, /tells no more/);
});
