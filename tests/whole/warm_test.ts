/** Warm starts through the real command line: when, and when not; templates in `image ls` and `prune`. */

import * as assert from "#assert";
import { pause } from "../../src/core/deadline.ts";
import { exists } from "../../src/system/files.ts";
import { withSnapshotLock } from "../../src/store/snapshots.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

const WARM = /^a: running \([\d.]+ s, warm\)$/m;
const COLD = /^a: running \([\d.]+ s\)$/m;

const entries = (box: Sandbox, within: string) => {
  try {
    return [...Deno.readDirSync(`${box.home}/snapshots/${within}`)].map(({ name }) => name);
  } catch {
    return [];
  }
};

const templates = (box: Sandbox) => entries(box, "templates");

/** What is made in the store's snapshots and not there yet. */
const made = (box: Sandbox) => entries(box, "").filter((name) => /making/.test(name));

const disks = (box: Sandbox) =>
  [...Deno.readDirSync(box.store.member("a").dir)].map(({ name }) => name).filter((name) => /^disk/.test(name));

/** `up a`, whose template is there afterwards, and the member no more. */
async function taken(box: Sandbox, ...options: string[]): Promise<void> {
  await box.up("a", ...options);
  await until("there is a template", () => templates(box).length === 1);
  await box.ok("rm", "a");
}

test("a new member like an earlier one starts warm, by any name; --cold and another size boot, and --verbose says why", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, templates: true });
  await taken(box);
  assert.match((await box.up("a")).stdout, WARM);
  assert.match((await box.ok("status", "a")).stdout, /^template +[0-9a-f]{16}; it goes on from there$/m);
  assert.equal(JSON.parse((await box.ok("status", "a", "--json")).stdout).warm, true);
  await box.killHolder("a");
  await box.ok("up", "a");
  assert.equal(JSON.parse((await box.ok("status", "a", "--json")).stdout).warm, true, "its next holder tells it, too");
  assert.equal(templates(box).length, 1);
  await box.ok("stop", "--force", "a");
  const again = await box.up("a", "--verbose");
  assert.match(again.stdout, COLD);
  assert.match(again.stderr, /a: it boots: it has a disk of its own/);
  await box.ok("rm", "a");

  assert.match((await box.up("other")).stdout, /^other: running \([\d.]+ s, warm\)$/m);
  assert.equal(box.renewals().at(-1)!.hostName, "other");
  await box.ok("rm", "other");
  const cold = await box.up("a", "--cold", "--verbose");
  assert.match(cold.stdout, COLD);
  assert.match(cold.stderr, /a: it boots: --cold was asked for/);
  await box.ok("rm", "a");
  const larger = await box.up("a", "--memory", "128M", "--no-template", "--verbose");
  assert.match(larger.stderr, /a: it boots: .*another memory/);
  assert.equal(templates(box).length, 1);
});

test("a template that does not work is removed with one line, and the member boots", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, templates: true });
  for (const trouble of [{ incoming: "fail" }, { renewal: "fail" }] as const) {
    box.behave({});
    await taken(box);
    box.behave({ "*": trouble });
    const up = await box.up("a", "--no-template");
    assert.match(up.stdout, COLD);
    assert.match(up.stderr, /a: its template does not work and is removed, so it boots: /);
    assert.deepEqual(templates(box), []);
    await box.ok("rm", "a");
  }
});

