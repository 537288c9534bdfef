/**
 * fleetbox as it runs on macOS, on this Linux: the system's facts are macOS's, from stand-ins for its `ps` and `sysctl`.
 * Nothing reads `/proc` (but those two) or uses `setpriv`. macOS itself is not tested by this.
 */

import { fileURLToPath } from "node:url";
import { darwin, replaceHost } from "../../src/system/os.ts";
import { start } from "../../src/start.ts";

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

replaceHost(darwin({ ps: here("ps"), sysctl: here("sysctl") }));
await start(Deno.args, here("../.."));
