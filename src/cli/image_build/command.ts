/** `fleetbox image build`: an image from packages, with more packages and scripts for one of the user's own. */

import { resolve } from "../../system/path.ts";
import { Command } from "../arguments/parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import { DEFAULTS, type Options } from "../../core/options.ts";
import { CATALOG } from "../../image/catalog.ts";
import { describeDirectory } from "../../image/image.ts";
import { bytesUsed } from "../../system/files.ts";
import { checkScripts } from "../../guest/scripts.ts";
import { collect } from "../arguments/collect.ts";
import { elapsedText } from "../arguments/duration.ts";
import { egressFlag, readScripts } from "../arguments/member_options.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { Meter } from "../terminal/meter.ts";
import { say, sayJson } from "../terminal/output.ts";

/** The aliases of images that can be built. */
export function buildable(): string[] {
  return CATALOG.filter(({ build }) => build).map(({ alias }) => alias);
}

interface BuildFlags {
  package?: string[];
  run?: string[];
  as?: string;
  output?: string;
  egress?: string;
  json?: boolean;
}

export function buildCommand(): Command {
  return new Command("build")
    .description("build an image from Debian's packages, about a minute; also one of your own")
    .argument("<alias>", buildable().join(", "))
    .option("--package <package>", "a further package; repeatable; with --as", collect)
    .option("--run <file>", "a script to run in it, as root; repeatable; with --as", collect)
    .option("--as <alias>", "what an image of your own is called: up --image ALIAS")
    .option("--egress <on|off>", `whether the machine of --run reaches the outside (default: ${DEFAULTS.egress})`)
    .option("--output <dir>", "a new directory for it, instead of the store; use it with --image DIR")
    .option("--json", "one JSON object per event")
    .addHelpText(
      "after",
      `
The packages come from this host's own sources. Needs mmdebstrap; root, or uidmap and an entry in
/etc/subuid. The alias stands for the built image afterwards. docs/images.md says what is set in it.

An image of your own has more packages (--package), what scripts have made of it (--run), and a
name (--as). A script runs in a machine that is started for it; --run also takes micro.
image ls shows the image, image rm removes it.

Events of --json: {"event":"step","image","step"}, {"event":"output","name","script","line"} for
what a script says, and at the end {"event":"build","image","id","bytes"}.

Examples:
  fleetbox image build debian-12
  fleetbox image build debian-12 --package nginx --run setup.sh --as web
  fleetbox image build micro --run setup.sh --as small`,
    )
    .action(build);
}

async function build(alias: string, flags: BuildFlags): Promise<void> {
  const store = openStore();
  const json = flags.json ?? false;
  const packages = checkPackages(alias, flags.package ?? []);
  const scripts = checkScripts(readScripts(flags.run ?? [], Deno.cwd));
  const egress = egressOf(flags);
  const output = flags.output === undefined ? undefined : resolve(flags.output);
  const name = await nameOf(alias, flags);
  const { buildAlias } = await import("../../image/build_cache.ts");
  const meter = new Meter(name, json);
  using interrupt = new Interrupt(() => void meter.end());
  const { signal } = interrupt;
  const onStep = (step: string) => meter.step(step);
  const started = performance.now();
  try {
    const { runInImage } = await import("./scripted.ts");
    const directory = await buildAlias(store, alias, {
      packages,
      as: name,
      output,
      signal,
      onStep,
      finish: scripts.length === 0 ? undefined : (base, place) =>
        runInImage(store, {
          ...{ name, base, place, scripts, egress, signal, onStep },
          onOutput: ({ line, script }) => meter.output(script, line),
          onNote: (text) => meter.note(text),
        }),
    });
    meter.end();
    tellResult("build", name, directory, started, json);
  } finally {
    meter.end();
  }
}

/** @throws {FleetboxError} `misuse` */
function egressOf({ egress, run }: BuildFlags): Options["egress"] {
  if (egress === undefined) return undefined;
  if (run === undefined) {
    throw new FleetboxError("misuse", "--egress is for the machine of --run, and there is no --run", {
      hint: "Leave it out: packages come from this host's own sources.",
    });
  }
  return egressFlag(egress);
}

/** What the image is called. @throws {FleetboxError} `misuse` */
async function nameOf(alias: string, { as, output, package: packages, run }: BuildFlags): Promise<string> {
  if (as !== undefined) {
    if (output !== undefined) {
      throw new FleetboxError("misuse", "--as and --output cannot be combined: an image in a directory has no alias", {
        hint: "Leave one out; an image in a directory is used with --image DIR.",
      });
    }
    return (await import("../../image/own_alias.ts")).checkOwnAlias(as);
  }
  const isOwn = (packages ?? []).length + (run ?? []).length > 0;
  if (!isOwn || output !== undefined) return alias;
  throw new FleetboxError("misuse", `An image with packages or scripts of your own is not ${alias}: it needs a name`, {
    hint: "Give it one: --as web",
  });
}

/** @throws {FleetboxError} `misuse`: no names of packages, or an image that has none */
function checkPackages(alias: string, words: readonly string[]): string[] {
  const names = words.flatMap((word) => word.split(","));
  if (alias === "micro" && names.length > 0) {
    throw new FleetboxError("misuse", "micro has no package manager: --package is for an image from packages", {
      hint: `fleetbox image build debian-12 ${names.map((name) => `--package ${name}`).join(" ")} --as NAME`,
    });
  }
  // As Debian's policy has it (5.6.7), with a version or an architecture.
  const bad = names.find((name) => !/^[a-z0-9][a-z0-9+.-]+([:=/][\w.:~+-]+)?$/.test(name));
  if (bad !== undefined) {
    throw new FleetboxError(
      "misuse",
      `Bad value for --package: found ${JSON.stringify(bad)}, expected a package's name`,
    );
  }
  return names;
}

/** The end of a build or a download. */
export function tellResult(
  event: "pull" | "build",
  image: string,
  directory: string,
  startedMs: number,
  json: boolean,
): void {
  const { id, disk, virtualBytes } = describeDirectory(image, directory);
  const bytes = bytesUsed(disk);
  if (json) return sayJson({ event, image, id, bytes });
  const what = `${bytesText(bytes)}, a disk of ${bytesText(virtualBytes)}`;
  say(`${image}: ${what} (${elapsedText(performance.now() - startedMs)}); it is ${directory}`);
}
