/** `fleetbox events`: what happens in the store, through the real command line. */

import * as assert from "#assert";
import type { StoreEvent } from "../../src/control/live/store_events.ts";
import { exists } from "../../src/system/files.ts";
import { FLEETBOX, Running } from "../support/command.ts";
import { host } from "../../src/system/os.ts";
import { checkShape, readJsonDocument, shapeAt } from "../support/json_shapes.ts";
import { kill, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

const document = readJsonDocument();

/** The events in a command's output, each checked against docs/json.md. */
function eventsIn(stdout: string): StoreEvent[] {
  return stdout.split("\n").slice(0, -1).map((line) => {
    const event = JSON.parse(line) as StoreEvent;
    checkShape(document, shapeAt(document, `event-${event.event}`), event);
    assert.ok(Math.abs(Date.parse(event.at) - Date.now()) < 120_000, line);
    return event;
  });
}

/** In words, such as `state a running`. */
function words(event: StoreEvent): string {
  switch (event.event) {
    case "group":
      return `group ${event.group} ${event.what}`;
    case "state":
      return `state ${event.name} ${event.stage ?? event.state}`;
    case "forward":
      return `forward ${event.name} ${event.guest_port} ${event.what}`;
    case "notice":
      return `notice ${event.message}`;
    default:
      return `${event.event} ${event.what}`;
  }
}

/** The stream, which is waited for and read on. */
class Stream {
  #read = 0;

  constructor(readonly command: Running) {}

  /** Returns the event of these words, and passes over those before it. */
  async next(wanted: string): Promise<StoreEvent> {
    for (;; this.#read++) {
      await this.command.printed(new RegExp(`^(.*\n){${this.#read + 1}}`));
      const event = eventsIn(this.command.stdout)[this.#read];
      if (words(event) !== wanted) continue;
      this.#read++;
      return event;
    }
  }

  /** How often something was told. */
  count(wanted: string): number {
    return eventsIn(this.command.stdout).filter((event) => words(event) === wanted).length;
  }

  async end(): Promise<void> {
    this.command.kill("SIGINT");
    const { code, stderr } = await this.command.done;
    assert.deepEqual([code, /Interrupted/.test(stderr)], [130, true], stderr);
  }
}

const follow = (box: Sandbox, ...args: string[]) => new Stream(box.start(["events", "--json", ...args]));

test("events tells what is there, then states, ports, faults and groups that begin later, each once", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const none = follow(box); // the store is not there yet
  await until("it watches", () => exists(box.store.runDir));
  await box.up("a,b");
  await none.next("group a began");
  await none.next("state b running");

  const stream = follow(box);
  await stream.next("group a present");
  await stream.next("state a running");
  await box.ok("forward", "a", "80");
  await stream.next("forward a 80 open");
  await box.ok("fault", "partition", "a", "b");
  await stream.next("fault-began cut: a | b");
  await box.ok("heal");
  await stream.next("fault-ended cut: a | b");
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  await stream.next("saved checkpoint");
  await box.ok("pause", "b", "--for", "300ms");
  await stream.next("fault-began pause: b");
  await stream.next("fault-ended pause: b");
  await box.ok("forward", "a", "80", "--remove");
  await stream.next("forward a 80 removed");
  await box.up("other");
  const began = await stream.next("group other began");
  const running = await stream.next("state other running");
  assert.equal(running.group_id, began.group_id);
  assert.notEqual(running.group_id, (await box.report("a")).group_id);
  await kill(box.process("machine", "b"));
  const broken = await stream.next("state b error");
  assert.match(broken.event === "state" ? broken.reason! : "", /\S/);
  await box.ok("stop", "a");
  await stream.next("state a gone");
  await box.ok("stop", "b");
  await stream.next("state b gone");
  await stream.next("group a ended");
  await box.ok("stop", "other");
  await none.next("group other ended");
  await stream.next("group other ended");
  for (const once of ["group a present", "state a gone", "fault-began cut: a | b", "fault-ended cut: a | b"]) {
    assert.equal(stream.count(once), 1, stream.command.stdout);
  }
  await stream.end();
  await none.end();
});

test("events copes with holders that are killed: the next one's are followed, and what is as it was is not told again", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.ok("fault", "drop", "--to", "b");
  const stream = follow(box);
  await stream.next("fault-began drop: all to b");
  await box.killHolderAlone("a");
  await stream.next("group a orphaned");
  await stream.next("group a adopted"); // its members' states are told only if they were others meanwhile
  await until("the fault goes on", async () => JSON.parse((await box.ok("fault", "ls", "--json")).stdout).length === 1);

  await box.killHolder("a");
  await stream.next("group a orphaned");
  await kill(box.process("machine", "b"));
  await box.ok("ls", "--repair");
  await stream.next("group a adopted");
  await box.ok("heal");
  await stream.next("fault-ended drop: all to b");
  assert.equal(stream.count("fault-began drop: all to b"), 1, stream.command.stdout);

  await box.killHolder("a");
  await stream.next("group a orphaned");
  await kill(box.process("machine", "a"));
  await stream.next("state a gone");
  await stream.next("group a ended");
  await box.up("a");
  await stream.next("group a began");
  await stream.next("state a running");
  await stream.end();
});