test("a template that is damaged, or goes while a member is made from it, is removed, told, and taken anew", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, templates: true });
  Deno.mkdirSync(`${box.root}/data`);
  const shared = ["--fixture", `${box.root}/data:/mnt/data`];
  const removed = /a: its template does not work and is removed, so it boots: /;
  const layer = () => `layers/${entries(box, "layers")[0]}`;
  const file = (name: string) => () => `templates/${templates(box)[0]}/${name}`;
  const damages: [what: () => string, how: (path: string) => void][] = [
    ...["manifest.json", "devices", "memory", "fixture-0.img"].map(file).concat(layer)
      .flatMap((what): typeof damages => [[what, Deno.removeSync], [what, (path) => Deno.truncateSync(path)]]),
    [layer, (path) => Deno.truncateSync(path, 1)],
  ];
  for (const [what, damage] of damages) {
    await taken(box, ...shared);
    const damaged = what();
    damage(`${box.home}/snapshots/${damaged}`);
    const up = await box.up("a", ...shared);
    assert.match(up.stdout, COLD, damaged);
    assert.match(up.stderr, removed, damaged);
    await box.ok("rm", "a");
    assert.match((await box.up("a", ...shared)).stdout, WARM, damaged);
    await box.ok("rm", "a");
  }

  let late: ReturnType<Sandbox["start"]> | undefined;
  await withSnapshotLock(box.store, async () => {
    late = box.start(["up", "a", "--egress", "off", ...shared]);
    await until("its config is about to be written", () => exists(`${box.store.member("a").dir}/.lock`));
    await pause(500);
    Deno.removeSync(`${box.home}/snapshots/templates/${templates(box)[0]}`, { recursive: true });
  });
  const up = await late!.done;
  assert.match(up.stdout, COLD);
  assert.match(up.stderr, removed);
});

test("a boot that fails, is stopped or loses its holder while its template is made ready leaves none, and a member that starts", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { ssh: "never" } }, fakeSsh: true, templates: true });
  const isReady = () => box.store.config("a")?.disk_file !== undefined;
  await box.fails(4, /did not answer on its SSH port/, "up", "a", "--timeout", "3s"); // it is removed again
  assert.deepEqual([made(box), entries(box, "layers")], [[], []]);

  const stopped = box.start(["up", "a", "--egress", "off"]);
  await until("its template is made ready", isReady);
  await box.ok("stop", "--force", "a");
  assert.equal((await stopped.done).code, 1);
  assert.deepEqual(made(box), []);
  box.behave({});
  assert.match((await box.up("a")).stdout, COLD);
  await box.ok("rm", "a");

  box.behave({ "*": { ssh: "never" } });
  const killed = box.start(["up", "a", "--egress", "off"]);
  await until("its template is made ready", isReady);
  await box.killHolderAlone("a");
  await killed.done;
  box.behave({});
  await box.ok("stop", "--force", "a");
  assert.match((await box.up("a")).stdout, COLD);
  await until("it has one disk", () => disks(box).length === 1);
  assert.deepEqual(disks(box), [box.store.config("a")!.disk_file]);
  await until("nothing is being made", () => made(box).length === 0);
  await box.ok("rm", "a");
  await until("no layer is left", () => entries(box, "layers").length === entries(box, "templates").length);
});

test("image ls tells of templates, and prune removes them and no checkpoint; FLEETBOX_TEMPLATES=0 takes none", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, templates: true });
  await taken(box);
  const list = await box.ok("image", "ls");
  assert.match(list.stdout, /\n\nTEMPLATES OF {2}COUNT {2}SIZE +USED\nmicro +1 +[\d.]+[KM] +\d+s\n$/);
  await box.up("a");
  await box.ok("checkpoint", "a", "--as", "kept");
  const dry = await box.ok("prune", "--dry-run");
  assert.match(dry.stdout, /^template +[\d.]+[KM] +snapshots\/templates\/[0-9a-f]{16}$/m);
  assert.doesNotMatch(dry.stdout, /checkpoint|layer/);
  assert.match((await box.ok("prune", "-f")).stdout, /^1 removed, [\d.]+[KM]$/m);
  assert.deepEqual(templates(box), []);
  await box.ok("rm", "a");
  await box.ok("fork", "kept", "--as", "f"); // its layers have stayed

  const off = await box.start(["up", "x", "--egress", "off", "--verbose"], { env: { FLEETBOX_TEMPLATES: "0" } }).done;
  assert.match(off.stderr, /x: it boots: FLEETBOX_TEMPLATES is 0/);
  assert.deepEqual(templates(box), []);
  assert.doesNotMatch((await box.ok("image", "ls")).stdout, /TEMPLATES/);

  const much = await box.start(["up", "y,z", "--egress", "off"], { env: { FLEETBOX_TEMPLATES: "much" } }).done;
  assert.equal(much.code, 0, told(much));
  assert.equal(much.stderr.match(/no template is used or taken: .*FLEETBOX_TEMPLATES/g)?.length, 1, told(much));
});
