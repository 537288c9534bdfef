/** `fleetbox doctor`: whether this host can run machines, as a list of checks, each with its fix. */

import { Command } from "../arguments/parser.ts";
import { hintOf, messageOf } from "../../core/errors.ts";
import { type Colour, paintFor } from "../terminal/colour.ts";
import { say, sayJson, terminalWidth } from "../terminal/output.ts";
import { wrapLine } from "../terminal/wrap.ts";
import type { Requirement } from "../../vmm/contract.ts";
import type { Finding } from "../preflight.ts";

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check whether this host can run machines, and say how to fix what is missing")
    .option("--json", 'one JSON array: [{"what","ok","fatal","found","hint"?}]')
    .addHelpText("after", "\nExits with 1 when a requirement of machines is missing.\n\nExample:\n  fleetbox doctor")
    .action(async (flags: { json?: boolean }) => {
      const { preflight } = await import("../preflight.ts");
      const findings = await Promise.all(preflight().map(examine));
      if (flags.json) sayJson(findings);
      else findings.flatMap((finding) => findingLines(finding, terminalWidth() ?? Infinity)).forEach(say);
      if (findings.some(({ ok, fatal }) => fatal && !ok)) Deno.exitCode = 1;
    });
}

/** Runs one check; its error becomes the finding. */
async function examine({ what, check, fatal, hint }: Requirement): Promise<Finding> {
  try {
    return { what, ok: true, fatal, found: await check() };
  } catch (thrown) {
    return { what, ok: false, fatal, found: messageOf(thrown), hint: hintOf(thrown) ?? hint };
  }
}

/** Where the findings begin. */
const INDENT = " ".repeat(19);

function findingLines({ what, ok, fatal, found, hint }: Finding, width: number): string[] {
  const [mark, colour]: [string, Colour] = ok ? ["ok", "green"] : fatal ? ["FAIL", "red"] : ["warn", "yellow"];
  const [first, ...rest] = wrapLine(INDENT + found.replace(/\s*\n\s*/g, "; "), width, INDENT);
  const line = `${paintFor()(colour, mark.padEnd(4))}  ${what.padEnd(11)}  ${first.trimStart()}`;
  const hints = hint === undefined || ok ? [] : wrapLine(`${INDENT}try: ${hint}`, width, `${INDENT}  `);
  return [line, ...rest, ...hints];
}
