/** Connections to a real guest at a place that are kept for the next `exec`. */

import * as assert from "#assert";
import { until } from "../support/processes.ts";
import type { Sandbox } from "../support/sandbox.ts";
import { pids } from "./library.ts";

/** What `place rm` and `stop` end, too. */
export async function connectionsAreKept(here: Sandbox): Promise<void> {
  const at = ["a", "--on", "big"];
  const exec = async (...command: string[]) => {
    const { stdout, stderr } = await here.ok("exec", ...at, "--", ...command);
    assert.equal(stderr, "");
    return stdout.trim();
  };
  /** The guest's process that serves the connection. */
  const server = () => exec("sh", "-c", "echo $PPID");
  const masters = () => pids(`${here.home}/places/big/.*\\[mux\\]`);
  await here.ok("up", ...at, "--egress", "off", "--memory", "128M");

  const first = await server();
  assert.equal(await server(), first);
  const [one, other] = await Promise.all([1, 2].map(() => exec("sh", "-c", "echo $PPID; sleep 1")));
  assert.notEqual(one, other); // one command at a time
  assert.ok([one, other].includes(first), `${one} ${other} ${first}`);
  await until("one is kept of several at once", async () => (await masters()).length === 1);

  await exec("sh", "-c", "echo new:x:4000:fleetbox | sudo tee -a /etc/group");
  assert.equal(await exec("id", "-nG"), "fleetbox new"); // each command has the groups of its moment

  const longest = "x".repeat(9_000 - "echo ''".length); // what the guest's SSH server takes
  assert.equal(await exec("echo", longest), longest);
  await here.fails(
    2,
    /take 9001 bytes, expected at most 9000.*fleetbox cp/s,
    "exec",
    ...at,
    "--",
    "echo",
    `${longest}x`,
  );
  await here.fails(2, /take 9001 bytes/, "ssh", "--on", "big", "a", "--", "echo", `${longest}x`);

  const before = await server();
  const long = here.start(["exec", ...at, "--", "sh", "-c", "echo begun; sleep 1000"]);
  await long.printed(/begun/);
  long.kill("SIGTERM");
  assert.equal((await long.done).stdout, "begun\n"); // nothing holds its output open
  assert.notEqual(await server(), before);

  // A guest that restarts itself knows nothing of the connection.
  await here.ok(
    "ssh",
    "--on",
    "big",
    "a",
    "(sleep 0.3; echo b | sudo tee /proc/sysrq-trigger) </dev/null >/dev/null 2>&1 &",
  );
  const resets = async () => JSON.parse((await here.ok("status", ...at, "--json")).stdout).resets;
  await until("the guest has restarted itself", async () => await resets() >= 1);
  assert.match(await server(), /^\d+$/);

  assert.notDeepEqual(await masters(), []);
  await here.ok("checkpoint", ...at, "--as", "saved"); // its forks would have the guest's half
  await until("the kept connections have ended", async () => (await masters()).length === 0);
  const broken = await here.run("exec", ...at, "--", "sudo", "killall", "dropbear");
  assert.equal(broken.code, 255);
  assert.match(broken.stderr, /its SSH server does not answer/); // asked through the place
  await here.ok("stop", ...at);
  await until("a stopped machine's have ended, too", async () => (await masters()).length === 0);
  await here.ok("checkpoint", "rm", "saved", "--on", "big");
  await here.ok("rm", ...at, "--force");
}
