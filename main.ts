/**
 * The executable: what `deno compile` is given. It names every module that the program loads when it needs it, so that
 * each is packed; from source the same program starts at `source.ts`, and the difference is in `src/core/lazy_modules.ts`.
 *
 * What it does is in `src/start.ts`.
 */

import { provide } from "./src/core/lazy_modules.ts";
import { start } from "./src/start.ts";

const CLI = {
  "src/cli/completion/complete.ts": () => import("./src/cli/completion/complete.ts"),
  "src/cli/commands/capture.ts": () => import("./src/cli/commands/capture.ts"),
  "src/cli/commands/checkpoint.ts": () => import("./src/cli/commands/checkpoint.ts"),
  "src/cli/commands/clock.ts": () => import("./src/cli/commands/clock.ts"),
  "src/cli/commands/completion.ts": () => import("./src/cli/commands/completion.ts"),
  "src/cli/commands/config.ts": () => import("./src/cli/commands/config.ts"),
  "src/cli/commands/console.ts": () => import("./src/cli/commands/console.ts"),
  "src/cli/commands/cp.ts": () => import("./src/cli/commands/cp.ts"),
  "src/cli/commands/doctor.ts": () => import("./src/cli/commands/doctor.ts"),
  "src/cli/error_text.ts": () => import("./src/cli/error_text.ts"),
  "src/cli/commands/events.ts": () => import("./src/cli/commands/events.ts"),
  "src/cli/commands/exec.ts": () => import("./src/cli/commands/exec.ts"),
  "src/cli/commands/fault.ts": () => import("./src/cli/commands/fault.ts"),
  "src/cli/commands/fork.ts": () => import("./src/cli/commands/fork.ts"),
  "src/cli/commands/forward.ts": () => import("./src/cli/commands/forward.ts"),
  "src/cli/commands/heal.ts": () => import("./src/cli/commands/heal.ts"),
  "src/cli/commands/image.ts": () => import("./src/cli/commands/image.ts"),
  "src/cli/commands/join.ts": () => import("./src/cli/commands/join.ts"),
  "src/cli/commands/list.ts": () => import("./src/cli/commands/list.ts"),
  "src/cli/adopt_and_tell.ts": () => import("./src/cli/adopt_and_tell.ts"),
  "src/cli/ssh/look_for_endpoint.ts": () => import("./src/cli/ssh/look_for_endpoint.ts"),
  "src/cli/ssh/why_broken.ts": () => import("./src/cli/ssh/why_broken.ts"),
  "src/cli/exec.ts": () => import("./src/cli/exec.ts"),
  "src/cli/exec_in_each.ts": () => import("./src/cli/exec_in_each.ts"),
  "src/cli/trace/record.ts": () => import("./src/cli/trace/record.ts"),
  "src/cli/group_file/config.ts": () => import("./src/cli/group_file/config.ts"),
  "src/cli/group_file/group.ts": () => import("./src/cli/group_file/group.ts"),
  "src/cli/listing.ts": () => import("./src/cli/listing.ts"),
  "src/cli/commands/logs.ts": () => import("./src/cli/commands/logs.ts"),
  "src/cli/terminal/output.ts": () => import("./src/cli/terminal/output.ts"),
  "src/cli/program.ts": () => import("./src/cli/program.ts"),
  "src/cli/commands/pause.ts": () => import("./src/cli/commands/pause.ts"),
  "src/cli/commands/place.ts": () => import("./src/cli/commands/place.ts"),
  "src/cli/places/all.ts": () => import("./src/cli/places/all.ts"),
  "src/cli/places/engine/job.ts": () => import("./src/cli/places/engine/job.ts"),
  "src/cli/places/engine/list.ts": () => import("./src/cli/places/engine/list.ts"),
  "src/cli/places/engine/run.ts": () => import("./src/cli/places/engine/run.ts"),
  "src/cli/places/lifeline.ts": () => import("./src/cli/places/lifeline.ts"),
  "src/cli/places/says.ts": () => import("./src/cli/places/says.ts"),
  "src/cli/places/run_there.ts": () => import("./src/cli/places/run_there.ts"),
  "src/cli/places/traces.ts": () => import("./src/cli/places/traces.ts"),
  "src/cli/places/there.ts": () => import("./src/cli/places/there.ts"),
  "src/cli/places/wish.ts": () => import("./src/cli/places/wish.ts"),
  "src/cli/commands/prune.ts": () => import("./src/cli/commands/prune.ts"),
  "src/cli/commands/rename.ts": () => import("./src/cli/commands/rename.ts"),
  "src/cli/commands/restart.ts": () => import("./src/cli/commands/restart.ts"),
  "src/cli/commands/resume.ts": () => import("./src/cli/commands/resume.ts"),
  "src/cli/commands/restore.ts": () => import("./src/cli/commands/restore.ts"),
  "src/cli/commands/rm.ts": () => import("./src/cli/commands/rm.ts"),
  "src/cli/commands/ssh.ts": () => import("./src/cli/commands/ssh.ts"),
  "src/cli/commands/ssh_config.ts": () => import("./src/cli/commands/ssh_config.ts"),
  "src/cli/commands/stats.ts": () => import("./src/cli/commands/stats.ts"),
  "src/cli/commands/status.ts": () => import("./src/cli/commands/status.ts"),
  "src/cli/commands/stop.ts": () => import("./src/cli/commands/stop.ts"),
  "src/cli/commands/suspend.ts": () => import("./src/cli/commands/suspend.ts"),
  "src/cli/commands/sync.ts": () => import("./src/cli/commands/sync.ts"),
  "src/cli/commands/trace.ts": () => import("./src/cli/commands/trace.ts"),
  "src/cli/commands/uninstall.ts": () => import("./src/cli/commands/uninstall.ts"),
  "src/cli/commands/up.ts": () => import("./src/cli/commands/up.ts"),
  "src/cli/commands/version.ts": () => import("./src/cli/commands/version.ts"),
  "src/cli/commands/view.ts": () => import("./src/cli/commands/view.ts"),
  "src/cli/commands/wait.ts": () => import("./src/cli/commands/wait.ts"),
};

/** The modules that are loaded lazily, by their paths; `src/core/lazy_modules_test.ts` says when one is missing. */
export const MODULES: Record<string, () => Promise<unknown>> = {
  ...CLI,
  "src/core/environment.ts": () => import("./src/core/environment.ts"),
  "src/library/places/agent.ts": () => import("./src/library/places/agent.ts"),
  "src/holder.ts": () => import("./src/holder.ts"),
  "src/holder/group/group.ts": () => import("./src/holder/group/group.ts"),
  "src/holder/server/last_words.ts": () => import("./src/holder/server/last_words.ts"),
  "src/holder/server/serve.ts": () => import("./src/holder/server/serve.ts"),
  "src/wire/constants.ts": () => import("./src/wire/constants.ts"),
};

if (import.meta.main) {
  provide(MODULES);
  await start(Deno.args, import.meta.dirname!);
}
