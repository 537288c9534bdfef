/**
 * `fleetbox view`: a group in the browser as it runs. The recorder of traces records into memory, a server of the loopback passes on
 * what it records, and what is clicked runs as commands. It ends with the group or with Ctrl-C, and leaves nothing.
 */

import { variable } from "../../core/environment.ts";
import { getGroup } from "../../control/members.ts";
import { MemoryFiles } from "../../control/recording/memory_files.ts";
import { Recorder } from "../../control/recording/recorder.ts";
import { pause, settles } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName, listed } from "../../core/names.ts";
import type { Store } from "../../store.ts";
import { exists } from "../../system/files.ts";
import { parseWhole } from "../arguments/fault_arguments.ts";
import { openStore } from "../arguments/open_store.ts";
import { memberAsked } from "../group_asked.ts";
import { openInBrowser } from "../terminal/browser.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { say, warn } from "../terminal/output.ts";
import { completed, wishOf } from "./actions.ts";
import { Children } from "./children.ts";
import { Keyboards } from "./keyboards.ts";
import { livePage } from "./page.ts";
import { ViewServer } from "./server.ts";
import { Feed, messageOf, pastOf, type Ran } from "./stream.ts";

export interface Flags {
  port?: string;
  open: boolean;
}

/** How often pages are told the time. */
const NOW_MS = 1_000;
/** How long the holder may take to end what is read of it; nothing of that is needed any more. */
const STOP_MS = 1_000;

/** @param word a member of the group; undefined: of the only one that runs */
export async function view(word: string | undefined, flags: Flags): Promise<void> {
  const port = flags.port === undefined ? 0 : parseWhole(flags.port, "--port", 65_535);
  const store = openStore();
  const names = word === undefined ? [] : [checkName(word)];
  const via = await memberAsked(store, names, (one) => `Name a member of one: fleetbox view ${one}`);
  const page = await livePage();
  const files = new MemoryFiles((change) => feed.tell(() => messageOf(change)));
  const children = new Children(store.root, (ran) => feed.tell(() => ({ ran })));
  const feed: Feed = new Feed(function* () {
    yield* pastOf(files.all());
    for (const ran of children.all) yield { ran };
    yield { ready: true };
  });
  using interrupt = new Interrupt(() => void children.kill());
  using keyboards = new Keyboards(store);
  const recorder = await Recorder.begin(store, { via, files, command: ["fleetbox", ...Deno.args] });
  const members = () => recorder.members.map(({ name }) => name);
  const ended = new AbortController();
  let why = "fleetbox view was ended";
  const portOfUser = variable("FLEETBOX_VIEW_PORT");
  try {
    await using server = new ViewServer(port, {
      page,
      stream: () => feed.open(),
      run: (argv) => run(store, recorder, children, argv),
      finish: (id) => children.finish(id),
      async type(name, bytes) {
        if (!members().includes(name)) throw new FleetboxError("not-found", `"${name}" is not in the group`);
        await keyboards.type(name, bytes);
      },
    }, portOfUser === undefined ? undefined : Number(portOfUser));
    const { address } = server;
    say(address);
    say(`  shows ${listed(members())} as they run; Ctrl-C ends this, and leaves them as they are`);
    if (flags.open && await openInBrowser(address)) warn("opened in the browser");
    void tellTime(feed, ended.signal);
    await Promise.race([recorder.done, aborted(interrupt.signal)]);
    if (!interrupt.happened) say(why = `the group of ${via} has ended`);
    await children.end(interrupt.happened);
    ended.abort();
    feed.end(why);
  } finally {
    ended.abort();
    await children.end(true);
    await settles(recorder.stop(), STOP_MS);
  }
}

/** Runs what was clicked. @throws {FleetboxError} `misuse`: it is not for clicks; `conflict`, `not-found` */
async function run(store: Store, recorder: Recorder, children: Children, argv: unknown): Promise<Ran> {
  const wish = wishOf(argv, recorder.members.map(({ name }) => name));
  if ("why" in wish) throw new FleetboxError("misuse", wish.why);
  const group = await getGroup(store, recorder.via);
  if (!group) throw new FleetboxError("not-found", "The group has no holder at this moment: try again");
  const served = group.members.map(({ name }) => name);
  return children.run(completed(wish.words, served, freeName(group.group)));
}

/** `a-20261129-021500.pcapng`, which is not there yet. */
function freeName(group: string): string {
  const time = new Date().toISOString().replace(/[-:]|\..*/g, "").replace("T", "-");
  for (let count = 1;; count++) {
    const name = `${group}-${time}${count === 1 ? "" : `-${count}`}.pcapng`;
    if (!exists(name)) return name;
  }
}

async function tellTime(feed: Feed, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(NOW_MS, signal);
    feed.tell(() => ({ now: new Date().toISOString() }));
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}
