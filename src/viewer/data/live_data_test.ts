/** What grows: a trace that comes in pieces is the same as one that is read whole, and lets go of what is old. */

import * as assert from "#assert";
import { pause } from "../../core/deadline.ts";
import { bundleFiles, START } from "../../../tests/viewer/bundle.ts";
import { captureIn, healOf, memberActions, pairActions, shapeOf } from "./actions.ts";
import { readBundle } from "./bundle.ts";
import { readEvents } from "./events.ts";
import { LiveSource } from "./live_source.ts";
import { LiveTrace } from "./live_trace.ts";
import type { Trace } from "./model.ts";
import { lastSecond, pictureOf } from "./network.ts";
import { Packets } from "./packets.ts";

const FILES = bundleFiles({ seconds: 60, packets: 900, consoleBytes: 20_000 });
const decode = (name: string) => new TextDecoder().decode(FILES.get(name));
const linesOf = (name: string) => decode(name).split(/(?<=\n)/);

/** The blocks of a capture. */
function blocksOf(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), blocks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += blocks.at(-1)!.length) {
    blocks.push(bytes.subarray(at, at + view.getUint32(at + 4, true)));
  }
  return blocks;
}

/** Feeds it in pieces: of each file some, in turns. */
function* messages(): Generator<Record<string, unknown>> {
  yield { file: "meta.json", text: decode("meta.json"), whole: true };
  const texts = ["events.ndjson", "a.cast", "b.cast", "c.cast"].map((file) => ({ file, lines: linesOf(file) }));
  const blocks = blocksOf(FILES.get("net.pcapng")!);
  const steps = 40;
  for (let step = 0; step < steps; step++) {
    for (const { file, lines } of texts) {
      const some = lines.splice(0, Math.ceil(lines.length / (steps - step)));
      yield { file, text: some.join("") };
    }
    for (const block of blocks.splice(0, Math.ceil(blocks.length / (steps - step)))) {
      yield { file: "net-0001.pcapng", base64: block.toBase64() };
    }
  }
  yield { now: new Date(START + 60_000).toISOString() };
}

/** What can be compared. */
function plain(trace: Trace) {
  const { packets, events, lines, states, faults, commands, moments, clocks, links, casts, members, start, end } =
    trace;
  const indexes = Array.from({ length: packets.count }, (_, index) => index);
  const at = (event: { at: number; kind: string; until?: number }) => [event.kind, event.at, event.until];
  return {
    ...{ start, end, members, lines, casts },
    events: events.map(({ text, index, ...event }) => [index, text, ...at(event)]),
    states: [...states].map((
      [name, spans],
    ) => [name, spans.map(({ from, to, state, stage }) => [from, to, state, stage])]),
    story: [faults, moments, ...commands.values(), ...clocks.values()].map((some) => some.map(at)),
    // Their order is that of the last time when they were sorted.
    links: links.map((
      { from, to, frames, drops, total, dropped },
    ) => [`${from} ${to}`, [...frames], [...drops], total, dropped])
      .sort((one, other) => one[0] < other[0] ? -1 : 1),
    packets: indexes.map((index) => [
      ...[packets.times[index], packets.sender(index), packets.receiver(index), packets.info(index)],
      ...[packets.comments(index), packets.dropped[index], packets.lengths[index]],
    ]),
  };
}

Deno.test("viewer: a trace that came in pieces is the trace that is read whole", () => {
  const live = new LiveTrace();
  for (const message of messages()) {
    live.take(message);
    live.tell();
  }
  const [grown, whole] = [plain(live.tell()), plain(readBundle(FILES))];
  for (const key of Object.keys(whole) as (keyof typeof whole)[]) assert.deepEqual(grown[key], whole[key], key);
});

Deno.test("viewer: what did not change is the same object, so that it is not drawn anew", () => {
  const live = new LiveTrace();
  for (const message of messages()) live.take(message);
  const before = live.tell();
  live.take({ now: new Date(START + 61_000).toISOString() });
  const after = live.tell();
  assert.equal(after.end, START + 61_000);
  for (const key of ["events", "faults", "links", "lines", "members", "states"] as const) {
    assert.ok(after[key] === before[key], key);
  }
  assert.equal(after.states.get("a")!.at(-1)!.to, START + 61_000);
  const changes = after.packets.changes;
  live.take({ file: "a.cast", text: '[1,"o","new\\r\\n"]\n' });
  const third = live.tell();
  assert.deepEqual([third.lines.at(-1)!.text, third.lines === after.lines], ["new", false]);
  assert.ok(third.events === after.events && third.packets.changes === changes);
});

