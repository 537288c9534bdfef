/**
 * The fake QEMU as a QEMU that its guest has taken over: garbage on each of its channels, as fast as it is read, and near
 * enough to the real thing to be read. Everything comes from one seed. How much it sent is in the file `hostile` beside the
 * behaviours.
 */

import { dirname, join } from "../../src/system/path.ts";
import { bytesOfMac, type StreamNetdev } from "./frames.ts";
import type { QmpServer } from "./qmp_server.ts";

const TURN_MS = 5;
const FRAMES_A_TURN = 60;

/** xorshift32: the same numbers for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

export function beHostile(seed: number, qmp: QmpServer, card: StreamNetdev, type: (bytes: Uint8Array) => void): void {
  const random = numbers(seed);
  const some = (length: number) => Uint8Array.from({ length }, () => random(256));
  const pick = <T>(list: readonly T[]) => list[random(list.length)];
  const macs = ["52:54:00:00:00:0b", "52:55:0a:58:00:01", "52:55:0a:58:00:03", "ff:ff:ff:ff:ff:ff"].map(bytesOfMac);
  let lines = 0;

  const frame = (): Uint8Array => {
    const bytes = some(pick([0, 1, 13, 14, 60, 60, 60, 1514, 65_536]));
    if (bytes.length < 60) return bytes;
    bytes.set(pick(macs), 0);
    if (random(2) === 0) bytes.set(pick(macs), 6);
    bytes.set(pick([[8, 0, 0x45], [8, 6, 0], [0x86, 0xdd, 0x60], [0x81, 0, 0]]), 12);
    bytes.set([10, 88, 0, pick([3, 1, 12, 255])], 30);
    if (random(2) === 0) question(bytes);
    return bytes;
  };
  /** A DNS question from our own address, its message at random but for the header. */
  const question = (bytes: Uint8Array) => {
    bytes.set([0, bytes.length - 14, 0, 0, 0, 0, 64, 17], 16);
    bytes.set([10, 88, 0, 11, 10, 88, 0, 3], 26);
    bytes.set([0x30, 0x39, 0, 53, 0, Math.min(255, bytes.length - 34), 0, 0, 0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], 34);
    if (random(2) === 0) bytes.set([0xc0, 12], 54);
  };
  const nonsense = (): unknown =>
    pick<unknown>([null, -1, "x\u0000\ud800", { toString: 1, valueOf: [] }, [[]], true, {
      reason: { toString: null },
    }]);
  const event = () => {
    const name = pick(["BLOCK_IO_ERROR", "STOP", "RESET", "NETDEV_STREAM_CONNECTED", "NO_SUCH", "POWERDOWN"]);
    const data = pick<unknown>([nonsense(), {
      action: "report",
      nospace: nonsense(),
      reason: nonsense(),
      device: nonsense(),
    }]);
    qmp.raw({ event: name, data, timestamp: nonsense() });
    qmp.raw(pick([{ return: nonsense(), id: -5 }, { error: nonsense(), id: nonsense() }, { id: nonsense() }]));
    lines += 2;
  };

  const turn = async () => {
    for (let count = 0; count < FRAMES_A_TURN; count++) card.send(frame());
    event();
    const escape = new TextEncoder().encode(
      pick(["\x1b[2J", "\x1b]0;", "fleetbox-micro: ssh", "Cloud-init v. 1 finished "]),
    );
    type(random(4) === 0 ? escape : some(4_000).map((byte) => byte === 10 ? 0 : byte));
    await card.sent();
    const file = Deno.env.get("FLEETBOX_FAKE_QEMU_FILE");
    if (file && lines % 100 === 0) Deno.writeTextFileSync(join(dirname(file), "hostile"), `hostile: ${lines} lines\n`);
    setTimeout(turn, TURN_MS);
  };
  void turn();
}
