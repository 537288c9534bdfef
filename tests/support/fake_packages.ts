/** Programs in the place of Debian's, for images that are built without packages. */

import { join } from "../../src/system/path.ts";

/** What `mmdebstrap` is then: makes the files that it would. */
export const MMDEBSTRAP = `eval "root=\\\${$(($# - 1))}"
mkdir -p "$root/etc"; echo a word >"$root/etc/word"; echo kernel >"$root/../vmlinuz"; echo initrd >"$root/../initrd"`;

/** What `apt-get` is: it knows one source. */
export const APT_GET = "echo 'Packages|http://mirror.invalid/debian/|bookworm|main|Debian|'";

/** Writes shell scripts by their names. */
export function writePrograms(dir: string, programs: Record<string, string>): void {
  for (const [name, text] of Object.entries(programs)) {
    Deno.writeTextFileSync(join(dir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
}
