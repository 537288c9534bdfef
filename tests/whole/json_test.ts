/** Every command's --json, from the real command line, against the shapes that docs/json.md promises. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { rawDisk, serve } from "../../src/image/testing.ts";
import type { Result } from "../support/command.ts";
import { checkShape, readJsonDocument, shapeAt } from "../support/json_shapes.ts";
import { withAgents } from "../support/files.ts";
import { kill, until } from "../support/processes.ts";
import { sandbox, test, told } from "../support/sandbox.ts";
import { buildProgram } from "../../src/cli/program.ts";

const document = readJsonDocument();
const tried = new Set<string>();

/** Checks what a command printed; returns its values. */
// deno-lint-ignore no-explicit-any
function checked(command: string, result: Result, code = 0): any[] {
  assert.equal(result.code, code, told(result));
  const shapes = document.commands.get(command)!.map((anchor) => shapeAt(document, anchor));
  assert.ok(shapes, command);
  tried.add(command);
  const lines = result.stdout.trim() === "" ? [] : result.stdout.trim().split("\n").map((line) => JSON.parse(line));
  for (const value of lines.flat()) {
    const fits = shapes.filter(({ keys }) =>
      !keys.has("event") || ["string", `\`${value.event}\``].includes(keys.get("event")!.type)
    );
    assert.ok(fits.length > 0, `${command} printed ${JSON.stringify(value)}`);
    if (fits.length === 1 || value.event) checkShape(document, fits[0], value, command);
    else {checkShape(
        document,
        fits.find(({ keys }) => Object.keys(value).every((key) => keys.has(key))) ?? fits[0],
        value,
      );}
  }
  if (result.code !== 0) {
    for (const line of result.stderr.trim().split("\n")) {
      checkShape(document, document.shapes.get("error")!, JSON.parse(line), `the error of ${command}`);
    }
  }
  return lines;
}

/** The events of a command, each kind once. */
const kinds = (events: { event: string }[]) => [...new Set(events.map(({ event }) => event))].toSorted().join(" ");

test("--json of the commands for members has the documented shapes, in every state that a member can have", async () => {
  const fakeQemu = { slow: { bootMs: 60_000 } } as const;
  await using box = await sandbox({ fakeQemu });
  const run = async (command: string, ...args: string[]) =>
    checked(command, await box.run(...command.split(" "), ...args, "--json"));

  const up = await run("up", "a,b", "--egress", "off", "--label", "tier=db", "--verbose");
  assert.equal(kinds(up), "detail member up");
  assert.deepEqual(up.at(-1).members.map(({ name }: { name: string }) => name), ["a", "b"]);
  assert.equal(kinds(await run("up", "a", "--memory", "1G")), "member note up");
  assert.equal(kinds(await run("join", "c", "--via", "b")), "member up");
  assert.equal(kinds(await run("restart", "c", "--verbose")), "detail member restart");
  assert.equal(kinds(await run("wait", "a,c")), "member wait");
  assert.equal(kinds(await run("stop", "b", "--verbose")), "detail member stop");
  await box.ok("join", "broken", "--via", "a");
  await kill(box.process("machine", "broken"));
  await until("its holder has seen it", async () => (await box.report("broken")).state === "error");
  checked("wait", await box.run("wait", "broken", "--json"), 1);
  await box.up("slow", "--no-wait");
  checked("wait", await box.run("wait", "slow", "--timeout", "300ms", "--json"), 4);
  await box.up("damaged");
  await box.ok("stop", "damaged");
  await run("rename", "damaged", "renamed");
  await run("rename", "renamed", "damaged");
  Deno.writeTextFileSync(box.store.member("damaged").config, "{");
  await box.up("orphan");
  await box.killHolder("orphan");

  const [list] = await run("ls");
  const states = Object.fromEntries(list.map(({ name, state }: Record<string, string>) => [name, state]));
  assert.deepEqual(
    states,
    {
      a: "running",
      b: "stopped",
      broken: "error",
      c: "running",
      damaged: "damaged",
      orphan: "orphaned",
      slow: "starting",
    },
  );
  for (const name of Object.keys(states)) {
    const [status] = await run("status", name);
    assert.equal(status.name, name);
    assert.equal(status.config === null, name === "damaged");
  }
  const [{ added }] = await run("forward", "a", "80", "81");
  assert.equal(added.length, 2);
  assert.deepEqual((await run("forward", "a", "80", "--remove"))[0].removed, [added[0]]);
  assert.equal((await run("ls"))[0][0].forwards.length, 1);
  assert.equal((await run("status", "a"))[0].config.forwards.length, 1);
  checked("forward", await box.run("forward", "a", "80", "--remove", "--json"), 3);
  const [stats] = await run("stats", "--once");
  assert.deepEqual(stats.members.map(({ name }: { name: string }) => name), ["a", "c", "slow"]);
  const [hosts] = await run("ssh-config");
  assert.deepEqual(hosts.map(({ name }: { name: string }) => name), ["a", "c"]);
  const bin = join(box.root, "bin"); // a guest whose shell is this host's
  Deno.mkdirSync(bin);
  Deno.writeTextFileSync(
    join(bin, "ssh"),
    '#!/bin/sh\nPATH=$PATH:/usr/bin:/bin\nfor word; do :; done\nexec sh -c "$word"\n',
    { mode: 0o755 },
  );
  const syncing = ["sync", bin, `a:${box.root}/to`, "--json"];
  const env = { PATH: `${bin}:${box.env.PATH}` };
  assert.deepEqual(checked("sync", await box.start([...syncing, "--dry-run"], { env }).done)[0].sent, ["ssh"]);
  Deno.mkdirSync(join(box.root, "to/ssh"), { recursive: true });
  assert.equal(checked("sync", await box.start(syncing, { env }).done, 1)[0].problems[0].path, "ssh");
  const fetching = ["sync", `a:${box.root}/to`, `${box.root}/from`, "--json"];
  assert.equal(checked("sync", await box.start(fetching, { env }).done)[0].to, `${box.root}/from`);
  checked("up", await box.run("up", "a,slow", "--json"), 1);
  checked("status", await box.run("status", "nobody", "--json"), 3);
  checked("stop", await box.run("stop", "--nonsense", "--json"), 2);
  const events = box.start(["events", "--via", "a", "--json"]);
  await events.printed(/"name":"c"/);
  const removed = await run("rm", "a", "b", "c", "slow", "damaged", "orphan", "broken");
  assert.equal(kinds(removed), "member rm");
  assert.equal(kinds(checked("events", await events.done)), "forward group state");
  assert.deepEqual((await run("ls"))[0], []);
  assert.deepEqual((await run("ssh-config"))[0], []);
  assert.equal(kinds(await run("stop", "--all")), "stop");
});

