/** What can be wrong with a host, or with the way to it. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { type Sandbox, told } from "../support/sandbox.ts";
import type { Host } from "./sshd.ts";

/** The far ends of its connections stand still: nothing comes any more, and nothing ends. */
export async function silenceIsNoticed(here: Sandbox, host: Host): Promise<void> {
  const events = here.start(["events", "--on", "big"]);
  await events.printed(/a/);
  const silent = await host.connections();
  assert.ok(silent.length > 0);
  for (const pid of silent) Deno.kill(pid, "SIGSTOP");
  try {
    const { code, stderr } = await events.done;
    assert.equal(code, 1);
    assert.match(stderr, /connection to the place "big" is over; machines there run on/);
    assert.match((await here.ok("ls", "--on", "big")).stdout, /^a@big +running/m);
  } finally {
    for (const pid of silent) Deno.kill(pid, "SIGCONT");
  }
}

/** Another version of fleetbox: it calls itself so. */
export async function versionsDiffer(here: Sandbox, there: Sandbox, host: Host): Promise<void> {
  const add = ["place", "add", "big", host.url, "--store", there.home, "--yes", "--executable"];
  const other = join(there.root, "fleetbox-of-another-version");
  writeChanged(host, other, '[ "${1-}" != version ] || { echo "fleetbox 0.0.9 (0123456789ab)"; exit; }');
  await here.ok(...add, other);
  const first = await here.ok("ls", "--on", "big");
  assert.match(first.stdout, /^a@big +running/m);
  assert.match(
    first.stderr,
    /"big" has fleetbox 0\.0\.9 .*, this is fleetbox .*bring this one: fleetbox place add big ssh:/s,
  );
  assert.equal((await here.ok("ls", "--on", "big")).stderr, "");
  await here.ok(...add, host.executable);
  const [place] = JSON.parse((await here.ok("place", "ls", "--json")).stdout);
  assert.doesNotMatch(place.version, /0\.0\.9/);
}

export async function hostWithoutQemu(here: Sandbox, there: Sandbox, host: Host): Promise<void> {
  const bin = join(there.root, "no-qemu");
  Deno.mkdirSync(bin);
  for (const dir of ["/usr/sbin", "/usr/bin"]) {
    for (const { name } of Deno.readDirSync(dir)) {
      if (name.startsWith("qemu")) continue;
      await Deno.symlink(join(dir, name), join(bin, name)).catch(() => {}); // both have it
    }
  }
  const store = join(there.root, "bare");
  const bare = join(there.root, "fleetbox-without-qemu");
  writeChanged(host, bare, `unset FLEETBOX_QEMU\nexport FLEETBOX_HOME='${store}' PATH='${bin}'`);
  await here.ok("place", "add", "bare", host.url, "--store", store, "--yes", "--executable", bare);
  const check = await here.run("place", "check", "bare");
  assert.equal(check.code, 1, told(check));
  assert.match(check.stdout, /^FAIL +qemu +The program qemu-system-\w+ is not installed/m);
  await here.fails(
    1,
    /The program qemu-system-\w+ is not installed.*try: Install it/s,
    "up",
    "q",
    "--egress",
    "off",
    "--on",
    "bare",
  );
  assert.equal((await here.ok("ls", "-q", "--on", "bare")).stdout, "");
  await here.ok("place", "rm", "bare");
}

/** The host's executable with lines before what it runs. */
function writeChanged(host: Host, file: string, lines: string): void {
  const text = Deno.readTextFileSync(host.executable);
  Deno.writeTextFileSync(file, text.replace(/^exec /m, (exec) => `${lines}\n${exec}`), { mode: 0o755 });
}
