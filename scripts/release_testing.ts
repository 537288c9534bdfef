/** What the tests of releases share. */

import { join } from "../src/system/path.ts";
import { VERSION } from "../src/system/program_info.ts";
import { TARGETS } from "./release.ts";

/** What `scripts/compile.ts` makes, with scripts of one line instead of executables. */
export async function fakeDist(dir: string, says = `fleetbox ${VERSION}`): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
  for (const target of Object.keys(TARGETS)) {
    await Deno.writeTextFile(join(dir, `fleetbox-${target}`), `#!/bin/sh\necho '${says}' # ${target}\n`);
  }
  await Deno.writeTextFile(
    join(dir, "fleetbox-licences.txt"),
    "commander 15.1.0 (MIT)\n\n…\n\ndns-packet 5.6.1 (MIT)\n",
  );
}

export async function inDirectory(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "rl" });
  try {
    await work(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}