test("--json of checkpoint, fork, restore and suspend has the documented shapes", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, templates: true });
  const run = async (command: string, ...args: string[]) =>
    checked(command, await box.run(...command.split(" "), ...args, "--json"));
  await box.up("a,b");
  await until("there are templates", async () => (await run("image ls"))[0][0].templates.length === 2);
  const checkpoint = await run("checkpoint", "a,b", "--as", "seeded");
  assert.equal(kinds(checkpoint), "checkpoint member");
  assert.deepEqual(checkpoint.at(-1).members, ["a", "b"]);
  assert.equal(kinds(await run("fork", "seeded", "--verbose")), "detail fork member");
  assert.equal(kinds(await run("suspend", "a")), "member suspend");
  assert.deepEqual((await run("suspend", "a,b")).at(-1), { event: "suspend", suspended: ["b"], already: ["a"] });
  assert.equal((await run("ls"))[0][0].suspended, true);
  assert.equal((await run("status", "a"))[0].suspended, true);
  assert.equal(kinds(await run("restore", "seeded")), "member restore");
  await run("checkpoint", "a", "--as", "other");
  Deno.writeTextFileSync(join(box.home, "snapshots/checkpoints/other/manifest.json"), "{");
  const [[other, seeded]] = await run("checkpoint ls");
  assert.deepEqual([typeof other.reason, typeof seeded.made_at], ["string", "string"]);
  const [{ kept_by }] = await run("checkpoint rm", "seeded", "other");
  assert.deepEqual(kept_by.seeded.members, ["a", "b", "seeded-1-a", "seeded-1-b"]);
  checked("checkpoint", await box.run("checkpoint", "nobody", "--as", "x", "--json"), 3);
  checked("checkpoint rm", await box.run("checkpoint", "rm", "nope", "--json"), 3);
  checked("fork", await box.run("fork", "nope", "--json"), 3);
  checked("restore", await box.run("restore", "nope", "--json"), 3);
  checked("suspend", await box.run("suspend", "nobody", "--json"), 3);
});

