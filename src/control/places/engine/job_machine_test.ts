import * as assert from "#assert";
import { savedMember } from "../../../store/snapshots/manifests.ts";
import { configOf } from "../../../store/snapshots/testing.ts";
import { jobMachine } from "./job_machine.ts";

const big = configOf("a", { cpus: 4, memory_mb: 4096 });

Deno.test("a job is asked for what a member has, or is to have; for a fork, what the saved machine had", () => {
  assert.deepEqual(jobMachine({ name: "a" }, { mem: 0.5, cpus: 2 }), { name: "a", cpus: 2, memoryMiB: 512 });
  const stored = { name: "a", config: big };
  assert.deepEqual(jobMachine({ name: "a", stored }, { mem: 0.5 }), { name: "a", cpus: 4, memoryMiB: 4096 });
  const members = { a: savedMember(big, 0) };
  const saved = { version: 1 as const, name: "seeded", made_at: "", host: "h", group: "g", members };
  const fork = { snapshot: { checkpoint: "seeded", members: { x: "a" } } };
  assert.deepEqual(jobMachine({ name: "x" }, fork, saved), { name: "x", cpus: 4, memoryMiB: 4096 });
});
