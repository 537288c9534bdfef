/**
 * SHA-256 (FIPS 180-4) of short texts, at once: file names and hardware addresses are derived from members' names.
 *
 * Web Crypto's digest is asynchronous, which would make every path in `store.ts` a promise; `node:crypto` costs each
 * process 20 ms and several MiB at its start, a third of a command's time. Files use Web Crypto.
 */

const encoder = new TextEncoder();

/** The digest of a text's UTF-8, 32 bytes. */
export function sha256(text: string): Uint8Array {
  const message = encoder.encode(text);
  const padded = new Uint8Array((message.length + 9 + 63) & ~63);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(message.length / 2 ** 29));
  view.setUint32(padded.length - 4, message.length << 3);
  const hash = FIRST.slice();
  for (let block = 0; block < padded.length; block += 64) compress(hash, view, block);
  const digest = new DataView(new ArrayBuffer(32));
  hash.forEach((word, index) => digest.setUint32(index * 4, word));
  return new Uint8Array(digest.buffer);
}

/**
 * The first 32 bits of the fractional parts of the cube roots of the first 64 primes (section 4.2.2), and of the square roots of the
 * first 8 (5.3.3). Written down, because the language leaves `Math.cbrt` to the implementation, and one wrong bit would move every socket.
 */
// deno-fmt-ignore
const ROUND = Uint32Array.of(
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
);
// deno-fmt-ignore
const FIRST = Uint32Array.of(
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
);

function compress(hash: Uint32Array, view: DataView, at: number): void {
  const words = new Uint32Array(64);
  for (let index = 0; index < 64; index++) {
    if (index < 16) {
      words[index] = view.getUint32(at + index * 4);
      continue;
    }
    const [early, late] = [words[index - 15], words[index - 2]];
    const one = rotated(early, 7) ^ rotated(early, 18) ^ (early >>> 3);
    const two = rotated(late, 17) ^ rotated(late, 19) ^ (late >>> 10);
    words[index] = words[index - 16] + one + words[index - 7] + two;
  }
  let [a, b, c, d, e, f, g, h] = hash;
  for (let index = 0; index < 64; index++) {
    const one = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const first = (h + one + ((e & f) ^ (~e & g)) + ROUND[index] + words[index]) | 0;
    const two = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const second = (two + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => hash[index] += word);
}

function rotated(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
