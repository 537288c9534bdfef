/** What programs have that use the library for a test, on Deno or Node: they print a line of JSON for each thing that they did. */

import { FleetboxError } from "../../mod.ts";

export function tell(what: unknown): void {
  console.log(JSON.stringify(what));
}

/** The code and the message of what is thrown. */
export async function thrown(work: () => unknown): Promise<unknown> {
  try {
    await work();
    return "nothing";
  } catch (error) {
    return error instanceof FleetboxError ? [error.code, error.message] : String(error);
  }
}

/** What answers at a port of this host: the fake guests' SSH server says its name. */
export async function answerAt(port: number): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(100);
  return new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0)).slice(0, 7);
}
