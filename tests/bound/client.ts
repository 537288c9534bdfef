/**
 * The program that the tests kill: a client that spawns a bound holder and then carries out its argument.
 *
 *     client.ts '{"names": ["a", "b"], "then": ["up", "add c", "stop a", "close"]}'
 *
 * It prints what it has done, one word a line: `spawned PID`, `up`, `added`, `stopped`, `closed`; then it stays until it is
 * killed, unless the argument has `close`, `leave` or `throw`. Errors end it with code 1 and their message.
 */

import { resolveHelper } from "../../helper/resolve.ts";
import { addMember, type Session, spawn, stop, waitMembers } from "../../src/control.ts";
import type { Options } from "../../src/core/options.ts";
import { Store } from "../../src/store.ts";

export interface Script {
  names: string[];
  options?: Options;
  /**
   * `up`: wait until all run. `add NAME`, `stop NAME`: start that and do not wait. `added NAME`, `stopped NAME`: do it.
   * `close`: twice. `leave`: end the program without closing. `throw`: end it by an error. `exit`: `Deno.exit`.
   */
  then?: string[];
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}

async function run({ names, options, then = [] }: Script): Promise<void> {
  const store = Store.fromEnvironment();
  const session = await spawn(store, { exe: await resolveHelper(store), names, bound: true, options });
  say(`spawned ${session.pid}`);
  for (const step of then) {
    const [verb, name] = step.split(" ");
    if (verb === "leave") return;
    if (verb === "exit") Deno.exit(0);
    if (verb === "throw") throw new Error("the program's own error");
    await act(store, session, verb, name);
  }
  await new Promise((killed) => setTimeout(killed, 24 * 3600 * 1000));
}

async function act(store: Store, session: Session, verb: string, name: string): Promise<void> {
  switch (verb) {
    case "up":
      await waitMembers(store, [...session.names]);
      return say("up");
    case "add":
      addMember(store, session.names[0], name).catch(() => {});
      return say("adding");
    case "added":
      await addMember(store, session.names[0], name);
      return say("added");
    case "stop":
      stop(store, name).catch(() => {});
      return say("stopping");
    case "stopped":
      await stop(store, name);
      return say("stopped");
    case "close":
      await Promise.all([session.close(), session.close()]);
      await session.close();
      await session.ended;
      return say("closed");
    default:
      throw new Error(`what is ${verb}?`);
  }
}

if (import.meta.main) await run(JSON.parse(Deno.args[0]));
