/** What the viewer reads: each file of a bundle, whole, cut off and damaged. */

import * as assert from "#assert";
import { bundleFiles, START, zipOf } from "../../../tests/viewer/bundle.ts";
import { againOf, captureAgain } from "./again.ts";
import { readBundle } from "./bundle.ts";
import { linesOf, readCast } from "./cast.ts";
import { type Contents, elementsOf, EmbeddedBundle } from "./embedded.ts";
import { readEvents } from "./events.ts";
import { layersOf, protocolOf, summaryOf } from "./frame.ts";
import type { Trace } from "./model.ts";
import { Packets } from "./packets.ts";
import { entriesOf, isZip, unpack } from "./unzip.ts";

const SMALL = { seconds: 20, packets: 40, consoleBytes: 2000 };
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("viewer: a zip is read whole, and of one that was cut off what is there", async () => {
  const files = bundleFiles(SMALL), zip = zipOf(files).slice();
  assert.ok(isZip(zip));
  const { entries, isWhole } = entriesOf(zip);
  assert.ok(isWhole);
  for (const entry of entries) assert.deepEqual(await unpack(entry), files.get(entry.name)!.slice(), entry.name);
  let last = 0;
  for (let length = 0; length < zip.length; length += 97) {
    const cut = entriesOf(zip.slice(0, length));
    assert.equal(cut.isWhole, false);
    assert.ok(cut.entries.length >= last && cut.entries.slice(0, -1).every(({ isCut }) => !isCut), `${length}`);
    last = cut.entries.length;
    for (const entry of cut.entries) {
      const content = await unpack(entry);
      assert.deepEqual(content, files.get(entry.name)!.slice(0, content.length), `${entry.name} of ${length}`);
    }
  }
});

Deno.test("viewer: a bundle is in the page as base64, and comes out of it", async () => {
  const files = bundleFiles({ ...SMALL, says: "</script>" });
  const contents: Contents = { parts: [{ name: "trace.zip", how: "zip" }], notices: ["one </script>"] };
  const html = elementsOf(contents, [zipOf(files)]);
  assert.equal(html.match(/<\/script>/g)?.length, 2);
  const base64 = new Map([...html.matchAll(/id="(part-\d+)">([^<]*)</g)].map(([, id, content]) => [id, content]));
  const traces: Trace[] = [];
  await new EmbeddedBundle((id) => base64.get(id)).open((trace) => void traces.push(trace));
  assert.deepEqual(traces.map(({ notices }) => notices), [["one </script>"], ["one </script>"]]);
  assert.deepEqual(traces.map(({ packets }) => packets.count), [0, 40]); // first what is small
  assert.ok(traces[0].events === traces[1].events && traces[0].links === traces[1].links);
  await assert.rejects(new EmbeddedBundle(() => undefined).open(() => {}), /no bundle in this page/);
});

Deno.test("viewer: states last until the next, faults until their end, commands begin before they are told of", () => {
  const trace = readBundle(bundleFiles(SMALL));
  assert.deepEqual([trace.start, trace.end], [START, START + 20_000]);
  assert.deepEqual(trace.states.get("c")!.map(({ state, from, to }) => [state, from - START, to - START]), [
    ["starting", 22, 560],
    ["starting", 560, 3400],
    ["running", 3400, 10_000],
    ["error", 10_000, 10_400],
    ["starting", 10_400, 10_800],
    ["running", 10_800, 20_000],
  ]);
  assert.deepEqual(trace.faults.map(({ at, until }) => [at - START, until! - START]), [[6000, 8400], [7200, 12_000], [
    13_200,
    15_600,
  ]]);
  assert.equal(Math.round(trace.commands.get("a")![0].at - START), 4000);
  assert.deepEqual(trace.moments.map(({ kind }) => kind), ["checkpoint", "mark", "mark", "test-ended"]);
  const cut = trace.links.find(({ from, to }) => from === "a" && to === "b")!;
  assert.deepEqual(Object.keys(cut.drops.get(7)!), ["partition"]);
  assert.ok(trace.events.every(({ at, index }, place) => index === place && at >= (trace.events[place - 1]?.at ?? 0)));
});

