/**
 * `docs/recipes.md`: each of its commands, one after the other, with machines of the fake QEMU, fake packages, and guests in which
 * every program succeeds. What a recipe does in a real guest is its own affair: this tests fleetbox's part, in its order.
 */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import { FLEETBOX } from "../support/command.ts";
import { APT_GET, MMDEBSTRAP, writePrograms } from "../support/fake_packages.ts";
import { blocksOf } from "../support/pages.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

const PAGE = fileURLToPath(new URL("../../docs/recipes.md", import.meta.url));
const FAKE_SSH = fileURLToPath(new URL("../fake_qemu/bin/ssh", import.meta.url));

/** A guest's shell: what goes on after a restore is played, cloud-init is done, a sync's script runs here; all else succeeds. */
const SSH = `PATH=$PATH:/usr/bin:/bin
for last; do :; done
case $last in
*fleetbox-run*)
  mark=$(printf '%s\\n' "$last" | sed -n 's/.*echo \\(fleetbox-[0-9a-f-]*\\);.*/\\1/p')
  echo "$mark"; echo "$mark 0" ;;
*cloud-init/result.json*) echo in; echo result; echo '{"v1": {"errors": []}}'; echo end ;;
*QUOTING_STYLE*) cd "$GUEST_HOME" && HOME=$GUEST_HOME exec sh -c "$last" ;;
*"printf '"*) exec ${FAKE_SSH} "$@" ;;
*"uname -r"*) echo 6.1.0 ;;
esac`;

/** A directory in which the recipes' commands are run, with the files that they name. */
function place(box: Sandbox): { cwd: string; env: Record<string, string> } {
  const at = (...names: string[]) => join(box.root, ...names);
  for (const dir of ["bin", "guest", "tmp", "place/module"]) Deno.mkdirSync(at(dir), { recursive: true });
  writePrograms(at("bin"), {
    ssh: SSH,
    mmdebstrap: MMDEBSTRAP,
    "apt-get": APT_GET,
    ...Object.fromEntries(["scp", "sftp", "sudo"].map((name) => [name, "exit 0"])),
    fleetbox: `exec '${FLEETBOX}' "$@"`,
  });
  for (const name of ["nginx_2.0_amd64.deb", "db.sh", "module/mine.c", "module/mine.ko"]) {
    Deno.writeTextFileSync(at("place", name), "x\n");
  }
  Deno.writeTextFileSync(at("place/test.sh"), "#!/bin/sh\n", { mode: 0o755 });
  return {
    cwd: at("place"),
    env: { PATH: `${at("bin")}:${box.env.PATH}`, TMPDIR: at("tmp"), GUEST_HOME: at("guest") },
  };
}

/** The commands of a section; a job's steps are the commands of CI. */
function commands(section: string): string[] {
  return blocksOf(section).flatMap(({ language, lines }) => {
    if (language === "") return lines;
    return language === "yaml" ? lines.flatMap((line) => /^(?:-| ) run: (.*)/.exec(line)?.[1] ?? []) : [];
  });
}

test("each command of the recipes does its part", async (context) => {
  const page = Deno.readTextFileSync(PAGE)
    .replace(" --for 2m", " --for 2s"); // the plan is the same, and the test shorter
  let count = 0;
  for (const section of page.split(/^## /m).slice(1)) {
    const [title] = section.split("\n");
    await context.step(title, async () => {
      await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
      const options = place(box);
      for (const { language, lines } of blocksOf(section)) {
        if (language === "toml") Deno.writeTextFileSync(join(options.cwd, lines[0].slice(2)), lines.join("\n"));
      }
      for (const command of commands(section)) {
        const line = command.includes("--egress")
          ? command
          : command.replace("fleetbox up", "fleetbox up --egress off");
        const result = await box.start(["-c", line], { program: "bash", ...options }).done;
        assert.equal(result.code, 0, told(result));
        count++;
      }
    });
  }
  assert.ok(count > 40, `${count} commands`);
});
