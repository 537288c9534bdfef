/** Completion in the real shells: each on a terminal of its own, with the TAB key. A shell that is not installed is skipped. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { which } from "../../src/system/process.ts";
import { FLEETBOX } from "../support/command.ts";
import { sandbox, test } from "../support/sandbox.ts";
import { OnTerminal } from "../support/terminal.ts";

interface Shell {
  name: string;
  args: string[];
  /** The line with which a user installs the script. */
  install: string;
}

const SHELLS: Shell[] = [
  { name: "bash", args: ["--norc", "--noprofile", "-i"], install: "source <(fleetbox completion bash)" },
  {
    name: "zsh",
    args: ["-f", "-i"],
    install: "autoload -U compinit && compinit -u -D && source <(fleetbox completion zsh)",
  },
  { name: "fish", args: ["--no-config", "-i"], install: "fleetbox completion fish | source" },
];

/** Completion in one shell, on a terminal and with members of its own. */
async function completes({ name, args, install }: Shell): Promise<void> {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("web-server,db-server");
  const bin = join(box.root, "bin");
  Deno.mkdirSync(bin);
  Deno.symlinkSync(FLEETBOX, join(bin, "fleetbox"));
  Deno.writeTextFileSync(join(box.root, "user data.yaml"), "#cloud-config\n");
  const shell = new OnTerminal(args, {
    program: name,
    cwd: box.root,
    columns: 120,
    env: {
      ...box.env,
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      PS1: "> ",
      XDG_DATA_HOME: box.root,
      TMPDIR: box.root,
    },
  });
  /** Types a line with TABs in it; the command that then runs shows what they were completed to. */
  const typed = async (line: string, shows: RegExp) => {
    const before = shell.output.length;
    await shell.type(line + "\n");
    await shell.shows(shows, before).catch((thrown) => {
      throw new Error(`${name}: ${JSON.stringify(line)}: ${thrown.message}`);
    });
  };
  await typed(
    `${install}; echo ready-(1)`.replace("(1)", name === "fish" ? "(echo now)" : "$(echo now)"),
    /ready-now/,
  );
  await typed("fleetbox statu\twe\t", /^state +running/m);
  await typed(
    "fleetbox stop web-server,d\t --gra\t5s",
    /web-server +.*stopped[^]*db-server +.*stopped|db-server +.*stopped[^]*web-server +.*stopped/,
  );
  await typed(
    "fleetbox up w\t --egress of\t --user-data us\t",
    /web-server +10\.88\.0\.\d+ +fleetbox ssh web-server/,
  );
  await shell.type("exit\n");
  assert.equal(await shell.done, 0, shell.output);
  assert.doesNotMatch(shell.output, /command not found|no such option|rror:/, shell.output);
  const { egress } = JSON.parse((await box.ok("status", "web-server", "--json")).stdout);
  assert.equal(egress, "off");
}

const [here, missing] = [SHELLS.filter(({ name }) => which(name)), SHELLS.filter(({ name }) => !which(name))];
const names = (shells: Shell[]) => shells.map(({ name }) => name).join(", ");

test(`commands, options, their values, members, lists of them and paths are completed in ${names(here)}`, async () => {
  await Promise.all(here.map(completes)); // each types its own lines: they do not wait for one another
});

if (missing.length > 0) {
  const why = `not installed: ${names(missing)} (scripts/setup --tests)`;
  console.log(`completion is not tried in every shell: ${why}`);
  Deno.test({ name: `completion in the shells that are ${why}`, ignore: true, fn() {} });
}

test("completion never fails: an unreadable store, unknown words and nonsense give nothing", async () => {
  await using box = await sandbox({ fakeQemu: {}, env: { HOME: "" } });
  for (
    const words of [["nonsense", ""], ["status", "x", "y", ""], ["up", "--nonsense="], ["image", "nonsense", ""], [
      "cp",
      "no:/",
    ], []]
  ) {
    const { code, stderr } = await box.run("__complete", ...words);
    assert.deepEqual([code, stderr], [0, ""], words.join(" "));
  }
  const { code, stderr } = await box.start(["__complete", "status", ""], { env: { FLEETBOX_HOME: "/proc/nothing" } })
    .done;
  assert.deepEqual([code, stderr], [0, ""]);
});
