/**
 * The holder: the process that owns a group. The server half of the protocol; `main.ts` becomes it when it finds
 * `--fleetbox-runner`.
 *
 * It claims its members' sockets, says on standard output that it serves (one line of JSON, or the error that kept it
 * from it), boots the members, and lives until the last one has left. Detached, it is a session leader and nobody's
 * child; bound, it ends its group when its client is gone. Its parts are in `src/holder/`; it must not import the
 * command line or the library.
 */

import { FleetboxError, toWireError } from "./errors.ts";
import { type Options, parseOptions } from "./options.ts";
import { Store } from "./store.ts";
import { OPTIONS_VARIABLE, PARENT_VARIABLE } from "./wire.ts";
import { watchClient } from "./holder/bound.ts";
import { Group, runnerNames } from "./holder/group.ts";
import { describe, log } from "./holder/log.ts";
import type { StopRequest } from "./holder/member.ts";
import { serve } from "./holder/serve.ts";

/** How long guests may take to shut down when the holder itself is told to end. */
const SIGNAL_GRACE_MS = 10_000;
/** How long replies that are under way may take once the group has ended. */
const LAST_REPLIES_MS = 2_000;

/**
 * Runs a holder for the members of a `--fleetbox-runner` argument until its group has ended.
 * @returns the exit code: 0, or 1 when it could not serve.
 */
export async function runHolder(argument: string): Promise<number> {
  Deno.umask(0o077);
  const replies = new Set<Promise<void>>();
  let group: Group;
  let letGo = () => {};
  // Ended from outside: what belongs to the client goes with the group. A group whose machines were stopped is kept.
  let isAbandoned = false;
  const abandon = (request: StopRequest) => {
    isAbandoned = true;
    void group.shutDown(request);
  };
  try {
    const names = runnerNames(argument);
    const options: Options = parseOptions(Deno.env.get(OPTIONS_VARIABLE));
    const store = Store.fromEnvironment();
    const parent = parentOf(Deno.env.get(PARENT_VARIABLE));
    store.ensure();
    const opened = await Group.open({
      store,
      names,
      options,
      bound: parent !== undefined,
      onConnection: (group, name, conn) => {
        const reply = serve(group, name, conn).finally(() => replies.delete(reply));
        replies.add(reply);
      },
    });
    group = opened.group;
    if (parent !== undefined) {
      letGo = watchClient(store.controlSocket(names[0]), parent, (why) => {
        log(`the client is gone (${why}): ending the group`);
        abandon({ force: true, graceMs: 0 });
      });
    }
    endOnSignals((signal) => {
      log(`${signal}: ending the group`);
      abandon(parent === undefined ? { force: false, graceMs: SIGNAL_GRACE_MS } : { force: true, graceMs: 0 });
    });
    log(`serving ${names.join(", ")}, process ${Deno.pid}`);
    await announce({ serving: names, pid: Deno.pid });
    void group.start(opened.recovery).catch((thrown) => {
      log(`cannot start the group: ${describe(thrown)}`);
      void group.shutDown({ force: true, graceMs: 0 });
    });
  } catch (thrown) {
    log(`cannot serve ${argument}: ${describe(thrown)}`);
    await announce(toWireError(thrown));
    return 1;
  }
  await group.ended;
  letGo();
  if (isAbandoned) await group.removeOwned();
  await Promise.race([Promise.allSettled([...replies]), new Promise((late) => setTimeout(late, LAST_REPLIES_MS))]);
  log("the group has ended");
  return 0;
}

function parentOf(variable: string | undefined): number | undefined {
  if (!variable) return undefined;
  const pid = Number(variable);
  if (Number.isInteger(pid) && pid > 0) return pid;
  throw new FleetboxError("misuse", `Bad ${PARENT_VARIABLE}: found ${JSON.stringify(variable)}, expected a process id`);
}

function endOnSignals(end: (signal: string) => void): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => end(signal));
  Deno.addSignalListener("SIGHUP", () => {}); // a terminal that closes is no reason to end
}

/** One line on standard output, for the client that waits for it. Nobody has to. */
async function announce(line: object): Promise<void> {
  try {
    const bytes = new TextEncoder().encode(JSON.stringify(line) + "\n");
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
  } catch { /* nobody waits */ }
}
