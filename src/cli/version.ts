/** `fleetbox version`. The plain form has a way of its own in `start.ts`: it is what scripts ask first. */

import { Command } from "commander";
import { VERSION } from "../self.ts";
import { PROTOCOL_VERSION } from "../wire.ts";
import { say, sayJson } from "./output.ts";

export function versionCommand(): Command {
  return new Command("version")
    .description("print the version")
    .option("--json", 'one JSON object: {"name","version","protocol","deno","os","arch"}')
    .addHelpText("after", "\nExample:\n  fleetbox version --json")
    .action((flags: { json?: boolean }) => {
      if (!flags.json) return say(`fleetbox ${VERSION}`);
      const { os, arch } = Deno.build;
      sayJson({ name: "fleetbox", version: VERSION, protocol: PROTOCOL_VERSION, deno: Deno.version.deno, os, arch });
    });
}
