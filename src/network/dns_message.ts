/**
 * DNS messages, as far as a holder's answers need them: a question is read, an answer is written. Pure; messages come from
 * guests, so nothing that a message says about its own length is believed.
 *
 * An answer repeats the question byte for byte. Formats: RFC 1035 (section 4), EDNS: RFC 6891 (section 6.1).
 */

export const HEADER_BYTES = 12;
const MAX_NAME_BYTES = 255;
/** The tail of a question: type and class. Of a record: those, its time to live and its length. */
const QUESTION_TAIL = 4, RECORD_TAIL = 10;
/** A name that is the question's. */
const POINTER_TO_QUESTION = 0xc000 | HEADER_BYTES;

export const TYPE = { A: 1, PTR: 12, OPT: 41, ANY: 255 } as const;
export const CLASS = { IN: 1, ANY: 255 } as const;

/** What a message with one question asks. */
export interface DnsQuestion {
  /** Labels with dots between them, without one at the end; `""` is the root. A byte that no host name has is `\ddd`. */
  name: string;
  type: number;
  class: number;
  /** Where the question ends. */
  end: number;
  /** The version of its EDNS record, if it has one. */
  edns?: number;
}

export interface DnsReply {
  /** The bits of the header's second word, without those of the code. */
  flags: number;
  /** The code; its upper bits go into the EDNS record. */
  code: number;
  answers: { type: number; data: Uint8Array }[];
  /** Seconds that the answers may be kept. */
  ttl: number;
  /** The UDP payload that we accept. Absent: the reply has no EDNS record. */
  ednsPayload?: number;
}

/** Reads a query with one question and no answers. @returns undefined: it is not well formed */
export function parseQuestion(message: Uint8Array): DnsQuestion | undefined {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const read = readName(message, HEADER_BYTES);
  if (!read || read.end + QUESTION_TAIL > message.length) return undefined;
  const end = read.end + QUESTION_TAIL;
  const question = { name: read.name, type: view.getUint16(read.end), class: view.getUint16(read.end + 2), end };
  let edns: number | undefined;
  let at = end;
  for (let left = view.getUint16(8) + view.getUint16(10); left > 0; left--) {
    const name = endOfName(message, at);
    if (name === undefined || name + RECORD_TAIL > message.length) return undefined;
    if (view.getUint16(name) === TYPE.OPT) {
      if (name !== at + 1 || edns !== undefined) return undefined; // it belongs to the root, and there is one
      edns = view.getUint8(name + 5);
    }
    at = name + RECORD_TAIL + view.getUint16(name + 8);
    if (at > message.length) return undefined;
  }
  return edns === undefined ? question : { ...question, edns };
}

/** A name without pointers, which a question has no place for. */
function readName(message: Uint8Array, start: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  for (let at = start; at < message.length && at < start + MAX_NAME_BYTES;) {
    const length = message[at++];
    if (length === 0) return { name: labels.join("."), end: at };
    if (length > 63 || at + length > message.length) return undefined;
    labels.push(String.fromCharCode(...message.subarray(at, at + length)).replace(/[^\w-]/g, escaped));
    at += length;
  }
  return undefined;
}

function escaped(character: string): string {
  return `\\${String(character.charCodeAt(0)).padStart(3, "0")}`;
}

/** Where a record's name ends: at its root, or behind a pointer. */
function endOfName(message: Uint8Array, start: number): number | undefined {
  for (let at = start; at < message.length && at < start + MAX_NAME_BYTES;) {
    const length = message[at];
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

/** The answer to a message whose question was read. */
export function writeReply(message: Uint8Array, question: DnsQuestion, reply: DnsReply): Uint8Array {
  const { flags, code, answers, ttl, ednsPayload } = reply;
  const records = answers.reduce((sum, { data }) => sum + 2 + RECORD_TAIL + data.length, 0);
  const bytes = new Uint8Array(question.end + records + (ednsPayload === undefined ? 0 : 1 + RECORD_TAIL));
  const view = new DataView(bytes.buffer);
  bytes.set(message.subarray(0, question.end));
  view.setUint16(2, 0x8000 | flags | (code & 15));
  view.setUint16(6, answers.length);
  view.setUint32(8, ednsPayload === undefined ? 0 : 1);
  let at = question.end;
  for (const { type, data } of answers) {
    view.setUint16(at, POINTER_TO_QUESTION);
    view.setUint16(at + 2, type);
    view.setUint16(at + 4, CLASS.IN);
    view.setUint32(at + 6, ttl);
    view.setUint16(at + 10, data.length);
    bytes.set(data, at + 2 + RECORD_TAIL);
    at += 2 + RECORD_TAIL + data.length;
  }
  if (ednsPayload !== undefined) {
    view.setUint16(at + 1, TYPE.OPT);
    view.setUint16(at + 3, ednsPayload);
    view.setUint32(at + 5, (code >> 4) << 24);
  }
  return bytes;
}

/** The bytes of a host name that is sound. */
export function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(name.length + 2);
  let at = 0;
  for (const label of name.split(".")) {
    bytes[at++] = label.length;
    for (const character of label) bytes[at++] = character.charCodeAt(0);
  }
  return bytes;
}
