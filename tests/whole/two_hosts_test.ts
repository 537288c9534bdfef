/** One store, two hosts: what the other one has claimed is refused by name, and left as it is. */

import * as assert from "#assert";
import { exists } from "../../src/system/files.ts";
import type { HostIdentity } from "../../src/system/this_host.ts";
import { FLEETBOX } from "../support/command.ts";
import { kill } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

/** Says of what a killed holder left that another host wrote it, as this one finds it then. */
async function writtenBy(box: Sandbox, other: Partial<HostIdentity>): Promise<void> {
  const { host } = box.store.member("a");
  const identity = { ...JSON.parse(Deno.readTextFileSync(host)), ...other };
  Deno.writeTextFileSync(host, JSON.stringify(identity));
  const record = box.record();
  await box.store.writeGroupRecord({ ...record, holder: { ...record.holder, host: identity } });
}

test("a member in use on another host is not started, stopped, renamed or removed, nor is anything of it; after a restart it is one's own", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.killAll();
  await writtenBy(box, { name: "node-7", boot: "another", machine: "another" });
  const paths = box.store.member("a");
  const kept = [paths.disk, paths.config, paths.host, paths.pid, paths.socket, box.store.group(box.record().id).record];
  const elsewhere = [/"a".*in use on another host, node-7$/m, /try: .*rm '.*\/a\/host'/];
  for (
    const args of [["up", "a"], ["up", "a,b"], ["join", "a", "--via", "b"], ["stop", "a"], ["restart", "a"], [
      "rm",
      "a",
      "--force",
    ]]
  ) {
    await box.fails(1, elsewhere, ...args);
  }
  await box.fails(1, /in use on another host, node-7/, "rename", "a", "c");
  await box.fails(1, elsewhere, "forward", "a", "80");
  await box.ok("prune", "--force");
  await box.up("b"); // another member sweeps what is left of this host's groups
  assert.match((await box.ok("ls")).stdout, /in use on another host, node-7/);
  await box.ok("rm", "b");
  assert.deepEqual(kept.filter((path) => !exists(path)), []);

  const here = await sandboxHost(box);
  await writtenBy(box, { ...here, boot: "earlier" });
  await box.up("a");
  assert.equal(await box.states(), "a=running");
});

/** This host, as a holder writes it down. */
async function sandboxHost(box: Sandbox): Promise<HostIdentity> {
  await box.up("z");
  const host = JSON.parse(Deno.readTextFileSync(box.store.member("z").host));
  await box.ok("rm", "z");
  return host;
}

/** Namespaces can be made by root, unless a container forbids it. */
const UNSHARE = ["--uts", "--net", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child"];
const mayUnshare = Deno.uid() === 0 && Deno.build.os === "linux" &&
  await new Deno.Command("unshare", { args: [...UNSHARE, "true"] }).output().then(
    ({ success }) => success,
    () => false,
  );

test(
  "in other namespaces of processes and network, over the same directory, a machine without a holder is not doubled",
  async () => {
    await using box = await sandbox({ fakeQemu: {} });
    await box.up("a");
    await box.killHolder("a");
    const machine = box.process("machine", "a");
    const inside = (...args: string[]) =>
      box.start([...UNSHARE, "sh", "-c", 'hostname container-2; exec "$0" "$@"', FLEETBOX, ...args], {
        program: "/usr/bin/unshare",
      }).done;
    for (const args of [["up", "a"], ["rm", "a", "--force"]]) {
      const result = await inside(...args);
      assert.equal(result.code, 1, told(result));
      assert.match(result.stderr, /"a".*in use on another host/, told(result));
    }
    assert.equal(box.process("machine", "a").pid, machine.pid);
    await kill(machine);
    const removed = await inside("rm", "a", "--force"); // nothing of it answers any more
    assert.equal(removed.code, 0, told(removed));
    assert.deepEqual(box.stored(), []);
    await box.ok("prune", "--force");
  },
  { ignore: !mayUnshare },
);