test("--json of faults, of their end and of plans has the documented shapes", async () => {
  await using box = await sandbox({ fakeQemu: { a: { ping: ["10.88.0.12"] } } });
  withAgents(box);
  const run = async (command: string, ...args: string[]) =>
    checked(command, await box.run(...command.split(" "), ...args, "--json"));
  await box.up("a,b,c");
  await run("fault partition", "a", "b", "--for", "1h");
  await run("fault drop", "--to", "c");
  await run("fault hold", "b", "c");
  await run("fault flap", "b", "c", "--up", "1h");
  await run("fault shape", "--loss", "1%", "--via", "a");
  assert.equal((await run("pause", "b,c")).length, 2);
  await run("fault clock", "a", "--bump", "+30s");
  await run("fault clock", "a", "--strobe=-1s");
  await run("fault memory", "a", "--available", "64M");
  assert.equal((await run("clock"))[0].length, 1, "b and c stand still");
  await run("fault disk", "c", "--error", "EIO");
  await run("fault cpu", "a", "--share", "50%");
  await until("the flap is up", async () => (await run("fault ls"))[0].some(({ is_off }: { is_off?: true }) => is_off));
  await run("ls");
  await run("status", "b");
  const [{ healed: [paused] }] = await run("resume", "b");
  assert.deepEqual([paused.kind, paused.counts.paused_ms > 0], ["pause", true]);
  assert.equal((await run("heal"))[0].healed.length, 11);
  const plan = ["--interval", "200ms", "--for", "400ms", "--quiet-after", "0", "--faults", "partition"];
  assert.equal(kinds(await run("fault random", ...plan)), "fault healed run");
  const file = join(box.root, "plan.json");
  const fault = { kind: "pause", member: "nobody" };
  Deno.writeTextFileSync(file, JSON.stringify({ version: 1, seed: 1, steps: [{ at_ms: 0, for_ms: 100, fault }] }));
  assert.equal(kinds(await run("fault run", file)), "fault-failed run");
});

test("--json of the commands for images, the host and fleetbox has the documented shapes", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(rawDisk(), "slow");
  const run = async (command: string, ...args: string[]) =>
    checked(command, await box.run(...command.split(" "), ...args, "--json"));
  assert.equal(kinds(await run("image pull", server.url)), "download pull");
  const [images] = await run("image ls", "--all");
  assert.ok(images.some(({ id }: { id?: string }) => id) && images.some((one: object) => "available" in one));
  const [{ id }] = (await run("image ls"))[0];
  assert.deepEqual((await run("image rm", id))[0].removed, [id]);
  checked("image rm", await box.run("image", "rm", "nonsense", "--json"), 3);
  checked("image pull", await box.run("image", "pull", "nonsense", "--json"), 3);
  // A build's events and its error: a whole build takes minutes, and ends like a pull.
  const bin = join(box.root, "bin");
  Deno.mkdirSync(bin);
  const scripts = {
    "mmdebstrap": "echo 'I: running apt-get update...'; echo 'E: no luck' >&2; exit 25",
    "apt-get": "echo 'Packages|http://mirror.invalid/debian/|bookworm|main|Debian|'",
  };
  for (const [name, text] of Object.entries(scripts)) {
    Deno.writeTextFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  const env = { PATH: `${bin}:${Deno.env.get("PATH")}`, TMPDIR: box.root };
  const build = await box.start(["image", "build", "debian-12", "--json"], { env }).done;
  assert.equal(kinds(checked("image build", build, 1)), "step");
  const event = { at: "2026-11-28T19:50:00.000Z", event: "link", from: "a", to: "*", frames: 1, bytes: 60 };
  const meta = { format: "fleetbox-trace", version: 1, started: event.at, members: [{ name: "a" }], problem: "none" };
  const trace = join(box.home, "traces", "a-1");
  Deno.mkdirSync(trace, { recursive: true });
  Deno.writeTextFileSync(join(trace, "meta.json"), JSON.stringify({ ...meta, id: "a-1" }));
  Deno.writeTextFileSync(join(trace, "events.ndjson"), JSON.stringify(event));
  assert.equal((await run("trace ls"))[0][0].state, "left");
  assert.deepEqual(await run("trace events", "a-1"), [event]);
  Deno.mkdirSync(join(box.home, "places"));
  const place = {
    url: "ssh://big",
    store: "/s",
    program: "/s/f",
    digest: "0",
    version: "fleetbox 1",
    system: "Linux",
    added_at: "",
  };
  Deno.writeTextFileSync(join(box.home, "places/big.json"), JSON.stringify(place));
  assert.deepEqual((await run("place ls"))[0][0].connected, false);
  checked("place add", await box.run("place", "add", "big", "ssh://other", "--json"), 1);
  const [findings] = await run("doctor");
  assert.ok(findings.length > 5);
  Deno.writeTextFileSync(join(box.home, "runner-gone.log"), "x");
  assert.deepEqual((await run("prune", "--dry-run"))[0].removed, []);
  assert.equal((await run("prune", "--force"))[0].removed[0].kind, "log");
  assert.ok((await run("uninstall", "--dry-run"))[0].found.length > 0);
  Deno.writeTextFileSync(join(box.root, "group.toml"), '[members.a]\n[members.b]\nneeds = "a"\nimage = "debian-12"');
  assert.equal((await run("config", "-f", join(box.root, "group.toml")))[0].members.length, 2);
  checked("config", await box.run("config", "-f", join(box.root, "none.toml"), "--json"), 3);
  const [version] = await run("version");
  assert.equal(version.json, 1);
});

Deno.test("no command with --json was left out", async () => {
  const program = await buildProgram();
  assert.ok(program.commands.length > 10);
  assert.deepEqual([...tried].toSorted(), [...document.commands.keys()].toSorted());
});
