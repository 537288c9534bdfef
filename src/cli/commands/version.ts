/** `fleetbox version`. The plain form has a shortcut in `start.ts`, because scripts run it first. */

import { Command } from "../arguments/parser.ts";
import { COMMIT, VERSION, versionLine } from "../../system/program_info.ts";
import { PROTOCOL_VERSION } from "../../wire.ts";
import { JSON_VERSION, say, sayJson } from "../terminal/output.ts";

export function versionCommand(): Command {
  return new Command("version")
    .description("print the version")
    .option("--json", 'one JSON object: {"name","version","commit","protocol","json","deno","os","arch"}')
    .addHelpText("after", "\nExample:\n  fleetbox version --json")
    .action((flags: { json?: boolean }) => {
      if (!flags.json) return say(versionLine());
      const { os, arch } = Deno.build;
      const commit = COMMIT ?? null;
      const protocol = PROTOCOL_VERSION;
      const { deno } = Deno.version;
      sayJson({ name: "fleetbox", version: VERSION, commit, protocol, json: JSON_VERSION, deno, os, arch });
    });
}