Deno.test("viewer: lines that are no events, or half, are left out; a command that was under way at a kill is shown", () => {
  const at = '"at":"2026-11-28T19:50:01.000Z"';
  const events = readEvents([
    `{${at},"event":"command-began","id":"1","name":"a","argv":["sleep","9"]}`,
    `{"event":"mark","text":"without a time"}`,
    `[1,2]`,
    `not JSON`,
    `{${at},"event":"mark","text":"a\\u001b[31mred\\nline"}`,
    `{${at},"event":"of-tomorrow","some":1}`,
    `{${at},"event":"mark","te`,
  ].join("\n"));
  assert.deepEqual(events.map(({ kind, text }) => [kind, text]), [
    ["command-began", "sleep 9"],
    ["mark", "ared line"],
    ["of-tomorrow", "some 1"],
  ]);
  const trace = readBundle(
    new Map([["events.ndjson", bytes(`{${at},"event":"command-began","id":"1","name":"a"}\n`)]]),
  );
  assert.equal(trace.commands.get("a")!.length, 1);
  assert.match(trace.notices.join(), /meta.json is missing.*has no end/);
});

Deno.test("viewer: nothing at all, and values of other kinds than expected, are no error", () => {
  assert.equal(readBundle(new Map()).events.length, 0);
  const odd = {
    members: [1, { name: 2 }, { name: "a", ip: {} }],
    host: "x",
    test: [],
    cut: {},
    command: "x",
    started: 5,
    gateway: 0,
  };
  const trace = readBundle(
    new Map([
      ["meta.json", bytes(JSON.stringify(odd))],
      [
        "events.ndjson",
        bytes(
          '{"at":"2026-11-28T19:50:01Z","event":"link","from":1,"frames":"x","dropped":{"__proto__":3,"a":"b"}}\nnull\n',
        ),
      ],
      ["a.cast", bytes('{"version":3}\n["x","o",5]\n[1]\n{}\n[1,"o","x"]\n')],
      ["net.pcapng", new Uint8Array(50).fill(0xff)],
    ]),
  );
  assert.deepEqual(trace.members.map(({ name, ip }) => [name, ip]), [["a", ""]]);
  assert.deepEqual(trace.lines.map(({ text }) => text), ["x"]);
  assert.deepEqual([trace.packets.count, trace.packets.isCut], [0, true]);
});

Deno.test("viewer: a console's pieces are lines, with the time of their beginnings, without escape sequences", () => {
  const cast = readCast(
    "a",
    [
      '{"version":3,"term":{"cols":100,"rows":30},"timestamp":1000}',
      '[0.5,"o","one"]',
      '[1,"o"," more\\r\\n\\u001b[1mtwo\\u001b[0m\\r\\nthr"]',
      '[0.1,"m","a mark"]',
      '[1,"o","ee\\r\\n50%\\r100%\\n"]',
      '[1,"o","half',
    ].join("\n"),
  )!;
  assert.deepEqual([cast.columns, cast.rows], [100, 30]);
  assert.deepEqual(linesOf(cast).map(({ at, text }) => [at, text]), [
    [1_000_500, "one more"],
    [1_001_500, "two"],
    [1_001_500, "three"],
    [1_002_600, "100%"],
  ]);
  const turned = readBundle(
    new Map([
      ["a.1.cast", bytes('{"version":3,"timestamp":1000}\n[1,"o","older\\n"]\n')],
      ["a.cast", bytes('{"version":3,"timestamp":2000}\n[1,"o","newer\\n"]\n')],
    ]),
  );
  assert.deepEqual(turned.lines.map(({ member, at, text }) => [member, at, text]), [["a", 1_001_000, "older"], [
    "a",
    2_001_000,
    "newer",
  ]]);
  assert.equal(readCast("a", "[]"), undefined);
});

