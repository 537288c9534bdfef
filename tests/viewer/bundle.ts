/** Bundles for the viewer's tests: an hour of three members, made up, the same at each run. */

import { deflateRawSync } from "node:zlib";
import { joined } from "../../src/core/bytes.ts";
import { join } from "../../src/system/path.ts";
import {
  DIRECTION,
  interfaceBlock,
  packetBytes,
  packetOptions,
  sectionBlock,
  writePacket,
} from "../../src/core/pcapng/blocks.ts";

export interface BundleOptions {
  seconds: number;
  packets: number;
  /** Of each console. */
  consoleBytes: number;
  /** Further lines of events. */
  events?: Record<string, unknown>[];
  /** Texts of the guests: in consoles, names of commands, comments of packets. */
  says?: string;
  members?: string[];
}

/** An hour of three members. */
export const HOUR: BundleOptions = { seconds: 3600, packets: 200_000, consoleBytes: 1 << 20 };

export const START = Date.UTC(2026, 10, 28, 19, 50, 0);
const MAC = (index: number) => Uint8Array.of(0x52, 0x54, 0, 0, 0, 0x0a + index);
const macText = (index: number) => [...MAC(index)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");

/** The same numbers at each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const iso = (ms: number) => new Date(START + Math.round(ms)).toISOString();

/** The files of a bundle. */
export function bundleFiles(options: BundleOptions): Map<string, Uint8Array> {
  const { seconds, says = "", members = ["a", "b", "c"] } = options;
  const meta = {
    ...{ format: "fleetbox-trace", version: 1, id: "a-20261128-195000-3fa9", group: members[0], group_id: "g1" },
    ...{
      fleetbox: "0.1.0",
      hypervisor: "QEMU 7.2.19",
      accelerator: "tcg",
      host: { os: "linux", arch: "x86_64", cpus: 2 },
    },
    ...{ started: iso(0), ended: iso(seconds * 1000), command: ["fleetbox", "up", members.join(",")], seed: 4711 },
    members: members.map((name, index) => ({
      ...{
        name,
        host_name: name,
        mac: macText(index),
        ip: `10.88.0.${11 + index}`,
        image: "micro",
        cpus: 1,
        memory_mb: 256,
      },
    })),
    gateway: { mac: macText(99), ip: "10.88.0.1" },
    test: {
      name: `a write that was acknowledged survives a partition${says}`,
      ...{ file: "tests/store_test.ts", line: 42, error: `expected 3 replicas, got 2${says}` },
    },
  };
  const text = (content: string) => new TextEncoder().encode(content);
  return new Map<string, Uint8Array>([
    ["meta.json", text(JSON.stringify(meta))],
    ["events.ndjson", text(eventLines(options, members).map((event) => JSON.stringify(event) + "\n").join(""))],
    ...members.map((name, index): [string, Uint8Array] => [`${name}.cast`, text(cast(name, index, options))]),
    ["net.pcapng", packets(options, members)],
    ["error.txt", text(`AssertionError: expected 3 replicas, got 2${says}\n    at store_test.ts:42:10`)],
  ]);
}

type Line = { at: string; event: string } & Record<string, unknown>;

function eventLines({ seconds, events = [], says = "" }: BundleOptions, members: readonly string[]): Line[] {
  const next = random(1), lines: Line[] = [];
  const add = (ms: number, event: string, more: Record<string, unknown>) => lines.push({ at: iso(ms), event, ...more });
  add(0, "holder", { what: "began", pid: 4000 });
  for (const [index, name] of members.entries()) {
    add(20 + index, "state", { name, state: "starting", stage: "disk" });
    add(500 + index * 30, "state", { name, state: "starting", stage: "kernel" });
    add(2600 + index * 400, "state", { name, state: "running" });
  }
  const faults = [
    {
      kind: "partition",
      what: "cut: a | b, c",
      members: members.slice(0, 3),
      from: 0.3,
      to: 0.42,
      command: "fleetbox fault cut a b,c",
    },
    { kind: "shape", what: "shape: b, 200 ms ± 40 ms, 5 % lost", members: members.slice(1, 2), from: 0.36, to: 0.6 },
    { kind: "disk", what: "slow disk: c, 100 ms a write", members: members.slice(2, 3), from: 0.66, to: 0.78 },
  ];
  for (const [index, { from, to, ...fault }] of faults.entries()) {
    add(seconds * 1000 * from, "fault-began", { id: `f3a9${index}`, ...fault, spec: { kind: fault.kind } });
    add(seconds * 1000 * to, "fault-ended", { id: `f3a9${index}`, ...fault, counts: { dropped: 120 + index } });
  }
  add(seconds * 120, "checkpoint", { name: "seeded", members, paused_ms: 212 });
  add(seconds * 250, "mark", { text: `writes begin${says}`, file: "tests/store_test.ts", line: 30 });
  add(seconds * 850, "mark", { text: "heal, then read", file: "tests/store_test.ts", line: 38 });
  add(seconds * 500, "state", { name: members.at(-1), state: "error", stage: "", reason: "QEMU ended with code 1" });
  add(seconds * 520, "state", { name: members.at(-1), state: "starting", stage: "disk" });
  add(seconds * 540, "state", { name: members.at(-1), state: "running" });
  add(seconds * 700, "clock", { name: members[0], offset_ms: 3210 });
  add(seconds * 800, "clock", { name: members[0], offset_ms: 2 });
  add(seconds * 990, "test-ended", {
    test: "a write that was acknowledged survives a partition",
    ok: false,
    error: "expected 3 replicas, got 2",
  });
  const commands = Math.min(seconds, 600);
  for (let index = 0; index < commands; index++) {
    const began = 4000 + (seconds * 1000 - 5000) * index / commands, lasts = 5 + next() * next() * seconds * 20;
    const code = next() < 0.04 ? 1 : 0;
    add(began + lasts, "command", {
      ...{
        id: `c${index}`,
        name: members[index % members.length],
        argv: ["kv", "put", `key-${index}`, `value ${index}${says}`],
        code,
      },
      ...{ file: "tests/store_test.ts", line: 31 + index % 5, duration_ms: lasts },
      ...{ stdout: `ok ${index}${says}\n`, stderr: code ? `kv: no quorum${says}\n` : "" },
    });
  }
  for (let second = 3; second < seconds; second++) {
    for (const [index, from] of members.entries()) {
      for (const step of [1, 2, 3]) {
        const to = step === 3 ? "gateway" : members[(index + step) % members.length];
        const isCut = second > seconds * 0.3 && second < seconds * 0.42 && (index === 0 || to === members[0]) &&
          step < 3;
        const frames = Math.round((6 - step) * (3 + Math.sin(second / 40 + index) + next() * 2));
        add(second * 1000 + 999, "link", {
          ...{ from, to, frames: isCut ? 0 : frames, bytes: frames * 190 },
          ...(isCut && frames > 3 ? { dropped: { partition: frames } } : {}),
        });
      }
    }
  }
  lines.push(...events.map((event) => ({ at: iso(seconds * 600), ...event } as Line)));
  return lines;
}

function cast(name: string, index: number, { seconds, consoleBytes, says = "" }: BundleOptions): string {
  const next = random(7 + index);
  const lines = [
    JSON.stringify({ version: 3, term: { cols: 80, rows: 25 }, timestamp: START / 1000, title: `console of ${name}` }),
  ];
  const words = [
    "virtio_net",
    "systemd",
    "kv",
    "kernel",
    "raft: term 4",
    "eth0: link up",
    "sync",
    "\x1b[32mOK\x1b[0m",
    "commit 42",
  ];
  let size = 0, at = 0;
  const count = Math.max(40, consoleBytes / 90);
  while (size < consoleBytes) {
    const gap = size < 3000 ? 0.05 : seconds / count * next() * 1.9;
    if (at + gap > seconds) break;
    at += gap;
    const line = `[${at.toFixed(6).padStart(12)}] ${words[Math.floor(next() * words.length)]}: ${
      words[Math.floor(next() * words.length)]
    } ${Math.floor(next() * 1e9).toString(36)}${says}\r\n`;
    size += line.length;
    lines.push(JSON.stringify([Number(gap.toFixed(6)), "o", line]));
  }
  return lines.join("\n") + "\n";
}

function packets({ seconds, packets: count, says = "" }: BundleOptions, members: readonly string[]): Uint8Array {
  const next = random(3);
  const plain = packetOptions({ direction: DIRECTION.outbound });
  const dropped = packetOptions({
    direction: DIRECTION.outbound,
    isDropped: true,
    comments: [`dropped, to b: fault f3a90 (partition)${says}`],
  });
  const head = [
    sectionBlock("fleetbox 0.1.0"),
    ...members.map((name, index) => interfaceBlock({ name, description: "", mac: MAC(index) })),
  ];
  const bytes = new Uint8Array(head.reduce((sum, { length }) => sum + length, 0) + count * packetBytes(160, dropped));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const block of head) {
    bytes.set(block, at);
    at += block.length;
  }
  const frame = new Uint8Array(160);
  for (let index = 0; index < count; index++) {
    const timeMs = 2500 + (seconds * 1000 - 3000) * index / Math.max(1, count);
    const from = Math.floor(next() * members.length),
      to = (from + 1 + Math.floor(next() * (members.length - 1))) % members.length;
    const isCut = timeMs > seconds * 300 && timeMs < seconds * 420 && (from === 0 || to === 0);
    const end = fillFrame(frame, from, to, index, next());
    const options = isCut ? dropped : plain;
    writePacket(bytes, view, at, { interfaceId: from, timeUs: (START + timeMs) * 1000, frame, from: 0, end, options });
    at += packetBytes(end, options);
  }
  return bytes.slice(0, at);
}