Deno.test("viewer: what the rings let go of is let go of", () => {
  const live = new LiveTrace();
  for (const message of messages()) live.take(message);
  const before = live.tell(), lines = before.lines.filter(({ member }) => member === "a").length;
  const pieces = before.casts[0].pieces.length;
  // The first turn keeps all, the second lets go of what was before the first.
  live.take({ file: "a.cast", becomes: "a.1.cast" });
  live.take({ file: "a.cast", text: '{"version":3,"timestamp":2000000000}\n[0,"o","second\\n"]\n' });
  assert.equal(live.tell().lines.filter(({ member }) => member === "a").length, lines + 1);
  live.take({ file: "a.cast", becomes: "a.1.cast" });
  const after = live.tell();
  assert.deepEqual(after.lines.filter(({ member }) => member === "a").map(({ text }) => text), ["second"]);
  assert.deepEqual([after.casts[0].gone, after.casts[0].pieces], [pieces, ["second\n"]]);
  assert.equal(
    after.lines.filter(({ member }) => member === "b").length,
    before.lines.filter(({ member }) => member === "b").length,
  );
  const late = new LiveTrace(); // a page that comes when it has turned already
  for (const [file, at, text] of [["a.1.cast", 1, "older"], ["a.cast", 2, "newer"]]) {
    late.take({ file, text: `{"version":3,"timestamp":${at}}\n[0,"o","${text}\\n"]\n` });
  }
  late.take({ file: "a.cast", becomes: "a.1.cast" });
  assert.deepEqual(late.tell().lines.map(({ text }) => text), ["newer"]);
  // A journal that turns: what was before the present file is kept, and lost with the next turn.
  const journal = new LiveTrace();
  for (const [index, said] of ["first", "second", "third"].entries()) {
    journal.take({ file: "a.journal", text: `1970-01-01T00:16:4${index}.000Z init: ${said}\n` });
    if (index < 2) journal.take({ file: "a.journal", becomes: "a.1.journal" });
  }
  assert.deepEqual(journal.tell().lines.map(({ text }) => text), ["init: second", "init: third"]);
  // Packets of a file that is gone; another one has come meanwhile.
  const count = after.packets.count, [section, ...others] = blocksOf(FILES.get("net.pcapng")!);
  live.take({ file: "net-0002.pcapng", base64: new Uint8Array(section).toBase64() });
  for (const block of others.slice(0, 10)) live.take({ file: "net-0002.pcapng", base64: block.toBase64() });
  const more = live.tell().packets.count - count;
  live.take({ file: "net-0001.pcapng", gone: true });
  assert.deepEqual([more > 0, live.tell().packets.count, live.tell().packets.gone], [true, more, count]);
});

Deno.test("viewer: packets that are let go of leave the others as they were; a late one finds its place", () => {
  const capture = FILES.get("net.pcapng")!, names = new Map<string, string>();
  const whole = new Packets(), some = new Packets();
  whole.append(capture, names);
  const blocks = blocksOf(capture), isPacket = (block: Uint8Array) => block[0] === 6;
  const [late] = blocks.splice(blocks.findIndex(isPacket) + 500, 1);
  for (const block of blocks) some.append(block, names);
  some.append(late, names);
  some.forget(300);
  assert.deepEqual([some.count, some.gone], [600, 300]);
  for (let index = 0; index < 600; index++) {
    const at = index + 300;
    assert.deepEqual(
      [some.times[index], some.frame(index), some.comments(index), some.searchText(index)],
      [whole.times[at], whole.frame(at), whole.comments(at), whole.searchText(at)],
      `${index}`,
    );
  }
  some.forget(1000);
  assert.deepEqual([some.count, some.frame(0).length], [0, 0]);
  some.append(late, names);
  assert.equal(some.info(0), whole.info(500));
});

const fault = (spec: Record<string, unknown>, members = ["a", "b", "c"]) =>
  JSON.stringify({
    at: new Date(START + 1000).toISOString(),
    event: "fault-began",
    id: "f1",
    kind: spec.kind,
    members,
    spec,
  });