test("events --via follows one group to its end, in lines for people; without a group it says what to do", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.up("b");
  const events = box.start(["events", "--via", "a"]);
  await events.printed(
    /^\d\d:\d\d:\d\d group a: is there: a \(holder: process \d+\)\n[\d:]{8} a: running \(10\.88\.0\.11\)\n/,
  );
  await box.ok("stop", "b");
  await box.ok("stop", "a");
  const { code, stdout } = await events.done;
  assert.equal(code, 0);
  assert.match(stdout, /^[\d:]{8} a: running \(stopping\)\n([^]*\n)?[\d:]{8} a: gone\n[\d:]{8} group a: ended\n$/m);
  assert.doesNotMatch(stdout, /\bb\b/);
  await box.fails(1, /"a" is on no group's network.*\n.*fleetbox up a/, "events", "--via", "a");
  await box.fails(3, /There is no member "nobody"/, "events", "--via", "nobody");
});

/** `fleetbox events --json`, of which nobody reads anything yet. */
function unread(box: Sandbox): Deno.ChildProcess {
  const [stdin, stdout, stderr] = ["null", "piped", "null"] as const;
  return new Deno.Command(FLEETBOX, { args: ["events", "--json"], env: box.env, clearEnv: true, stdin, stdout, stderr })
    .spawn();
}

const socketsOf = (pid: number) => host().openFiles!(pid).filter(({ target }) => target.startsWith("socket:")).length;

test("events that nobody reads hold no holder up: they are dropped, say so when they are read, and end by Ctrl-C", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const holder = box.process("holder").pid;
  const before = socketsOf(holder);
  const [slow, deaf] = [unread(box), unread(box)];
  await until("both are connected", () => socketsOf(holder) === before + 2);
  const reader = box.start(["events", "--json"]);
  const ports = Array.from({ length: 100 }, (_, index) => String(8_000 + index));
  while (reader.stdout.length < 128 * 1024) { // twice what a pipe takes
    await box.ok("forward", "a", ...ports);
    await box.ok("forward", "a", ...ports, "--remove");
  }
  deaf.kill("SIGINT");
  assert.equal((await deaf.status).code, 130);
  await deaf.stdout.cancel();
  reader.kill("SIGINT");
  await reader.done;
  await until(
    "the holder has dropped the slow one",
    () => /a client was dropped: it read nothing/.test(box.holderLog("a")),
    60_000,
  );
  await box.ok("stop", "b");
  let text = "";
  for await (const piece of slow.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (/"missed"[^]*"name":"b","state":"gone"/.test(text)) slow.kill("SIGINT");
  }
  assert.equal((await slow.status).code, 130);
  const told = eventsIn(text).map(words);
  assert.ok(told.indexOf("state b gone") > told.indexOf("group a missed"), told.slice(-20).join("\n"));
});

test("events ends when its reader does", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const script = '"$0" events | { read -r line; echo "$line"; }';
  const piped = new Running(["-c", script, FLEETBOX], box.env, { program: "/bin/sh" });
  await piped.printed(/group a: is there: a /);
  await box.ok("stop", "a"); // it sees at the next event that nobody reads
  assert.equal((await piped.done).code, 0);
});
