/**
 * A fake `ssh` for what runs scripts in a guest (`src/guest/run_script.ts`): a script whose name begins with `test-` runs on this host,
 * without waiting for the disk. No other one does: fleetbox's own would change this host. They are said to have run.
 *
 * A question for cloud-init's result is answered, sessions of other kinds go to the next `ssh` on the path.
 */

import { join } from "../../src/system/path.ts";

/** @param root its scripts are there, and not in this host's /tmp: one that is killed leaves its directory */
const ssh = (root: string) =>
  `#!/bin/sh
PATH=$PATH:/usr/bin:/bin
for last; do :; done
case $last in
*fleetbox-run*'/test-'*) exec sh -c "$(printf '%s\\n' "$last" | sed 's:|| sync:|| true:; s:/tmp/fleetbox-run:${root}/fleetbox-run:')" ;;
*fleetbox-run*)
  mark=$(printf '%s\\n' "$last" | sed -n 's/.*echo \\(fleetbox-[0-9a-f-]*\\);.*/\\1/p')
  echo "$mark"; echo "$mark 0" ;;
*cloud-init/result.json*) echo in; echo result; echo '{"v1": {"errors": []}}'; echo end ;;
*) PATH=\${PATH#*:} exec ssh "$@" ;;
esac
`;

/** Makes it, and a `sudo` that needs no rights, in a new directory below `root`, which is to be the first one on the path. */
export function scriptedSsh(root: string): string {
  const bin = join(root, "ssh-bin");
  Deno.mkdirSync(bin);
  Deno.writeTextFileSync(join(bin, "ssh"), ssh(root), { mode: 0o755 });
  Deno.writeTextFileSync(join(bin, "sudo"), '#!/bin/sh\nshift; exec "$@"\n', { mode: 0o755 });
  return bin;
}