/** A group whose only fault is this one. */
function groupWith(...events: string[]): Trace {
  const live = new LiveTrace();
  live.take({ file: "meta.json", text: decode("meta.json") });
  live.take({ file: "events.ndjson", text: events.join("\n") + "\n" });
  live.take({ now: new Date(START + 10_000).toISOString() });
  return live.tell();
}

Deno.test("viewer: the picture has each way of a link with its frames, and what faults do to it", () => {
  const effects = (spec: Record<string, unknown>, members?: string[]) => {
    const trace = groupWith(fault(spec, members));
    return pictureOf(trace, [trace.start, trace.end], new Set()).pairs
      .flatMap(({ ways, words }) =>
        ways.filter(({ effect }) => effect).map(({ from, to, effect }) => `${from}${to} ${effect} ${words}`)
      );
  };
  assert.deepEqual(effects({ kind: "partition", sets: [["a"], ["b"]] }), ["ab cut cut", "ba cut cut"]);
  assert.deepEqual(effects({ kind: "partition", sets: [["a"], ["b", "c"]], oneWay: true }), [
    "ab cut cut a → b",
    "ac cut cut a → c",
  ]);
  assert.deepEqual(effects({ kind: "drop", from: ["a"], to: ["gateway"] }), ["agateway cut cut a → gateway"]);
  assert.deepEqual(effects({ kind: "hold", sets: [["a"], ["c"]] }), ["ac held held", "ca held held"]);
  assert.deepEqual(
    effects({ kind: "shape", from: ["b"], to: ["c"], shape: { delayMs: 50, loss: 0.05, rateBitsPerSecond: 1e6 } }),
    ["bc shaped 50 ms late, 5 % lost, 1 Mbit/s b → c"],
  );
  assert.equal(effects({ kind: "shape", from: ["b"], shape: { delayMs: 50 } }).length, 3);
  assert.deepEqual(effects({ kind: "pause", member: "a" }, ["a"]), []);

  const link = (second: number, more: Record<string, unknown>) =>
    JSON.stringify({
      at: new Date(START + second * 1000 + 999).toISOString(),
      event: "link",
      from: "a",
      to: "b",
      ...more,
    });
  const trace = groupWith(
    link(3, { frames: 7 }),
    link(8, { frames: 2, dropped: { partition: 2 } }),
    fault({ kind: "pause" }, ["a"]),
  );
  const framesOf = (span: readonly [number, number]) => {
    const [{ ways }] = pictureOf(trace, span, new Set()).pairs;
    return ways.map(({ frames, dropped }) => [frames, dropped]);
  };
  assert.deepEqual(framesOf([trace.start, trace.end]), [[9, 2], [0, 0]]);
  assert.deepEqual(framesOf([START + 3000, START + 4500]), [[7, 0], [0, 0]]);
  assert.deepEqual(framesOf(lastSecond(trace)), [[2, 2], [0, 0]]);
  const later = { ...trace, end: START + 30_000 }; // it is quiet since
  assert.deepEqual(pictureOf(later, lastSecond(later), new Set()).pairs[0].ways[0].frames, 0);
  const { places } = pictureOf(trace, lastSecond(trace), new Set(["b"]));
  assert.deepEqual(places.map(({ name, faults }) => [name, faults.length]), [["a", 1], ["c", 0], ["gateway", 0]]);
});