/** ARP, an echo, a DNS question, or TCP. */
function fillFrame(frame: Uint8Array, from: number, to: number, index: number, kind: number): number {
  frame.fill(0);
  const view = new DataView(frame.buffer);
  frame.set(MAC(to));
  frame.set(MAC(from), 6);
  if (kind < 0.03) {
    frame.fill(0xff, 0, 6);
    view.setUint16(12, 0x0806);
    view.setUint16(20, 1);
    frame.set(MAC(from), 22);
    frame.set([10, 88, 0, 11 + from], 28);
    frame.set([10, 88, 0, 11 + to], 38);
    return 42;
  }
  const protocol = kind < 0.1 ? 1 : kind < 0.2 ? 17 : 6, data = protocol === 6 && kind > 0.5 ? 72 : 0;
  const length = 20 + (protocol === 6 ? 20 + data : protocol === 17 ? 30 : 64);
  view.setUint16(12, 0x0800);
  frame[14] = 0x45;
  view.setUint16(16, length);
  frame[22] = 64;
  frame[23] = protocol;
  frame.set([10, 88, 0, 11 + from], 26);
  frame.set([10, 88, 0, 11 + to], 30);
  if (protocol === 1) {
    frame[34] = index % 2 ? 0 : 8;
    view.setUint16(38, 77);
    view.setUint16(40, index & 0xffff);
  } else {
    view.setUint16(34, index % 2 ? 2379 : 40_000 + index % 20);
    view.setUint16(36, protocol === 17 ? 53 : index % 2 ? 40_000 + index % 20 : 2379);
    if (protocol === 17) view.setUint16(38, 30);
    else {
      view.setUint32(38, index * 72);
      view.setUint32(42, index * 70);
      frame[46] = 0x50;
      frame[47] = index % 50 === 0 ? 2 : data ? 0x18 : 0x10;
      view.setUint16(48, 64_240);
    }
  }
  return 14 + length;
}