Deno.test("viewer: a journal's entries are among the lines, an older part of a ring first", () => {
  const files: [name: string, text: string][] = [
    ["a.1.journal", "half a line of an older one\n1970-01-01T00:16:41.000Z sshd[4]: older\n    more\n"],
    ["a.journal", "1970-01-01T00:16:42.500Z init: \x1b[31mred\n\n"],
    ["a.cast", '{"version":3,"timestamp":1000}\n[2,"o","between\\n"]\n'],
  ];
  const trace = readBundle(new Map(files.map(([name, text]) => [name, bytes(text)])));
  assert.deepEqual(trace.lines.map(({ member, at, text, isJournal }) => [member, at, text, isJournal ?? false]), [
    ["a", 1_001_000, "sshd[4]: older", true],
    ["a", 1_001_000, "    more", true],
    ["a", 1_002_000, "between", false],
    ["a", 1_002_500, "init: red", true],
  ]);
});

Deno.test("viewer: packets of several sections, up to the last whole block, in the order of time", () => {
  const capture = bundleFiles(SMALL).get("net.pcapng")!;
  const names = new Map([["52:54:00:00:00:0a", "a"], ["52:54:00:00:00:0b", "b"], ["52:54:00:00:00:0c", "c"]]);
  const whole = new Packets();
  whole.append(capture, names);
  assert.deepEqual([whole.count, whole.isCut], [40, false]);
  assert.ok(new Set([...whole.names, "*"]).isSubsetOf(new Set(["a", "b", "c", "*"])), `${whole.names}`);
  const dropped = [...whole.dropped].map((is, index) => is ? whole.comments(index).join() : "").filter(Boolean);
  assert.ok(dropped.length > 0 && dropped.every((comment) => comment === "dropped, to b: fault f3a90 (partition)"));
  const twice = new Packets();
  twice.append(Uint8Array.from([...capture, ...capture]), names);
  assert.equal(twice.count, 80);
  assert.ok(twice.times.every((time, index) => index === 0 || time >= twice.times[index - 1]));
  assert.deepEqual([twice.info(0), twice.comments(79)], [whole.info(0), whole.comments(39)]);
  for (let length = 0; length < capture.length; length += 13) {
    const cut = new Packets();
    cut.append(capture.slice(0, length), names);
    assert.ok(cut.count <= 40 && (cut.count === 0 || cut.info(cut.count - 1) === whole.info(cut.count - 1)));
  }
});

Deno.test("viewer: whoever sends from an interface is called as that is, and all its MACs are one", () => {
  const capture = bundleFiles(SMALL).get("net.pcapng")!;
  const packets = new Packets();
  packets.append(capture, new Map([["52:54:00:00:00:0a", "a"]]));
  assert.deepEqual(
    new Set(packets.names),
    new Set(["a", "b", "c", "*", ""].filter((name) => packets.names.includes(name))),
  );
  const senders = new Set(Array.from({ length: packets.count }, (_, index) => packets.sender(index)));
  assert.deepEqual(senders, new Set(["a", "b", "c"]));
});

