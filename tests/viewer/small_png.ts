/** A picture of a page, made small: at most 256 colours, and as well compressed as PNG can be. */

import { Buffer } from "node:buffer";
import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** @param png what Chromium makes: 8 bits a channel, RGB or RGBA, not interlaced */
export function smallPng(png: Uint8Array): Uint8Array {
  const { width, height, channels, rows } = decode(png);
  const counts = new Map<number, number>();
  const colours = new Uint32Array(width * height);
  for (let index = 0; index < colours.length; index++) {
    const at = index * channels;
    const colour = rows[at] << 16 | rows[at + 1] << 8 | rows[at + 2];
    colours[index] = colour;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const palette = [...counts].sort(([, a], [, b]) => b - a).slice(0, 256).map(([colour]) => colour);
  const nearest = new Map(palette.map((colour, place) => [colour, place]));
  const pixels = new Uint8Array((width + 1) * height); // each row begins with its filter: none
  for (let index = 0; index < colours.length; index++) {
    let place = nearest.get(colours[index]);
    if (place === undefined) nearest.set(colours[index], place = nearestIn(palette, colours[index]));
    pixels[index + Math.floor(index / width) + 1] = place;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8); // a palette
  return Buffer.concat([
    Buffer.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette.flatMap((colour) => [colour >> 16, colour >> 8 & 255, colour & 255]))),
    chunk("IDAT", deflateSync(pixels, { level: 9, memLevel: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function nearestIn(palette: readonly number[], colour: number): number {
  let best = 0, least = Infinity;
  for (const [place, one] of palette.entries()) {
    const red = (one >> 16) - (colour >> 16),
      green = (one >> 8 & 255) - (colour >> 8 & 255),
      blue = (one & 255) - (colour & 255);
    const distance = red * red + green * green + blue * blue;
    if (distance < least) [least, best] = [distance, place];
  }
  return best;
}

function chunk(name: string, content: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(name, "latin1"), content]);
  const around = Buffer.alloc(8);
  around.writeUInt32BE(content.length, 0);
  around.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)]);
}

function decode(png: Uint8Array): { width: number; height: number; channels: number; rows: Uint8Array } {
  const buffer = Buffer.from(png), packed: Uint8Array[] = [];
  for (let at = SIGNATURE.length; at < buffer.length; at += buffer.readUInt32BE(at) + 12) {
    if (buffer.toString("latin1", at + 4, at + 8) !== "IDAT") continue;
    packed.push(buffer.subarray(at + 8, at + 8 + buffer.readUInt32BE(at)));
  }
  const width = buffer.readUInt32BE(16), height = buffer.readUInt32BE(20), channels = buffer[25] === 6 ? 4 : 3;
  const raw = inflateSync(Buffer.concat(packed)), length = width * channels, rows = new Uint8Array(length * height);
  for (let row = 0; row < height; row++) {
    const filter = raw[row * (length + 1)];
    for (let x = 0; x < length; x++) {
      const at = row * length + x;
      const left = x >= channels ? rows[at - channels] : 0, up = row > 0 ? rows[at - length] : 0;
      const corner = x >= channels && row > 0 ? rows[at - length - channels] : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      rows[at] = raw[row * (length + 1) + 1 + x] + guess;
    }
  }
  return { width, height, channels, rows };
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((one) => Math.abs(guess - one));
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
