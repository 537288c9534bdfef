/** `up --run` through the real command line: the guest's shell is this host's. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { until } from "../support/processes.ts";
import { scriptedSsh } from "../support/scripted_ssh.ts";
import { type Sandbox, sandbox, steps, test, told } from "../support/sandbox.ts";

function scripted(box: Sandbox): { env: Record<string, string> } {
  return { env: { PATH: `${scriptedSsh(box.root)}:${box.env.PATH}` } };
}

function write(box: Sandbox, name: string, ...lines: string[]): string {
  const path = join(box.root, name);
  Deno.writeTextFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

const read = (path: string) => Deno.readTextFileSync(path);

test("a script runs once in each member, what it says is shown with the member's name, and a failure is told with its last lines", async (t) => {
  await using box = await sandbox({ fakeQemu: {} });
  const { env } = scripted(box);
  const up = async (...args: string[]) => await box.start(["up", "--egress", "off", ...args], { env }).done;
  const count = join(box.root, "count");
  const setup = write(
    box,
    "test-setup.sh",
    "#!/bin/bash",
    "[[ x = x ]] && echo begins",
    `echo ran >>${count}`,
    "printf end",
  );
  const bad = write(box, "test-bad.sh", "seq 30", "exit 7");

  await steps(t, box, [
    ["at the first start of each member", async () => {
      const first = await up("a", "b", "--run", setup);
      assert.equal(first.code, 0, told(first));
      for (const line of ["a | begins", "a | end", "b | begins", "b | end", "a: script"]) {
        assert.ok(first.stdout.split("\n").includes(line), told(first));
      }
      assert.equal(read(count), "ran\nran\n");
    }],

    ["not a second time: neither while it runs, nor when it boots again", async () => {
      const again = await up("a", "--run", setup);
      assert.equal(again.code, 0, told(again));
      assert.match(again.stderr, /^a: .*setup\.sh has run before, and is not run again/m);
      await box.ok("stop", "--force", "a");
      const booted = await up("a", "--run", setup, "--json");
      assert.match(booted.stdout, /"event":"note","message":"a: .*setup\.sh has run before/);
      assert.equal(read(count), "ran\nran\n");
    }],

    ["one that fails", async () => {
      const failed = await up("a", "--run", bad, "--json");
      assert.equal(failed.code, 1, told(failed));
      assert.match(failed.stdout, /^\{"event":"output","name":"a","script":".*bad\.sh","line":"1"\}$/m);
      const error = JSON.parse(failed.stderr.trim().split("\n").at(-1)!);
      assert.match(error.message, /^"a" runs, but .*bad\.sh failed in it with exit code 7$/);
      assert.match(error.causes[0], /^its last lines:\n11\n12\n(?:\d+\n)*30$/);
      assert.match(error.hint, /fleetbox up a --run .*bad\.sh/);
      assert.equal((await box.ls()).a.state, "running");
      assert.match((await box.ok("logs", "a", "--run", "-n", "2")).stdout, /^29\n30\n$/);
      assert.match(
        (await box.ok("status", "a")).stdout,
        /^scripts +.*test-setup\.sh has run\n +.*test-bad\.sh has not run to its end$/m,
      );
      await box.fails(1, /bad\.sh failed in it with exit code 7/, "up", "a");
    }],

    ["the script that takes its place", async () => {
      const mended = await up("a", "--run", write(box, "test-bad.sh", "echo mended"));
      assert.equal(mended.code, 0, told(mended));
      assert.match(mended.stdout, /^a \| mended$/m);
      await box.ok("up", "a");
      assert.equal((await box.status("a"))!.error, undefined);
    }],

    ["one whose command is killed ends, and the next command runs it again", async () => {
      const pid = join(box.root, "pid");
      const long = write(box, "test-long.sh", `echo $$ >${pid}`, "[ -e $0.never ] || exec sleep 600");
      const interrupted = box.start(["up", "a", "--run", long], { env });
      await until("it has begun", () => {
        try {
          return read(pid).trim() !== "";
        } catch {
          return false;
        }
      });
      interrupted.kill("SIGKILL");
      await interrupted.done;
      await until("it has ended", () => !isThere(Number(read(pid))));
      await until("that is told", async () => /did not run to its end/.test((await box.status("a"))!.error ?? ""));
      await box.ok("stop", "--force", "a");
      write(box, "test-long.sh", "echo short");
      const again = await up("a", "--run", long);
      assert.match(again.stdout, /^a \| short$/m, told(again));
    }],

    ["what cannot be run is refused before anything boots", async () => {
      await box.fails(3, /The script .*no-file does not exist/, "up", "n", "--run", join(box.root, "no-file"));
      await box.fails(2, /The script .* is empty/, "up", "n", "--run", write(box, "empty"));
      await box.fails(2, /Windows' line ends/, "up", "n", "--run", write(box, "dos", "#!/bin/sh\r", "true\r"));
      await box.fails(2, /too long/, "up", "n", "--run", write(box, "long", "#".repeat(40_000)));
      assert.ok(!box.stored().includes("n"));
    }],
  ]);
});

test("a member that a script has run in starts warm the next time; one whose script failed does not", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, templates: true });
  const { env } = scripted(box);
  const count = join(box.root, "count");
  const setup = write(box, "test-setup.sh", `echo ran >>${count}`);
  const up = async (...args: string[]) => await box.start(["up", "--egress", "off", ...args], { env }).done;
  const templates = () => {
    try {
      return [...Deno.readDirSync(`${box.home}/snapshots/templates`)].length;
    } catch {
      return 0;
    }
  };
  const failed = await up("a", "--run", write(box, "test-bad.sh", "exit 1"));
  assert.equal(failed.code, 1, told(failed));
  await box.ok("rm", "--force", "a");
  assert.equal(templates(), 0);
  assert.doesNotMatch((await up("a", "--run", setup)).stdout, /warm/);
  await until("there is a template", () => templates() === 1);
  await box.ok("rm", "--force", "a");
  const warm = await up("a", "--run", setup);
  assert.match(warm.stdout, /^a: running \([\d.]+ s, warm\)$/m, told(warm));
  assert.equal(read(count), "ran\n");
});

function isThere(pid: number): boolean {
  try {
    return !/^\S+ \(.*\) Z/.test(read(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}
