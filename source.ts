/** The program as it runs from its source: `main.ts` without the names of all its modules, which Deno would read at once. */

import { start } from "./src/start.ts";

if (import.meta.main) await start(Deno.args, import.meta.dirname!);