/** Writes a bundle as a directory. */
export function writeDirectory(dir: string, files: ReadonlyMap<string, Uint8Array>): void {
  Deno.mkdirSync(dir, { recursive: true });
  for (const [name, content] of files) Deno.writeFileSync(join(dir, name), content);
}

/** A zip, with each file deflated. Without checksums: the viewer looks at none. */
export function zipOf(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const parts: Uint8Array[] = [], directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, content] of files) {
    const label = new TextEncoder().encode(name), packed = deflateRawSync(content);
    const local = new DataView(new ArrayBuffer(30)), central = new DataView(new ArrayBuffer(46));
    local.setUint32(0, 0x04034b50, true);
    central.setUint32(0, 0x02014b50, true);
    for (const [view, shift] of [[local, 0], [central, 2]] as const) {
      view.setUint16(8 + shift, 8, true);
      view.setUint32(18 + shift, packed.length, true);
      view.setUint32(22 + shift, content.length, true);
      view.setUint16(26 + shift, label.length, true);
    }
    central.setUint32(42, at, true);
    directory.push(new Uint8Array(central.buffer), label);
    parts.push(new Uint8Array(local.buffer), label, packed);
    at += 30 + label.length + packed.length;
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(10, files.size, true);
  end.setUint32(12, directory.reduce((sum, { length }) => sum + length, 0), true);
  end.setUint32(16, at, true);
  return joined([...parts, ...directory, new Uint8Array(end.buffer)]);
}
