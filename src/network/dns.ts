/**
 * The holder's answers to DNS questions about members: message in, message out, without sockets or frames.
 *
 * It is the authority for `fleetbox.internal`, for single-label names, and for the reverse zone around the network;
 * nothing of these ever goes outside. Other questions go on to the gateway's DNS, or are refused when the member that
 * asks has no egress. It knows only the present: who is a member is asked anew for each question, and answers live for
 * 0 seconds, so a stop, an `up` or a join is seen at once. Formats: RFC 1035, EDNS: RFC 6891.
 */

import type { DnsAnswer, DnsHook } from "./dns_frame.ts";
import { CLASS, type DnsQuestion, HEADER_BYTES, nameBytes, parseQuestion, TYPE, writeReply } from "./dns_message.ts";
import { DOMAIN, SUBNET } from "./subnet.ts";

export interface DnsOptions {
  /**
   * The address of a current member of the group; the name is in lower case. `cut-off`: a fault is between it and the member that
   * asks, which gets no answer then.
   */
  lookup(name: string, asker: string): string | "cut-off" | undefined;
  /** The current member that has an address, or `cut-off`. */
  nameOf(address: string, asker: string): string | "cut-off" | undefined;
}

/** Seconds that an answer may be kept: 0, because members come and go. */
const TTL = 0;
/** The UDP payload that we accept, for our OPT record (the size that DNS flag day 2020 advises). */
const UDP_PAYLOAD = 1232;
const REVERSE = SUBNET.reverseZone;
const REVERSE_NAME = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/;

const NOERROR = 0, FORMERR = 1, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5;
/** An extended code: its upper bits are in the OPT record. */
const BADVERS = 16;

/** Bits of the header's second word. */
const AUTHORITATIVE = 0x0400, RECURSION_DESIRED = 0x0100, RECURSION_AVAILABLE = 0x0080, CHECKING_DISABLED = 0x0010;

interface Answer {
  type: number;
  data: Uint8Array;
}

/** A code with the records of the answer, or another place for the question. */
type Decision = { code: number; answers: Answer[]; isOurs: boolean } | Exclude<DnsAnswer, Uint8Array>;

export class DnsResponder implements DnsHook {
  readonly #options: DnsOptions;

  constructor(options: DnsOptions) {
    this.#options = options;
  }

  /**
   * The answer to a message; `pass` when it is for the gateway's DNS, `drop` when it deserves none, `cut-off` when a fault takes it away. Never
   * throws.
   * @param egress whether questions about other names may go to the gateway's DNS.
   * @param asker the name of the member that asks
   */
  respond(message: Uint8Array, egress: boolean, asker: string): DnsAnswer {
    if (message.length < HEADER_BYTES) return "drop";
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const flags = view.getUint16(2);
    if (flags & 0x8000) return "drop"; // an answer: answering it could loop for ever
    if (flags & 0x7800) return bare(message, NOTIMP); // anything but a standard query
    // One question, followed at most by an OPT and a signature.
    const isPlain = view.getUint16(4) === 1 && view.getUint32(6) === 0 && view.getUint16(10) <= 2;
    if (!isPlain) return bare(message, FORMERR);
    const question = parseQuestion(message);
    if (!question) return bare(message, FORMERR);
    if (question.edns) return encode(message, question, { code: BADVERS, answers: [], isOurs: false }, egress);
    const decision = this.#decide(question, asker);
    if (decision === "drop" || decision === "cut-off") return decision;
    if (decision !== "pass") return encode(message, question, decision, egress);
    return egress ? "pass" : encode(message, question, { code: REFUSED, answers: [], isOurs: false }, egress);
  }

  #decide(question: DnsQuestion, asker: string): Decision {
    const name = question.name.toLowerCase();
    if (name === "") return "pass";
    const isReverse = name === REVERSE || name.endsWith(`.${REVERSE}`);
    const isInDomain = name === DOMAIN || name.endsWith(`.${DOMAIN}`);
    if (!isReverse && !isInDomain && name.includes(".")) return "pass";
    if (question.class !== CLASS.IN && question.class !== CLASS.ANY) {
      return { code: REFUSED, answers: [], isOurs: false };
    }
    if (isReverse) return this.#reverse(question, name, asker);
    const host = isInDomain ? name.slice(0, -DOMAIN.length - 1) : name;
    const address = host === "" ? undefined : this.#options.lookup(host, asker);
    if (address === "cut-off") return address;
    if (address === undefined) return { code: host === "" ? NOERROR : NXDOMAIN, answers: [], isOurs: true };
    const wanted = question.type === TYPE.A || question.type === TYPE.ANY;
    const data = Uint8Array.from(address.split("."), Number);
    return { code: NOERROR, answers: wanted ? [{ type: TYPE.A, data }] : [], isOurs: true };
  }

  #reverse(question: DnsQuestion, name: string, asker: string): Decision {
    const octets = REVERSE_NAME.exec(name)?.slice(1).reverse();
    const member = octets && this.#options.nameOf(octets.map(Number).join("."), asker);
    if (member === "cut-off") return member;
    if (member === undefined) return { code: name === REVERSE ? NOERROR : NXDOMAIN, answers: [], isOurs: true };
    const wanted = question.type === TYPE.PTR || question.type === TYPE.ANY;
    const data = nameBytes(`${member}.${DOMAIN}`);
    return { code: NOERROR, answers: wanted ? [{ type: TYPE.PTR, data }] : [], isOurs: true };
  }
}

function encode(
  message: Uint8Array,
  question: DnsQuestion,
  { code, answers, isOurs }: Exclude<Decision, string>,
  egress: boolean,
): Uint8Array {
  const asked = (message[2] << 8 | message[3]) & (RECURSION_DESIRED | CHECKING_DISABLED);
  const flags = asked | (isOurs ? AUTHORITATIVE : 0) | (egress ? RECURSION_AVAILABLE : 0);
  const ednsPayload = question.edns === undefined ? undefined : UDP_PAYLOAD;
  return writeReply(message, question, { flags, code, answers, ttl: TTL, ednsPayload });
}

/** A reply that is a header only: the same id and opcode, a code, no question. */
function bare(message: Uint8Array, code: number): Uint8Array {
  const reply = new Uint8Array(HEADER_BYTES);
  reply.set(message.subarray(0, 2));
  reply[2] = 0x80 | (message[2] & 0x79); // QR, the opcode, RD
  reply[3] = code;
  return reply;
}
