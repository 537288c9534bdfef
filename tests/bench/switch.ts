/**
 * How fast the switch is: 1,514-byte frames from one local port to another, while `status` is asked all the time.
 *
 * Four processes, as in real use: one with the switch and a unix socket that answers `status` in the same event loop (the
 * holder), a sender and a receiver (two hypervisors), and this one, which asks for the status over a new connection
 * each time. The receiver counts what arrives, so frames that the switch dropped do not count. Run it alone for JSON:
 * `node_modules/.bin/deno run -A tests/bench/switch.ts [SECONDS [FAULT]]`; `make bench` calls {@link benchSwitch}.
 */

import { SNAP_BYTES } from "../../src/control/recording/packet_ring.ts";
import { FRAMES_PER_SECOND } from "../../src/control/recording/recorder.ts";
import { Capture } from "../../src/network/capture/capture.ts";
import { Tap } from "../../src/network/capture/tap.ts";
import { FaultEngine } from "../../src/network/faults/engine.ts";
import type { LinkConditions, Shape } from "../../src/network/faults/conditions.ts";
import { encodeFrame, FRAME, FrameReader } from "../../src/network/frame.ts";
import { type Duplex, Switch } from "../../src/network/switch.ts";
import { parseMac } from "../../src/network/macs.ts";
import { SUBNET } from "../../src/network/subnet.ts";
import { FRUGAL } from "../../src/system/program_info.ts";

export interface SwitchFigures {
  gbitPerSecond: number;
  framesPerSecond: number;
  /** Frames that the switch took from the sender, for each that it delivered: 1 when nothing was dropped. */
  offeredPerDelivered: number;
  statusP50Ms: number;
  statusP99Ms: number;
  /** Resident memory of the process with the switch at its end. */
  residentMiB: number;
}

/** A port that sends nothing. */
const SILENT: Duplex = {
  read: () => new Promise(() => {}),
  write: (bytes) => Promise.resolve(bytes.length),
  close() {},
};
const FRAME_BYTES = 1514;
const FRAMES_PER_WRITE = 43;
const WARM_UP_MS = 500;
const ASK_EVERY_MS = 2;

/** What goes on meanwhile: nothing, faults of links to a third port, each link is late, or all of it is captured: whole frames, or as a trace does. */
export type SwitchFault = keyof typeof FAULTS;

const FAULTS = {
  none: [],
  elsewhere: [["a", "c", { cuts: ["f1"] }], ["c", "b", shaped({ delayMs: 10, loss: 0.1 })]],
  delayed: [["a", "b", shaped({ delayMs: 10, limit: 100_000 })], ["b", "a", shaped({ delayMs: 10, limit: 100_000 })]],
  captured: [],
  traced: [],
} satisfies Record<string, [from: string, to: string, LinkConditions][]>;

/** @param seconds How long to measure. @default 3 */
export async function benchSwitch(seconds = 3, fault: SwitchFault = "none"): Promise<SwitchFigures> {
  const directory = await Deno.makeTempDir({ prefix: "fleetbox-bench-" });
  const roles: Deno.ChildProcess[] = [];
  try {
    const holder = spawnRole("holder", directory, seconds, fault);
    roles.push(holder);
    await untilThere(`${directory}/status.sock`);
    const receiver = spawnRole("receiver", directory, seconds);
    roles.push(receiver, spawnRole("sender", directory, seconds));
    const received = receiver.output();
    await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
    const times = await askStatus(`${directory}/status.sock`, seconds * 1000);
    const { frames, ms } = JSON.parse(new TextDecoder().decode((await received).stdout));
    const last = JSON.parse(await ask(`${directory}/status.sock`));
    times.sort((a, b) => a - b);
    return {
      gbitPerSecond: round(frames * FRAME_BYTES * 8 / ms / 1e6),
      framesPerSecond: Math.round(frames * 1000 / ms),
      offeredPerDelivered: round(last.offered / last.delivered),
      statusP50Ms: round(times[Math.floor(times.length * 0.5)]),
      statusP99Ms: round(times[Math.floor(times.length * 0.99)]),
      residentMiB: round(last.resident / 2 ** 20),
    };
  } finally {
    for (const role of roles) {
      try {
        role.kill("SIGKILL");
      } catch { /* it ended by itself */ }
      await role.status;
    }
    await Deno.remove(directory, { recursive: true });
  }
}

function shaped(shape: Shape): LinkConditions {
  return { shapes: [{ id: "f1", seed: 1, shape }] };
}

function spawnRole(role: string, directory: string, seconds: number, ...more: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...(role === "holder" ? FRUGAL : []),
      "--no-check",
      "--allow-all",
      import.meta.filename!,
      role,
      directory,
      String(seconds),
      ...more,
    ],
    stdin: "null",
    stdout: role === "receiver" ? "piped" : "null",
    stderr: "inherit",
  }).spawn();
}

