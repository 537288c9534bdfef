/**
 * The executable: what `deno compile` is given. It names every module that the program loads when it needs it, so that
 * each is packed; from source the same program starts at `source.ts`, and the difference is in `src/later.ts`.
 *
 * What it does is in `src/start.ts`.
 */

import { provide } from "./src/later.ts";
import { start } from "./src/start.ts";

const CLI = {
  "src/cli/complete.ts": () => import("./src/cli/complete.ts"),
  "src/cli/completion.ts": () => import("./src/cli/completion.ts"),
  "src/cli/console.ts": () => import("./src/cli/console.ts"),
  "src/cli/cp.ts": () => import("./src/cli/cp.ts"),
  "src/cli/doctor.ts": () => import("./src/cli/doctor.ts"),
  "src/cli/error_text.ts": () => import("./src/cli/error_text.ts"),
  "src/cli/exec.ts": () => import("./src/cli/exec.ts"),
  "src/cli/forward.ts": () => import("./src/cli/forward.ts"),
  "src/cli/image.ts": () => import("./src/cli/image.ts"),
  "src/cli/join.ts": () => import("./src/cli/join.ts"),
  "src/cli/list.ts": () => import("./src/cli/list.ts"),
  "src/cli/listing.ts": () => import("./src/cli/listing.ts"),
  "src/cli/logs.ts": () => import("./src/cli/logs.ts"),
  "src/cli/output.ts": () => import("./src/cli/output.ts"),
  "src/cli/program.ts": () => import("./src/cli/program.ts"),
  "src/cli/repair.ts": () => import("./src/cli/repair.ts"),
  "src/cli/prune.ts": () => import("./src/cli/prune.ts"),
  "src/cli/rm.ts": () => import("./src/cli/rm.ts"),
  "src/cli/ssh.ts": () => import("./src/cli/ssh.ts"),
  "src/cli/ssh_config.ts": () => import("./src/cli/ssh_config.ts"),
  "src/cli/status.ts": () => import("./src/cli/status.ts"),
  "src/cli/stop.ts": () => import("./src/cli/stop.ts"),
  "src/cli/up.ts": () => import("./src/cli/up.ts"),
  "src/cli/version.ts": () => import("./src/cli/version.ts"),
  "src/cli/wait.ts": () => import("./src/cli/wait.ts"),
};

/** The modules that are loaded later, by their paths; `src/later_test.ts` says when one is missing. */
export const MODULES: Record<string, () => Promise<unknown>> = {
  ...CLI,
  "src/holder.ts": () => import("./src/holder.ts"),
  "src/wire.ts": () => import("./src/wire.ts"),
};

if (import.meta.main) {
  provide(MODULES);
  await start(Deno.args, import.meta.dirname!);
}
