/**
 * The holder: the process that owns a group, and the server half of the protocol. `start.ts` becomes it with
 * `--fleetbox-runner`.
 *
 * It claims its members' sockets, says on standard output that it serves (one line of JSON, or the error that prevented
 * it), boots the members, and lives until the last one has left. A detached holder is a session leader, and a guardian
 * starts the next one if it is killed; a bound one ends its group when its client is gone. Its parts are in
 * `src/holder/`; it must not import the command line or the library.
 */

import { variable } from "./core/environment.ts";
import { settles } from "./core/deadline.ts";
import { codeOf, FleetboxError, toWireError } from "./core/errors.ts";
import { lazyModule } from "./core/lazy_modules.ts";
import { checkNames } from "./core/names.ts";
import { type Options, parseOptions } from "./core/options.ts";
import { endChildren, type ProcessIdentity } from "./system/process.ts";
import { Store } from "./store.ts";
import { driver } from "./vmm/driver.ts";
import { OPTIONS_VARIABLE, PARENT_VARIABLE } from "./wire.ts";
import { listenForClient, watchParent } from "./holder/server/bound.ts";
import type { Group } from "./holder/group/group.ts";
import { type Comeback, comebackFromEnvironment, Guardian, membersToBringBack } from "./holder/guardian.ts";
import { HypervisorHost } from "./holder/host.ts";
import { describe, log } from "./holder/log.ts";
import type { LastWords } from "./holder/server/last_words.ts";

/** How long guests may take to shut down when a detached holder itself is told to end. */
const SIGNAL_GRACE_MS = 10_000;
/** How long a template that is being made may keep a holder whose group has ended. */
const TEMPLATE_MS = 30_000;
/** How long pending replies may take once the group has ended. */
const LAST_REPLIES_MS = 2_000;
const BOUND_REPLIES_MS = 100;
/** How long a bound group may take to end once its client is gone: its hypervisors to quit, and what it holds to be let go of. */
const QUIT_MS = 400;
const LET_GO_MS = 300;

/**
 * Runs a holder for the members of a `--fleetbox-runner` argument until its group has ended.
 * @returns the exit code: 0, or 1 when it could not serve.
 */
export async function runHolder(argument: string): Promise<number> {
  Deno.umask(0o077);
  const replies = new Set<Promise<void>>();
  const bound = new BoundEnd();
  let group: Group;
  let letGo = () => {};
  let comeback: Comeback | undefined;
  let guardian: Guardian | undefined;
  try {
    comeback = comebackFromEnvironment();
    const asked = runnerNames(argument);
    const store = Store.fromEnvironment();
    const names = comeback ? await membersToBringBack(store, comeback) : asked;
    if (names.length === 0) return 0;
    const options: Options = parseOptions(variable(OPTIONS_VARIABLE));
    if (comeback) delete options.snapshot; // its members were made: what has ended of them meanwhile is not taken back again
    const parent = parentOf(variable(PARENT_VARIABLE));
    if (parent !== undefined) watchParent(parent, (why) => bound.end(`the client is gone: ${why}`));
    store.ensure();
    const host = bound.host = new HypervisorHost(store, driver);
    host.begin(); // and meanwhile the rest of the program is loaded
    const [{ Group }, { serve }] = await Promise.all([
      lazyModule<typeof import("./holder/group/group.ts")>("src/holder/group/group.ts"),
      lazyModule<typeof import("./holder/server/serve.ts")>("src/holder/server/serve.ts"),
    ]);
    await bound.goesOn();
    const prepared = await Group.prepare({
      store,
      host,
      names,
      options,
      bound: parent !== undefined,
      isComeback: comeback !== undefined,
      onConnection: (group, name, conn) => {
        const reply = serve(group, name, conn).finally(() => replies.delete(reply));
        replies.add(reply);
      },
      onRecord: async ({ squeezed = [], hypervisors }) => {
        await guardian?.toContinue(squeezed.map((name) => hypervisors[name]));
      },
    });
    await bound.goesOn();
    group = bound.group = prepared.group;
    await group.claim(prepared.recovery);
    if (parent !== undefined) {
      letGo = listenForClient(store.controlSocket(names[0]), (why) => bound.end(`the client is gone: ${why}`));
      bound.atExit = letGo;
    }
    endOnSignals((signal) => {
      if (parent !== undefined) return bound.end(signal);
      log(`${signal}: ending the group`);
      void group.shutDown({ force: false, graceMs: SIGNAL_GRACE_MS });
    });
    log(`serving ${names.join(", ")}, process ${Deno.pid}`);
    await announce({ serving: names, pid: Deno.pid });
    void group.start(prepared.recovery).catch((thrown) => {
      log(`cannot start the group: ${describe(thrown)}`);
      void group.shutDown({ force: true, graceMs: 0 });
    });
    // In a job all ends with the holder: what starts it sees to that.
    if (parent === undefined && variable("FLEETBOX_JOB") === undefined) {
      const deaths = comeback?.deaths ?? [];
      const onChange = (guardian: ProcessIdentity | undefined) => group.guardedBy(guardian);
      guardian = new Guardian({ store, group: group.id, argument, first: asked[0], deaths, onChange });
      guardian.start();
    }
  } catch (thrown) {
    const code = await cannotServe(argument, thrown, bound, comeback !== undefined);
    await askNoMore(bound.host);
    return code;
  }
  await group.ended;
  letGo();
  await guardian?.farewell();
  await group.discarded();
  await settles(group.settled(), bound.isEnding ? LET_GO_MS : TEMPLATE_MS);
  if (bound.isEnding) await group.removeOwned();
  await settles(Promise.allSettled([...replies]), bound.isEnding ? BOUND_REPLIES_MS : LAST_REPLIES_MS);
  await askNoMore(bound.host);
  log("the group has ended");
  return 0;
}

