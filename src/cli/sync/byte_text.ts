/**
 * A file's name as its bytes, each a character from U+0000 to U+00FF: what a guest lists need not be UTF-8, and goes back to
 * it as it came.
 */

/** From text in UTF-8. */
export function byteText(text: string): string {
  return fromBytes(new TextEncoder().encode(text));
}

export function fromBytes(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** For people and for this host: what is not UTF-8 becomes U+FFFD. */
export function fromByteText(text: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(toBytes(text));
}