const hex = (digits: string) =>
  Uint8Array.from(digits.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
const ETHERNET = "52540000000b 52540000000a ";
const FRAMES: [what: string, frame: string, protocol: string, info: string][] = [
  [
    "ARP request",
    `ffffffffffff 52540000000a 0806 0001 0800 06 04 0001 52540000000a 0a58000b 000000000000 0a58000c`,
    "ARP",
    "who has 10.88.0.12?",
  ],
  [
    "ARP reply",
    `${ETHERNET} 0806 0001 0800 06 04 0002 52540000000a 0a58000b 52540000000b 0a58000c`,
    "ARP",
    "10.88.0.11 is at 52:54:00:00:00:0a",
  ],
  [
    "echo",
    `${ETHERNET} 0800 4500 001c 0001 0000 40 01 0000 0a58000b 0a58000c 08 00 0000 0007 0003`,
    "ICMP",
    "echo request id 7 seq 3",
  ],
  [
    "SYN",
    `${ETHERNET} 0800 4500 0028 0001 0000 40 06 0000 0a58000b 0a58000c 9c40 0016 00000001 00000000 50 02 ffff 0000 0000`,
    "SSH",
    "40000 → 22 SYN",
  ],
  [
    "data",
    `${ETHERNET} 0800 4500 002c 0001 0000 40 06 0000 0a58000b 0a58000c 9c40 094b 00000001 00000000 50 18 ffff 0000 0000 61626364`,
    "TCP",
    "40000 → 2379 PSH ACK 4 bytes",
  ],
  ["DNS", `${ETHERNET} 0800 4500 001c 0001 0000 40 11 0000 0a58000b 0a580003 9c40 0035 0008 0000`, "DNS", "40000 → 53"],
  [
    "a later fragment",
    `${ETHERNET} 0800 4500 001c 0001 00b9 40 11 0000 0a58000b 0a580003 9c40 0035 0008 0000`,
    "UDP",
    "10.88.0.11 → 10.88.0.3",
  ],
  ["IPv6", `${ETHERNET} 86dd 6000`, "IPv6", "0x86dd"],
];

Deno.test("viewer: frames say what they are; cut at any place they are no error", () => {
  for (const [what, digits, protocol, info] of FRAMES) {
    const frame = hex(digits);
    assert.deepEqual(summaryOf(frame), { protocol, info }, what);
    for (let length = 0; length < frame.length; length++) {
      const cut = frame.slice(0, length);
      layersOf(cut);
      summaryOf(cut);
      protocolOf(cut, 0, length);
    }
  }
});

Deno.test("viewer: do this again is a command line that a shell reads as it was, and never a foreign one", () => {
  const again = (event: Record<string, unknown>) =>
    againOf(readEvents(JSON.stringify({ at: "2026-11-28T19:50:01Z", ...event }))[0]);
  assert.equal(
    again({ event: "command", name: "a", argv: ["sh", "-c", "echo 'x'; rm $y"] }),
    `fleetbox exec a -- sh -c 'echo '\\''x'\\''; rm $y'`,
  );
  assert.equal(again({ event: "fault-began", id: "f1", command: "fleetbox fault cut a b" }), "fleetbox fault cut a b");
  for (
    const command of [
      "rm -rf ~",
      "fleetbox fault cut a; rm -rf ~",
      "fleetbox fault cut a\nrm -rf ~",
      "fleetbox fault $(x)",
    ]
  ) {
    assert.equal(again({ event: "fault-began", id: "f1", command }), undefined, command);
  }
  const fault = (spec: unknown) => again({ event: "fault-began", id: "f1", seed: 7, spec });
  assert.equal(
    fault({ kind: "partition", sets: [["a"], ["b", "c"]], oneWay: true }),
    "fleetbox fault partition a b,c --one-way",
  );
  assert.equal(fault({ kind: "pause", member: "a" }), "fleetbox pause a");
  assert.equal(
    fault({ kind: "drop", from: ["a'; x"] }),
    `echo '{"version":1,"seed":7,"steps":[{"at_ms":0,"for_ms":60000,"fault":{"kind":"drop","from":["a'\\''; x"]}}]}' | fleetbox fault run /dev/stdin`,
  );
  assert.equal(again({ event: "fault-ended", id: "f1" }), "fleetbox heal f1");
  assert.equal(
    again({ event: "checkpoint", name: "seeded", members: ["a", "b"] }),
    "fleetbox checkpoint a,b --as seeded",
  );
  assert.equal(again({ event: "state", name: "a", state: "error" }), "fleetbox logs a");
  assert.equal(again({ event: "mark", text: "x" }), undefined);
  assert.equal(captureAgain("a", "*"), "fleetbox capture a -w out.pcapng");
});
