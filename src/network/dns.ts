/**
 * The holder's answers to DNS questions about members: message in, message out, without sockets or frames.
 *
 * It is the authority for `fleetbox.internal`, for single-label names, and for the reverse zone around the network;
 * nothing of these ever goes outside. Other questions go on to the gateway's DNS, or are refused when the member that
 * asks has no egress. It knows only the present: who is a member is asked anew for each question, and answers live for
 * 0 seconds, so a stop, an `up` or a join is seen at once. The messages come from guests: `dns-packet` reads and writes
 * them behind checks of the header (it would make arrays as long as the header says), no function throws, and an answer
 * repeats the question byte for byte. Formats: RFC 1035, EDNS: RFC 6891.
 */

import { Buffer } from "node:buffer";
// @ts-types="@types/dns-packet"
import * as packets from "dns-packet";
import type { Answer, DecodedPacket, OptAnswer, Question } from "dns-packet";
import type { DnsHook } from "./dns_frame.ts";
import { DOMAIN, SUBNET } from "./subnet.ts";

export interface DnsOptions {
  /** The address of a current member of the group; the name is in lower case. */
  lookup(name: string): string | undefined;
  /** The current member that has an address. */
  nameOf(address: string): string | undefined;
}

/** Seconds that an answer may be kept: 0, because members come and go. */
const TTL = 0;
/** The UDP payload that we accept, for our OPT record (the size that DNS flag day 2020 advises). */
const UDP_PAYLOAD = 1232;
const HEADER_BYTES = 12;
const REVERSE = SUBNET.reverseZone;
const REVERSE_NAME = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/;

const NOERROR = 0, FORMERR = 1, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5;
/** An extended code: its upper bits are in the OPT record. */
const BADVERS = 16;

/** A code with the records of the answer, or another place for the question. */
type Decision = { code: number; answers: Answer[]; isOurs: boolean } | "pass";

export class DnsResponder implements DnsHook {
  readonly #options: DnsOptions;

  constructor(options: DnsOptions) {
    this.#options = options;
  }

  /**
   * The answer to a message; `pass` when it is for the gateway's DNS, `drop` when it deserves none. Never throws.
   * @param egress whether questions about other names may go to the gateway's DNS.
   */
  respond(message: Uint8Array, egress: boolean): Uint8Array | "pass" | "drop" {
    if (message.length < HEADER_BYTES) return "drop";
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const flags = view.getUint16(2);
    if (flags & 0x8000) return "drop"; // an answer: answering it could loop for ever
    if (flags & 0x7800) return bare(message, NOTIMP); // anything but a standard query
    // One question, followed at most by an OPT and a signature.
    const isPlain = view.getUint16(4) === 1 && view.getUint32(6) === 0 && view.getUint16(10) <= 2;
    if (!isPlain) return bare(message, FORMERR);
    try {
      return this.#answer(message, egress);
    } catch {
      return bare(message, FORMERR);
    }
  }

  #answer(message: Uint8Array, egress: boolean): Uint8Array | "pass" {
    const query = packets.decode(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
    const question = query.questions![0];
    const opt = query.additionals!.find((record): record is OptAnswer => record.type === "OPT");
    if (opt && opt.ednsVersion !== 0) return this.#encode(message, query, egress, BADVERS, [], opt);
    const decision = this.#decide(question);
    if (decision === "pass") return egress ? "pass" : this.#encode(message, query, egress, REFUSED, [], opt);
    return this.#encode(message, query, egress, decision.code, decision.answers, opt, decision.isOurs);
  }

  #decide(question: Question): Decision {
    const name = question.name.toLowerCase();
    if (name === "." || name === "") return "pass";
    const isReverse = name === REVERSE || name.endsWith(`.${REVERSE}`);
    const isInDomain = name === DOMAIN || name.endsWith(`.${DOMAIN}`);
    if (!isReverse && !isInDomain && name.includes(".")) return "pass";
    if (question.class !== "IN" && question.class !== "ANY") return { code: REFUSED, answers: [], isOurs: false };
    if (isReverse) return this.#reverse(question, name);
    const host = isInDomain ? name.slice(0, -DOMAIN.length - 1) : name;
    const address = host === "" ? undefined : this.#options.lookup(host);
    if (address === undefined) return { code: host === "" ? NOERROR : NXDOMAIN, answers: [], isOurs: true };
    const wanted = question.type === "A" || isAny(question);
    return { code: NOERROR, answers: wanted ? [record("A", question, address)] : [], isOurs: true };
  }

  #reverse(question: Question, name: string): Decision {
    const octets = REVERSE_NAME.exec(name)?.slice(1).reverse();
    const member = octets && this.#options.nameOf(octets.map(Number).join("."));
    if (member === undefined) return { code: name === REVERSE ? NOERROR : NXDOMAIN, answers: [], isOurs: true };
    const wanted = question.type === "PTR" || isAny(question);
    return { code: NOERROR, answers: wanted ? [record("PTR", question, `${member}.${DOMAIN}`)] : [], isOurs: true };
  }

  #encode(
    message: Uint8Array,
    query: DecodedPacket,
    egress: boolean,
    code: number,
    answers: Answer[],
    opt: OptAnswer | undefined,
    isOurs = false,
  ): Uint8Array {
    const { AUTHORITATIVE_ANSWER, RECURSION_AVAILABLE, RECURSION_DESIRED, CHECKING_DISABLED } = packets;
    const question = query.questions![0];
    const reply = packets.encode({
      type: "response",
      id: query.id,
      flags: (query.flags! & (RECURSION_DESIRED | CHECKING_DISABLED)) | (isOurs ? AUTHORITATIVE_ANSWER : 0) |
        (egress ? RECURSION_AVAILABLE : 0) | (code & 15),
      questions: [question],
      answers,
      additionals: opt ? [ourOpt(code >> 4)] : [],
    });
    // Decoding does not preserve names with a dot inside a label or bytes above 127. No host has such a name.
    const questionEnd = HEADER_BYTES + Buffer.byteLength(question.name === "." ? "" : question.name) + 2 + 4 -
      (question.name === "." ? 1 : 0);
    for (let at = HEADER_BYTES; at < questionEnd; at++) {
      if (reply[at] !== message[at]) return bare(message, code === NOERROR ? FORMERR : code & 15);
    }
    return reply;
  }
}

function isAny(question: Question): boolean {
  return (question.type as string) === "ANY";
}

function record(type: "A" | "PTR", question: Question, data: string): Answer {
  return { type, name: question.name, ttl: TTL, class: "IN", data };
}

function ourOpt(extendedRcode: number): OptAnswer {
  return {
    type: "OPT",
    name: ".",
    udpPayloadSize: UDP_PAYLOAD,
    extendedRcode,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}

/** A reply that is a header only: the same id and opcode, a code, no question. */
function bare(message: Uint8Array, code: number): Uint8Array {
  const reply = new Uint8Array(HEADER_BYTES);
  reply.set(message.subarray(0, 2));
  reply[2] = 0x80 | (message[2] & 0x79); // QR, the opcode, RD
  reply[3] = code;
  return reply;
}