/** Two ports by name, for what connects to `<name>.sock`; and the status in the same event loop. */
async function runHolder(directory: string, fault: SwitchFault): Promise<void> {
  const network = new Switch();
  network.useFaults((exit) => new FaultEngine(exit));
  network.addPort(SILENT, { name: "c", role: "member", mac: SUBNET.macOf("10.88.0.13"), ip: "10.88.0.13" });
  if (fault === "captured") capture(network);
  if (fault === "traced") capture(network, SNAP_BYTES);
  for (const [from, to, conditions] of FAULTS[fault]) network.setConditions(from, to, conditions);
  for (const [name, ip] of [["a", "10.88.0.11"], ["b", "10.88.0.12"]]) {
    const listener = Deno.listen({ transport: "unix", path: `${directory}/${name}.sock` });
    listener.accept().then((conn) => network.addPort(conn, { name, role: "member", mac: SUBNET.macOf(ip), ip }));
  }
  for await (const conn of Deno.listen({ transport: "unix", path: `${directory}/status.sock` })) {
    answer(conn).catch(() => {});
  }

  async function answer(conn: Deno.UnixConn): Promise<void> {
    await conn.read(new Uint8Array(64));
    const counters = network.counters();
    const status = {
      offered: counters.get("a")?.rxFrames,
      delivered: counters.get("b")?.txFrames,
      resident: Deno.memoryUsage().rss,
    };
    await conn.write(new TextEncoder().encode(JSON.stringify(status)));
    conn.close();
  }
}

/** Captures all frames into memory that is used again and again. */
function capture(network: Switch, snap?: number): void {
  const sink = new Capture({
    application: "bench",
    ...(snap === undefined ? {} : { snap, rate: FRAMES_PER_SECOND }),
    isWanted: () => true,
    describe: (name) => ({ name, description: "", addresses: [] }),
    kindOf: () => undefined,
    onData: () => setTimeout(() => sink.take(), 0),
  }, Date.now() * 1000);
  network.useTap((nameOf) => {
    const tap = new Tap(nameOf);
    tap.add(sink);
    return tap;
  });
}

async function runSender(directory: string): Promise<void> {
  const conn = await Deno.connect({ transport: "unix", path: `${directory}/a.sock` });
  const frame = new Uint8Array(FRAME_BYTES);
  frame.set(parseMac(SUBNET.macOf("10.88.0.12")), 0);
  frame.set(parseMac(SUBNET.macOf("10.88.0.11")), 6);
  frame.set([0x08, 0x00, 0x45, 0, 0x05, 0xdc, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 88, 0, 11, 10, 88, 0, 12], 12);
  const one = encodeFrame(frame);
  const block = new Uint8Array(one.length * FRAMES_PER_WRITE);
  for (let index = 0; index < FRAMES_PER_WRITE; index++) block.set(one, index * one.length);
  try {
    for (;;) {
      for (let sent = 0; sent < block.length;) sent += await conn.write(block.subarray(sent));
    }
  } catch { /* the switch is gone: the measurement is over */ }
}

async function runReceiver(directory: string, seconds: number): Promise<void> {
  const conn = await Deno.connect({ transport: "unix", path: `${directory}/b.sock` });
  const reader = new FrameReader();
  let frames = 0, begin = 0, end = 0;
  const first = performance.now();
  for (;;) {
    const count = await conn.read(reader.room());
    if (count === null) throw new Error("the switch closed the connection");
    reader.commit(count);
    let here = 0;
    while (reader.next() === FRAME) {
      if (reader.end - reader.from !== FRAME_BYTES + 4) throw new Error("a frame arrived with another length");
      here++;
    }
    const now = performance.now();
    if (now - first < WARM_UP_MS) continue;
    if (begin === 0) begin = now;
    else frames += here;
    end = now;
    if (end - begin >= seconds * 1000) break;
  }
  console.log(JSON.stringify({ frames, ms: end - begin }));
}

async function askStatus(path: string, forMs: number): Promise<number[]> {
  const times: number[] = [];
  for (const until = performance.now() + forMs; performance.now() < until;) {
    const begin = performance.now();
    await ask(path);
    times.push(performance.now() - begin);
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
  return times;
}

async function ask(path: string): Promise<string> {
  const conn = await Deno.connect({ transport: "unix", path });
  await conn.write(new TextEncoder().encode("status\n"));
  const buffer = new Uint8Array(1000);
  const count = await conn.read(buffer);
  conn.close();
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

async function untilThere(path: string): Promise<void> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    try {
      await Deno.stat(path);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  throw new Error(`the switch did not start: ${path} is not there`);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

if (import.meta.main) {
  const [role, directory, seconds, fault] = Deno.args;
  if (role === "holder") await runHolder(directory, fault as SwitchFault);
  else if (role === "sender") await runSender(directory);
  else if (role === "receiver") await runReceiver(directory, Number(seconds));
  else console.log(JSON.stringify(await benchSwitch(Number(role ?? 3), directory as SwitchFault)));
}
