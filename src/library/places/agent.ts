/**
 * The far end of the library at a place: the hidden command `fleetbox __library`, which does there what a program asks for
 * (`calls.ts`). Groups are this process's, and bound to it: when the program is gone, they end.
 */

import { stayInJob } from "../../control/places/engine/job_holder.ts";
import { variable } from "../../core/environment.ts";
import { FleetboxError, toWireError } from "../../core/errors.ts";
import { LineSplitter } from "../../core/lines.ts";
import { Store } from "../../store.ts";
import { ownIdentity } from "../../system/process.ts";
import { versionLine } from "../../system/program_info.ts";
import { removeAbandonedCheckpoints } from "../checkpoints/saved_checkpoint.ts";
import type { MachineGroup } from "../group.ts";
import { LocalHome } from "./home.ts";
import { type Call, type Calls, type Greeting, LIBRARY_PROTOCOL, MAX_LINE, type Reply, type Request } from "./calls.ts";

/** What a call is about. */
interface Subject {
  home: LocalHome;
  /** @throws {FleetboxError} `protocol`: it was not opened */
  group(): MachineGroup;
  opened?: MachineGroup;
  /** Takes the opened group. */
  take(group: MachineGroup): void;
  signal: AbortSignal;
}

type Handler<C extends Call> = (fields: Calls[C][0], subject: Subject) => Promise<Calls[C][1]>;

const HANDLERS: { [C in Call]: Handler<C> } = {
  async open(fields, { home, take, signal }) {
    const { group, reports } = await home.open({ ...fields, signal });
    take(group);
    return reports;
  },
  add: ({ name, asked }, { group, signal }) => group().add(name, asked, signal),
  start: ({ name, request }, { group, signal }) => group().start(name, { ...request, signal }),
  suspend: ({ names }, { group }) => group().suspend(names),
  save: ({ names, as, isOurs, owner }, { group, signal }) => group().checkpoint(names, { as, isOurs, owner, signal }),
  restore: ({ wish, request }, { group, signal }) => group().restore(wish, { ...request, signal }),
  report: ({ name, reach }, { group }) => group().report(name, reach),
  stop: ({ name, graceMs }, { group, signal }) => group().stop(name, { graceMs, signal }),
  forward: ({ name, wish }, { group }) => group().forward(name, wish),
  kill: ({ name, loss }, { group }) => group().kill(name, loss),
  destroy: ({ name }, { group }) => group().destroy(name),
  keep: ({ name }, { group }) => group().keep(name),
  release: ({ name }, { group }) => group().release(name),
  close: async (_, { opened }) => await opened?.close(),
  config: ({ name }, { home }) => home.config(name),
  standing: ({ name }, { home }) => home.standing(name),
  consoleSize: ({ name }, { home }) => home.consoleSize(name),
  console: ({ name, from }, { home }) => home.console(name, from),
  checkpoint: ({ name }, { home }) => home.checkpoint(name),
  findCheckpoint: ({ name }, { home }) => home.findCheckpoint(name),
  removeCheckpoint: ({ name }, { home }) => home.removeCheckpoint(name),
  async hold(_, { home }) {
    await removeAbandonedCheckpoints(home.store);
    return ownIdentity();
  },
  key: (_, { home }) => Deno.readTextFile(home.store.key),
};

/** Serves the program until it is gone. Ends the process. */
export async function runLibraryAgent(): Promise<void> {
  const agent = new Agent();
  try {
    await agent.serve();
  } finally {
    agent.end();
  }
}

class Agent {
  readonly #home = new LocalHome(Store.fromEnvironment());
  readonly #groups = new Map<number, MachineGroup>();
  readonly #underWay = new Map<number, AbortController>();
  /** Checkpoints that go with the program. */
  readonly #checkpoints = new Set<string>();
  readonly #out = Deno.stdout.writable.getWriter();

  async serve(): Promise<void> {
    const job = variable("FLEETBOX_JOB");
    if (job !== undefined) await stayInJob(job, { isLasting: true });
    this.#say({ library: LIBRARY_PROTOCOL, version: versionLine() });
    const lines = new LineSplitter({ max: MAX_LINE, who: "The program" });
    for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      for (const line of lines.push(piece)) this.#take(JSON.parse(line));
    }
  }

  /** The program is gone. Holders notice that this process is, and end with their machines. */
  end(): void {
    for (const name of this.#checkpoints) this.#home.dropCheckpoint(name);
    Deno.exit(0);
  }

  #take(request: Request): void {
    if ("cancel" in request) this.#underWay.get(request.cancel)?.abort();
    else void this.#answer(request);
  }

  async #answer({ id, group, call, fields }: Exclude<Request, { cancel: number }>): Promise<void> {
    const over = new AbortController();
    this.#underWay.set(id, over);
    try {
      this.#say({ id, result: await this.#do(call, fields, group, over.signal) });
    } catch (thrown) {
      this.#say({ id, error: toWireError(thrown) });
    } finally {
      this.#underWay.delete(id);
    }
  }

  async #do(call: Call, fields: unknown, number: number | undefined, signal: AbortSignal): Promise<unknown> {
    if (!Object.hasOwn(HANDLERS, call)) throw new FleetboxError("protocol", `There is no call "${call}"`);
    const handler = HANDLERS[call] as (fields: unknown, subject: Subject) => Promise<unknown>;
    const opened = this.#groups.get(number ?? 0);
    const subject: Subject = {
      home: this.#home,
      opened,
      group: () => {
        if (opened) return opened;
        throw new FleetboxError("protocol", `There is no group ${number}`);
      },
      take: (group) => void this.#groups.set(number ?? 0, group),
      signal,
    };
    const result = await handler(fields, subject);
    if (call === "save" && (fields as Calls["save"][0]).isOurs) this.#checkpoints.add((fields as Calls["save"][0]).as);
    if (call === "hold") this.#checkpoints.add((fields as Calls["hold"][0]).name);
    if (call === "removeCheckpoint") this.#checkpoints.delete((fields as Calls["removeCheckpoint"][0]).name);
    if (call === "close") this.#groups.delete(number ?? 0);
    return result;
  }

  /** A program that reads no more is gone, which the end of our input tells. */
  #say(what: Greeting | Reply): void {
    this.#out.write(new TextEncoder().encode(`${JSON.stringify(what)}\n`)).catch(() => {});
  }
}