Deno.test("viewer: actions are command lines; only what has not ended is healed", () => {
  const trace = groupWith(
    fault({ kind: "partition", sets: [["a"], ["b"]] }),
    ...["a", "b"].map((name) =>
      JSON.stringify({ at: new Date(START).toISOString(), event: "state", name, state: "running" })
    ),
  );
  const picture = pictureOf(trace, [trace.start, trace.end], new Set());
  const words = (actions: readonly { words: string[] }[]) => actions.map((action) => action.words.join(" "));
  assert.deepEqual(words(pairActions(picture.pairs[0])), [
    "heal f1",
    "fault partition a b",
    "fault drop --from a --to b",
    "fault drop --from b --to a",
    "fault hold a b",
  ]);
  assert.deepEqual(words(memberActions(trace, picture.places[0])), [
    "pause a",
    "fault partition a b,c,gateway",
    "suspend a",
    "stop a",
  ]);
  assert.deepEqual(memberActions(trace, picture.places[0]).map(({ asks }) => asks !== undefined), [
    false,
    false,
    true,
    true,
  ]);
  assert.deepEqual(words(memberActions(trace, picture.places[2])), ["up c"]);
  assert.equal(
    shapeOf(["a"], ["b"], { delay: " 5 ms", loss: "", rate: "1mbit" }).words.join(" "),
    "fault shape --from a --to b --delay 5ms --rate 1mbit",
  );
  const ended = readEvents(fault({ kind: "drop" }))[0];
  ended.until = ended.at + 1;
  assert.deepEqual(healOf(ended), []);
  const ran = [{ id: 1, line: "fleetbox capture a,b -w x.pcapng" }];
  assert.deepEqual([captureIn(ran, ["a", "b"])?.id, captureIn(ran, ["a"])], [1, undefined]);
  assert.equal(captureIn([{ ...ran[0], code: 0 }], ["a", "b"]), undefined);
});

Deno.test("viewer: a stream that breaks is opened again, and the command has ended when nothing answers", async () => {
  const waits: number[] = [], told: string[] = [];
  const stream = (lines: string[]) => new Response(lines.join(""));
  const answers: (() => Response)[] = [
    () => stream(['{"now":"2026-11-28T19:50:05Z"}\n{"rea', 'dy":true}\n', '{"ran":{"id":1,"line":"fleetbox heal"}}\n']),
    () => stream(['{"ran":{"id":1,"line":"fleetbox heal","code":0,"output":"x"}}\n{"ready":true}\n']),
  ];
  const source = new LiveSource({
    token: "t",
    fetch: () =>
      Promise.resolve().then(() =>
        (answers.shift() ?? (() => {
          throw new TypeError("refused");
        }))()
      ),
    wait: (ms) => (waits.push(ms), pause(0)),
  });
  await source.open(() => void told.push(`${source.status} ${source.ran.map(({ code }) => code ?? "runs")}`));
  assert.deepEqual([source.status, source.why], ["ended", "The command has ended"]);
  assert.equal(told[0], "live ");
  assert.ok(told.includes("lost runs") && told.includes("live 0") && told.at(-1) === "ended 0", told.join("; "));
  assert.deepEqual(waits.filter((ms) => ms > 500), [1000, 2000, 4000, 4000, 4000]);

  const denied = new LiveSource({
    token: "",
    fetch: () => Promise.resolve(new Response("no token\n", { status: 401 })),
    wait: pause,
  });
  await assert.rejects(denied.open(() => {}), /whole address that fleetbox view has printed \(no token\)/);
});

Deno.test("viewer: what is typed goes in order, one request at a time, and a refusal is told", async () => {
  const bodies: string[] = [], answers: PromiseWithResolvers<Response>[] = [];
  const source = new LiveSource({
    token: "t",
    async fetch(path, init) {
      bodies.push(`${path} ${await new Response(init!.body).text()}`);
      const answer = Promise.withResolvers<Response>();
      answers.push(answer);
      return await answer.promise;
    },
    wait: () => new Promise(() => {}),
  });
  const type = (text: string) => source.type("a", new TextEncoder().encode(text));
  const sent = async (count: number) => {
    while (answers.length < count) await pause(1);
  };
  for (const key of "ls") type(key);
  await sent(1);
  type("\r");
  answers[0].resolve(new Response(null, { status: 204 }));
  await sent(2);
  type("x".repeat(40_000));
  type("y");
  assert.deepEqual(bodies, ["/console/a l", "/console/a s\r"]);
  answers[1].resolve(new Response(null, { status: 204 }));
  await sent(3);
  assert.equal(bodies[2], `/console/a ${"x".repeat(32 * 1024)}`);
  answers[2].resolve(new Response(null, { status: 204 }));
  await sent(4);
  assert.equal(bodies[3], `/console/a ${"x".repeat(40_000 - 32 * 1024)}y`);
  type("never");
  answers[3].resolve(new Response("a has no machine\n", { status: 409 }));
  while (source.ran.length === 0) await pause(1);
  assert.deepEqual(source.ran, [{ id: -1, line: "fleetbox console a", code: 1, output: "a has no machine" }]);
  assert.equal(bodies.length, 4); // what was typed meanwhile is not sent later
});
