/** Scripts for a guest (`up --run`), checked before anything boots: they travel in a request's JSON and are kept in a config. */

import { byteLength } from "../core/bytes.ts";
import { FleetboxError } from "../core/errors.ts";
import type { Script } from "../core/options.ts";

/** All scripts of a member together. */
export const MAX_SCRIPT_BYTES = 32 * 1024;
/** As JSON, with the user-data beside them: a request has 64 KiB. */
const MAX_JSON_BYTES = 56 * 1024;

const HINT = "Put large files into a shared directory, and let a short script use them: --fixture HOST_DIR:GUEST_DIR";

/**
 * Checks scripts, and returns them.
 * @param userData what travels with them
 * @throws {FleetboxError} `misuse`: nothing to run, too long, binary, with line ends that no interpreter finds its name before
 */
export function checkScripts(scripts: Script[], userData = ""): Script[] {
  for (const { name, text } of scripts) checkScript(name, text);
  const total = scripts.reduce((sum, { text }) => sum + byteLength(text), 0);
  if (total > MAX_SCRIPT_BYTES) throw tooLong(scripts, `found ${total} bytes, expected at most ${MAX_SCRIPT_BYTES}`);
  if (byteLength(JSON.stringify([scripts, userData])) > MAX_JSON_BYTES) {
    throw tooLong(scripts, `with the user-data they take more than ${MAX_JSON_BYTES} bytes as JSON`);
  }
  return scripts;
}

function checkScript(name: string, text: string): void {
  const bad = (why: string, hint?: string) => new FleetboxError("misuse", `The script ${name} ${why}`, { hint });
  if (text.trim() === "") throw bad("is empty: found nothing to run");
  if (text.includes("\0")) throw bad("is binary: found a NUL in it, expected text");
  if (/^#!.*\r/.test(text)) {
    throw bad(
      "has Windows' line ends: its interpreter would not be found",
      "Write it with plain line feeds: sed -i 's/\\r$//' FILE",
    );
  }
}

function tooLong(scripts: readonly Script[], why: string): FleetboxError {
  const names = scripts.map(({ name }) => name).join(", ");
  return new FleetboxError("misuse", `The scripts to run are too long (${names}): ${why}`, { hint: HINT });
}
