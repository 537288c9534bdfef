/** `view --on PLACE`: the page is served there, and a port here leads to it. */

import type { PlaceConnection } from "../../control/places/connection.ts";
import { FleetboxError } from "../../core/errors.ts";
import { ProcessError } from "../../system/process.ts";
import { freePort } from "../../system/free_port.ts";
import { wholeNumber } from "../arguments/member_options.ts";

/** @param runAt runs a command there */
export async function viewThere(
  connection: PlaceConnection,
  words: readonly string[],
  runAt: (words: readonly string[], env: Record<string, string>) => Promise<number>,
): Promise<number> {
  const at = words.findIndex((word) => word === "--port" || word.startsWith("--port="));
  const given = at < 0 ? undefined : words[at].split("=")[1] ?? words[at + 1] ?? "";
  const rest = at < 0 ? [...words] : words.toSpliced(at, words[at].includes("=") ? 1 : 2);
  const port = given === undefined ? await freePort() : wholeNumber("--port", given, 1, 65_535);
  try {
    const there = await freePort(port); // here, and most likely there
    await using _ = await connection.forwardPort(port, there);
    // There is no browser of the user's there.
    const line = [...rest.filter((word) => word !== "--no-open"), "--port", String(there), "--no-open"];
    return await runAt(line, { FLEETBOX_VIEW_PORT: String(port) });
  } catch (thrown) {
    if (!(thrown instanceof ProcessError)) throw thrown;
    throw new FleetboxError("conflict", `Cannot let port ${port} of 127.0.0.1 lead to the place: ${thrown.stderr}`, {
      hint: "Name another: --port NUMBER",
    });
  }
}