/** Ends what is still being found out, such as a dry run, with its files. */
async function askNoMore(host: HypervisorHost | undefined): Promise<void> {
  await settles(Promise.all([endChildren(), host?.settled()]), LET_GO_MS);
}

/** Tells why, and leaves nothing of the group. @returns the exit code */
async function cannotServe(argument: string, why: unknown, bound: BoundEnd, isComeback: boolean): Promise<number> {
  if (isComeback && codeOf(why) === "conflict") {
    log(`guardian: ${describe(why)}`); // a command was faster: it serves the group, or has stopped it
    bound.group?.sweep();
    return 0;
  }
  log(`cannot serve ${argument}: ${describe(why)}`);
  bound.group?.sweep();
  await announce(toWireError(why));
  if (!isComeback && !hasReader()) await tellLastWords(argument, why, bound);
  return 1;
}

/**
 * Ends a bound holder whose client is gone, or that was told to end: in order if that is quick, else by force. Within
 * little more than a second this process is gone, with its group's files in the store's `run`.
 */
class BoundEnd {
  host: HypervisorHost | undefined;
  group: Group | undefined;
  /** What is served of a start that failed before there was a group. */
  lastWords: LastWords | undefined;
  /** Releases what does not belong to the group. */
  atExit = () => {};
  isEnding = false;

  /** Never resolves once the end has begun, whose process exits soon: what came after it would be left behind. */
  async goesOn(): Promise<void> {
    if (this.isEnding) await new Promise(() => {});
  }

  /** Calling it twice is fine. */
  end(why: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    void this.#end(why);
  }

  async #end(why: string): Promise<void> {
    log(`${why}: ending the group`);
    const { group } = this;
    if (this.lastWords) {
      this.lastWords.abandon();
      this.atExit();
    }
    if (group?.hasClaimed) {
      void group.shutDown({ force: true, graceMs: 0 });
      if (await settles(group.ended, QUIT_MS)) return; // runHolder goes on from here
      log("not down yet: killing the remaining processes");
      const killed = endChildren();
      if (await settles(group.ended, LET_GO_MS)) return;
      await settles(Promise.all([killed, group.written()]), LET_GO_MS);
      group.sweep();
      this.atExit();
      await settles(group.removeOwned(), LET_GO_MS);
    } else { // it has nothing yet, waits for others, or is claiming the first name
      await settles(Promise.all([endChildren(), this.host?.settled(), group?.written()]), LET_GO_MS);
      group?.sweep();
      this.atExit();
    }
    log("left the group as it was");
    Deno.exit(1);
  }
}

/** The names of a `--fleetbox-runner` argument. @throws {FleetboxError} `misuse` */
export function runnerNames(argument: string): string[] {
  return checkNames(argument.split(","));
}

/**
 * Whether somebody may read the line on standard output: a pipe, a terminal. A client that leaves it to a file or to
 * /dev/null asks the members' sockets what became of its start.
 */
function hasReader(): boolean {
  try {
    const { isFile, isCharDevice } = Deno.statSync("/dev/fd/1");
    return !isFile && (!isCharDevice || Deno.stdout.isTerminal());
  } catch {
    return true;
  }
}

/** Serves the failure of a start as its members' `error`, as far as there are members to serve and a store to do it in. */
async function tellLastWords(argument: string, failure: unknown, bound: BoundEnd): Promise<void> {
  let letGo = () => {};
  try {
    const names = runnerNames(argument);
    const store = Store.fromEnvironment();
    store.ensure();
    const { LastWords } = await lazyModule<typeof import("./holder/server/last_words.ts")>(
      "src/holder/server/last_words.ts",
    );
    const lastWords = bound.lastWords = new LastWords(store, names, failure);
    endOnSignals(() => lastWords.end());
    if (bound.isEnding || !await lastWords.claim()) return;
    if (variable(PARENT_VARIABLE) && lastWords.serves(names[0])) {
      letGo = listenForClient(store.controlSocket(names[0]), () => lastWords.end());
      bound.atExit = letGo;
    }
    await lastWords.ended;
  } catch (thrown) {
    log(`cannot tell the members' clients: ${describe(thrown)}`);
  } finally {
    letGo();
  }
}

function parentOf(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const pid = Number(text);
  if (Number.isInteger(pid) && pid > 0) return pid;
  throw new FleetboxError("misuse", `Bad ${PARENT_VARIABLE}: found ${JSON.stringify(text)}, expected a process id`);
}

function endOnSignals(end: (signal: string) => void): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => end(signal));
  Deno.addSignalListener("SIGHUP", () => {}); // a closed terminal does not end it
}

/** One line on standard output, for a client that waits for it. */
async function announce(line: object): Promise<void> {
  try {
    const bytes = new TextEncoder().encode(JSON.stringify(line) + "\n");
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
  } catch { /* no client waits */ }
}
