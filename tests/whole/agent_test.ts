/** Members that start from templates, and the agents in their guests, against the fake QEMU. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import { filesBelow, withAgents } from "../support/files.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

test("guests that start from templates are their own again by their agents, under any name", async () => {
  await using box = await agentSandbox({});
  await takeTemplates(box, "a,b", 2);
  for (const names of ["a,b", "x,y"]) {
    const up = await box.up(names, "--verbose");
    for (const name of names.split(",")) {
      const called = names === "x,y" ? name : "a"; // a fake guest is called so until it is told otherwise
      assert.match(up.stdout, new RegExp(`^${name}: running \\(.* s, warm\\)$`, "m"), up.stderr);
      assert.match(
        Deno.readTextFileSync(box.store.member(name).serialLog),
        new RegExp(`renewed: it is called "${called}"`),
      );
      assert.ok(box.process("machine", name).command.includes(`path=${box.store.member(name).agentSocket},`));
    }
    assert.doesNotMatch(up.stderr, /Its agent/);
    await box.ok("rm", "-f", names);
  }
});

test("an agent that is silent, or says garbage, is told, and SSH is asked instead; without that, too, it boots", async () => {
  for (const agent of ["silent", "garbage"] as const) {
    await using box = await agentSandbox({ a: { agent } });
    await takeTemplates(box, "a", 1);
    const calls = join(box.root, "calls");
    const up = await box.start(["up", "a", "--egress", "off", "--verbose"], { env: sshThat(box, "exit 3", calls) })
      .done;
    assert.equal(up.code, 0, up.stderr);
    assert.match(up.stderr, /^a: Its agent is of no use \(.*\): an SSH session does it$/m);
    assert.match(up.stderr, /a: its template does not work and is removed, so it boots: .* ended with code 3/);
    assert.match(up.stdout, /^a: running \([^w]*\)$/m);
    assert.match(Deno.readTextFileSync(calls), /^ssh .* root@127\.0\.0\.1 /);
  }
});

test("a guest whose agent says nothing starts warm all the same, by an SSH session; the log says so", async () => {
  await using box = await agentSandbox({ a: { agent: "silent" } }, { fakeSsh: true });
  await takeTemplates(box, "a", 1);
  const up = await box.up("a");
  assert.match(up.stdout, /^a: running \(.* s, warm\)$/m, up.stderr);
  assert.equal(box.renewals().length, 1);
  assert.match(box.holderLog("a"), /a: Its agent is of no use \(.*\): an SSH session does it$/m);
});

test("a guest whose agent answers, and whose SSH server does not, does not run yet", async () => {
  await using box = await agentSandbox({});
  await takeTemplates(box, "a", 1);
  box.behave({ a: { ssh: "never" } });
  await box.fails(
    4,
    /^fleetbox: "a" did not answer on its SSH port: .* within 5 s/m,
    "up",
    "a",
    "--egress",
    "off",
    "--timeout",
    "5",
  );
  assert.deepEqual(box.stored(), []);
  box.behave({});
  const up = await box.up("a");
  assert.match(up.stdout, /warm/, "its template was not to blame");
});

test("a machine of an image without an agent has no port for one", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  assert.ok(!box.process("machine", "a").command.includes("chardev:agent"));
});

/** Templates are used, and the image says that its guest has an agent. */
async function agentSandbox(fakeQemu: Record<string, Behaviour>, more: { fakeSsh?: boolean } = {}): Promise<Sandbox> {
  const box = await sandbox({ fakeQemu, templates: true, ...more });
  withAgents(box);
  return box;
}

/** Boots members for their templates, and removes them. */
async function takeTemplates(box: Sandbox, names: string, count: number): Promise<void> {
  await box.up(names);
  const templates = () => filesBelow(join(box.home, "snapshots/templates")).filter((path) => /manifest/.test(path));
  await until(`there are ${count} templates`, () => templates().length === count);
  await box.ok("rm", "-f", names);
}

/** An environment whose `ssh` is a script that notes its arguments. */
function sshThat(box: Sandbox, does: string, calls: string): Record<string, string> {
  const bin = join(box.root, "bin");
  Deno.mkdirSync(bin);
  Deno.writeTextFileSync(join(bin, "ssh"), `#!/bin/sh\necho ssh $* >>${calls}\n${does}\n`, { mode: 0o755 });
  return { PATH: `${bin}:${Deno.env.get("PATH")}` };
}
