/**
 * Processes that work on the same snapshots at once and are killed at any moment lose nothing: no disk, no layer of one, and
 * nothing half-made is visible. This file is also the program that is killed.
 */

import * as assert from "#assert";
import { join } from "../../system/path.ts";
import { codeOf } from "../../core/errors.ts";
import { exists, replaceFile } from "../../system/files.ts";
import { type MemberConfig, Store } from "../../store.ts";
import { diskOf } from "../disk.ts";
import { removeMember } from "../remove.ts";
import {
  checkpoints,
  claimLayers,
  collectLayers,
  fitTemplates,
  freezeDisk,
  newMaking,
  publishCheckpoint,
  publishTemplate,
  readCheckpoint,
  readTemplate,
  removeCheckpoint,
  removeTemplate,
  snapshotPaths,
  templates,
  touchTemplate,
  unlinkFrozen,
} from "../snapshots.ts";
import { layerIds, layerReaders } from "./layers.ts";
import { addSaved, configOf, id, names } from "./testing.ts";

const [KEYS, CHECKPOINTS, MEMBERS] = [[id(1), id(2)], ["one", "two"], ["a", "b", "c", "d"]];
const one = <T>(values: readonly T[]) => values[Math.floor(Math.random() * values.length)];
const overlay = (path: string, base: { disk: string }) => Deno.writeTextFile(path, `on ${base.disk}`);

/** Makes a member, if it is not there, as a holder does: on the layers of a saved one, or by itself. */
async function makeMember(store: Store, name: string, saved: MemberConfig | undefined): Promise<void> {
  await store.withMemberLock(name, async () => {
    const config = store.config(name) ?? configOf(name, { layers: saved?.layers });
    if (!store.config(name)) await (config.layers ? claimLayers(store, config) : store.writeConfig(config));
    const base = config.layers ? `on ${snapshotPaths(store).layer(config.layers[0])}` : "root";
    const disk = diskOf(store, config);
    if (!exists(disk)) await replaceFile(disk, (aside) => Deno.writeTextFile(aside, base));
    Deno.writeTextFileSync(store.member(name).serialLog, "it booted");
  });
}

/** Freezes a member's disk and saves it. */
async function save(store: Store, name: string, making: string): Promise<MemberConfig | undefined> {
  return await store.withMemberLock(name, async () => {
    const config = store.config(name);
    if (!config || !exists(diskOf(store, config))) return undefined;
    const frozen = await freezeDisk(store, config, overlay);
    addSaved(making);
    await unlinkFrozen(store, frozen);
    return frozen;
  });
}

const STEPS: ((store: Store) => Promise<unknown>)[] = [
  (store) => makeMember(store, one(MEMBERS), undefined),
  (store) => {
    const key = one(KEYS);
    touchTemplate(store, key);
    return makeMember(store, one(MEMBERS), readTemplate(store, key)?.member.config);
  },
  (store) => {
    const saved = Object.values(readCheckpoint(store, one(CHECKPOINTS))?.members ?? {});
    return makeMember(store, one(MEMBERS), one(saved)?.config);
  },
  async (store) => {
    const making = newMaking(store);
    const config = await save(store, one(MEMBERS), making);
    if (config) await publishTemplate(store, making, { key: one(KEYS), parts: {}, config });
  },
  async (store) => {
    const making = newMaking(store);
    const [first, second] = [one(MEMBERS), one(MEMBERS)];
    const saved = [...new Set([first, second])].map((name) => save(store, name, join(making, name)));
    const members = (await Promise.all(saved)).filter((config) => config !== undefined);
    const request = { name: one(CHECKPOINTS), group: "a", host: "h", members };
    if (members.length > 0) await publishCheckpoint(store, making, request);
  },
  (store) => removeMember(store, one(MEMBERS)),
  (store) => removeCheckpoint(store, one(CHECKPOINTS)),
  (store) => removeTemplate(store, one(KEYS)),
  (store) => fitTemplates(store, one([0, 1e9])),
  (store) => collectLayers(store),
];

/** Takes steps for ever, and writes a byte for each. */
async function takeSteps(root: string): Promise<void> {
  const store = Store.at(root);
  for (;;) {
    try {
      await one(STEPS)(store);
    } catch (thrown) {
      if (!["conflict", "not-found"].includes(codeOf(thrown))) throw thrown;
    }
    Deno.stdout.writeSync(new Uint8Array(1));
  }
}

/** Starts the program, and kills it somewhere in a step after so many. @returns what it said of a failure */
async function killAfter(root: string, steps: number): Promise<string> {
  const program = join(import.meta.dirname!, "killed_test.ts");
  const args = ["run", "-A", "--quiet", "--no-check", program, "take-steps", root];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).spawn();
  const said = new Response(child.stderr).text();
  let taken = 0;
  for await (const bytes of child.stdout) {
    if ((taken += bytes.length) < steps) continue;
    const end = performance.now() + Math.random() * 3;
    while (performance.now() < end); // a step takes about so long
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended by itself */ }
    break; // which closes its output: it must not see that
  }
  await child.status;
  return await said;
}

/** What is wrong with the store. */
function defects(store: Store): string[] {
  const found: string[] = [];
  const { layer } = snapshotPaths(store);
  for (const member of store.members()) {
    if ("damage" in member) {
      found.push(member.damage.message);
      continue;
    }
    const { config } = member;
    let path = diskOf(store, config);
    if (!exists(path) && !exists(store.member(member.name).serialLog)) continue; // its first boot makes it
    for (const below of [...config.layers ?? [], undefined]) {
      if (!exists(path)) found.push(`${member.name}: ${path} is gone`);
      else {
        const [text, expected] = [Deno.readTextFileSync(path), below ? `on ${layer(below)}` : "root"];
        if (text !== expected) found.push(`${member.name}: ${path} is ${text}, expected ${expected}`);
      }
      if (below) path = layer(below);
    }
  }
  for (const saved of [...templates(store), ...checkpoints(store)]) {
    if ("damage" in saved) found.push(saved.damage.message);
  }
  return found;
}

if (Deno.args[0] === "take-steps") await takeSteps(Deno.args[1]);

Deno.test("snapshots: processes that are killed lose no disk and no layer, and leave nothing half-made", async () => {
  const root = Deno.makeTempDirSync({ prefix: "sk" });
  try {
    const store = Store.at(join(root, "s"));
    store.ensure();
    for (let round = 0; round < 3; round++) {
      const said = await Promise.all([20, 40].map((steps) => killAfter(store.root, steps + Math.random() * 40)));
      assert.equal(said.join(""), "");
      assert.deepEqual(defects(store), []);
      // What they left is found, and goes; nothing else does.
      store.sweepTemporary(MEMBERS);
      assert.deepEqual((await collectLayers(store)).unsure, []);
      assert.deepEqual(defects(store), []);
      const read = new Set(layerReaders(store).readers.flatMap(({ layers }) => layers));
      assert.deepEqual(layerIds(store).filter((layer) => !read.has(layer)), []);
      assert.deepEqual(names(store.snapshotsDir), [".lock", "checkpoints", "layers", "templates"]);
    }
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
