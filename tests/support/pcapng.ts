/**
 * A reader of pcapng for tests, which checks what the format demands: lengths, padding, order. It shares no code with the writer.
 * And what Wireshark's own programs say of a capture, where they are installed.
 */

import * as assert from "#assert";

export interface Packet {
  /** The name of its interface. */
  on: string;
  direction: "in" | "out" | "unknown";
  comments: string[];
  isDropped: boolean;
  /** `epb_dropcount`. */
  missed: number;
  timeUs: number;
  data: Uint8Array;
}

export interface Interface {
  name: string;
  description: string;
  mac: string;
  /** Of its statistics, when there were some. */
  received?: number;
  dropped?: number;
  comments: string[];
}

export interface CaptureFile {
  application: string;
  interfaces: Interface[];
  names: Record<string, string[]>;
  packets: Packet[];
}

const text = (bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

/** Reads a whole file; each block must be whole, too. @param options whether a packet may have less than its frame had */
export function readPcapng(bytes: Uint8Array, { isSnapped = false } = {}): CaptureFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const u16 = (at: number) => view.getUint16(at, true), u32 = (at: number) => view.getUint32(at, true);
  const file: CaptureFile = { application: "", interfaces: [], names: {}, packets: [] };
  /** Options, or the records of names, in `[at, end)`: up to the one that ends them, which is the last. */
  const options = (at: number, end: number): [code: number, value: Uint8Array][] => {
    const found: [number, Uint8Array][] = [];
    while (at < end) {
      const code = u16(at), length = u16(at + 2), padded = (length + 3) & ~3;
      if (code === 0) {
        assert.deepEqual([length, at + 4], [0, end], "the end of options is the last of them");
        return found;
      }
      found.push([code, bytes.slice(at + 4, at + 4 + length)]);
      assert.ok(bytes.subarray(at + 4 + length, at + 4 + padded).every((byte) => byte === 0), "padding is zeros");
      at += 4 + padded;
    }
    return assert.fail("options without an end");
  };
  const uint64 = (value: Uint8Array, at = 0) => Number(new DataView(value.buffer).getBigUint64(at, true));
  for (let at = 0; at < bytes.length;) {
    const type = u32(at), length = u32(at + 4), end = at + length - 4;
    assert.ok(length % 4 === 0 && end < bytes.length, `a block of ${length} bytes at ${at}`);
    assert.equal(u32(end), length, "its length is at its end, too");
    if (at === 0) assert.equal(type, 0x0a0d0d0a, "a section is the first block");
    switch (type) {
      case 0x0a0d0d0a:
        assert.deepEqual([u32(at + 8), u16(at + 12), u16(at + 14)], [0x1a2b3c4d, 1, 0]);
        assert.equal(view.getBigInt64(at + 16, true), -1n);
        file.application = text(new Map(options(at + 24, end)).get(4)!);
        break;
      case 1: {
        assert.equal(u16(at + 8), 1, "Ethernet");
        const all = new Map(options(at + 16, end));
        assert.deepEqual([...all.get(9)!], [6], "microseconds");
        const mac = [...all.get(6) ?? []].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
        file.interfaces.push({ name: text(all.get(2)!), description: text(all.get(3)!), mac, comments: [] });
        break;
      }
      case 4:
        for (const [code, value] of options(at + 8, end)) {
          assert.equal(code, 1);
          file.names[value.subarray(0, 4).join(".")] = text(value.subarray(4)).split("\0").slice(0, -1);
        }
        break;
      case 5: {
        const its = file.interfaces[u32(at + 8)];
        const all = options(at + 20, end);
        its.received = uint64(new Map(all).get(4)!);
        its.dropped = uint64(new Map(all).get(5)!);
        its.comments = all.filter(([code]) => code === 1).map(([, value]) => text(value));
        break;
      }
      case 6: {
        const captured = u32(at + 20);
        assert.ok(isSnapped ? u32(at + 24) >= captured : u32(at + 24) === captured, `${u32(at + 24)}, ${captured}`);
        const dataEnd = at + 28 + captured;
        const all = options(at + 28 + ((captured + 3) & ~3), end);
        const first = (code: number) => new Map(all.toReversed()).get(code);
        file.packets.push({
          on: file.interfaces[u32(at + 8)].name,
          direction: ([undefined, "in", "out"] as const)[first(2)![0] & 3] ?? "unknown",
          comments: all.filter(([code]) => code === 1).map(([, value]) => text(value)),
          isDropped: first(7) !== undefined && first(7)![0] === 1 && uint64(first(7)!, 1) === 2,
          missed: first(4) ? uint64(first(4)!) : 0,
          timeUs: u32(at + 12) * 2 ** 32 + u32(at + 16),
          data: bytes.slice(at + 28, dataEnd),
        });
        break;
      }
      default:
        assert.fail(`a block of type ${type}`);
    }
    at += length;
  }
  return file;
}

/** What a program of Debian's says of a file: `scripts/setup --tests` installs it. It must end with 0 and without a word of warning. */
export async function said(program: "tcpdump" | "tshark" | "capinfos", ...args: string[]): Promise<string> {
  const output = await new Deno.Command(program, { args, stdin: "null" }).output();
  // Two lines are no warnings: that it runs as root, and what tcpdump reads.
  const errors = new TextDecoder().decode(output.stderr).split("\n")
    .filter((line) => line !== "" && !/^Running as user|^reading from file/.test(line));
  assert.deepEqual([output.code, errors], [0, []], `${program} ${args.join(" ")}`);
  return new TextDecoder().decode(output.stdout);
}
