/**
 * fleetbox as it runs on macOS, on this Linux: the system's facts are macOS's, told by stand-ins for its `ps` and `sysctl`.
 * Nothing of it reads `/proc` (but those two), nothing uses `setpriv`. What it cannot show is macOS itself.
 */

import { fileURLToPath } from "node:url";
import { darwin, replaceHost } from "../../src/system/os.ts";
import { start } from "../../src/start.ts";

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

replaceHost(darwin({ ps: here("ps"), sysctl: here("sysctl") }));
await start(Deno.args, here("../.."));
