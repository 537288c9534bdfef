/** What a frame says of itself: Ethernet, ARP, IPv4, TCP, UDP, ICMP. Foreign bytes, often cut: what is not there is not told. */

export const PROTOCOLS = [
  "other",
  "ARP",
  "IPv4",
  "IPv6",
  "ICMP",
  "TCP",
  "UDP",
  "DNS",
  "SSH",
  "DHCP",
  "NTP",
  "HTTP",
] as const;
export type Protocol = typeof PROTOCOLS[number];

/** A layer, for the details. */
export interface Layer {
  name: string;
  fields: [name: string, value: string][];
}

/** A frame's protocol, and what it says, in a few words. */
export interface Summary {
  protocol: Protocol;
  info: string;
}

const PORTS: Record<number, Protocol> = {
  22: "SSH",
  53: "DNS",
  67: "DHCP",
  68: "DHCP",
  80: "HTTP",
  123: "NTP",
  8080: "HTTP",
};
const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
const ICMP: Record<number, string> = {
  0: "echo reply",
  3: "unreachable",
  5: "redirect",
  8: "echo request",
  11: "time exceeded",
};
const [ARP, IPV4, IPV6] = [0x0806, 0x0800, 0x86dd];

/** The protocol alone: called for each frame of a bundle. */
export function protocolOf(bytes: Uint8Array, at: number, length: number): Protocol {
  if (length < 14) return "other";
  const type = bytes[at + 12] << 8 | bytes[at + 13];
  if (type === ARP) return "ARP";
  if (type === IPV6) return "IPv6";
  if (type !== IPV4 || length < 34) return type === IPV4 ? "IPv4" : "other";
  const ports = at + 14 + (bytes[at + 14] & 15) * 4;
  const isFirst = ((bytes[at + 20] & 0x1f) << 8 | bytes[at + 21]) === 0;
  switch (bytes[at + 23]) {
    case 1:
      return "ICMP";
    case 6:
    case 17: {
      const plain = bytes[at + 23] === 6 ? "TCP" : "UDP";
      if (!isFirst || ports + 4 > at + length) return plain;
      return PORTS[bytes[ports] << 8 | bytes[ports + 1]] ?? PORTS[bytes[ports + 2] << 8 | bytes[ports + 3]] ?? plain;
    }
    default:
      return "IPv4";
  }
}

/** What a frame says, layer by layer. */
export function layersOf(frame: Uint8Array): Layer[] {
  const layers: Layer[] = [];
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const u16 = (at: number) => at + 2 <= frame.length ? view.getUint16(at) : undefined;
  const u32 = (at: number) => at + 4 <= frame.length ? view.getUint32(at) : undefined;
  if (frame.length < 14) return layers;
  const type = u16(12)!;
  layers.push({
    name: "Ethernet",
    fields: [["from", macAt(frame, 6)], ["to", macAt(frame, 0)], ["type", `0x${type.toString(16).padStart(4, "0")}`]],
  });
  if (type === ARP && frame.length >= 42) {
    layers.push({
      name: "ARP",
      fields: [
        ["operation", u16(20) === 1 ? "request" : u16(20) === 2 ? "reply" : String(u16(20))],
        ["sender", `${ipAt(frame, 28)} ${macAt(frame, 22)}`],
        ["target", `${ipAt(frame, 38)} ${macAt(frame, 32)}`],
      ],
    });
  }
  if (type !== IPV4 || frame.length < 34) return layers;
  const header = (frame[14] & 15) * 4, at = 14 + header;
  const fragment = u16(20)! & 0x1fff;
  layers.push({
    name: "IPv4",
    fields: [
      ["from", ipAt(frame, 26)],
      ["to", ipAt(frame, 30)],
      ["length", String(u16(16))],
      ["time to live", String(frame[22])],
      ...fragment > 0 ? [["fragment at", String(fragment * 8)] satisfies [string, string]] : [],
    ],
  });
  if (fragment > 0) return layers;
  const ports: [string, string][] = [["from port", String(u16(at) ?? "?")], ["to port", String(u16(at + 2) ?? "?")]];
  if (frame[23] === 6 && u32(at + 8) !== undefined) {
    const flags = frame[at + 13] ?? 0;
    layers.push({
      name: "TCP",
      fields: [
        ...ports,
        ["flags", FLAGS.filter((_, bit) => flags >> bit & 1).join(" ")],
        ["sequence", String(u32(at + 4))],
        ["acknowledged", String(u32(at + 8))],
        ["window", String(u16(at + 14) ?? "?")],
        ["data", `${Math.max(0, u16(16)! - header - (frame[at + 12] >> 4) * 4)} bytes`],
      ],
    });
  } else if (frame[23] === 17) {
    layers.push({ name: "UDP", fields: [...ports, ["length", String(u16(at + 4) ?? "?")]] });
  } else if (frame[23] === 1 && at + 2 <= frame.length) {
    layers.push({
      name: "ICMP",
      fields: [
        ["type", `${frame[at]} ${ICMP[frame[at]] ?? ""}`.trim()],
        ["code", String(frame[at + 1])],
        ["id", String(u16(at + 4) ?? "?")],
        ["sequence", String(u16(at + 6) ?? "?")],
      ],
    });
  }
  return layers;
}

/** A frame in a few words. */
export function summaryOf(frame: Uint8Array): Summary {
  const protocol = protocolOf(frame, 0, frame.length);
  const layers = layersOf(frame);
  const top = layers.at(-1);
  const field = (name: string) => top?.fields.find(([one]) => one === name)?.[1] ?? "";
  switch (top?.name) {
    case "ARP":
      return {
        protocol,
        info: field("operation") === "request"
          ? `who has ${field("target").split(" ")[0]}?`
          : `${field("sender").replace(" ", " is at ")}`,
      };
    case "TCP":
      return {
        protocol,
        info: `${field("from port")} → ${field("to port")} ${field("flags")} ${dataText(field("data"))}`.trim(),
      };
    case "UDP":
      return { protocol, info: `${field("from port")} → ${field("to port")}` };
    case "ICMP":
      return { protocol, info: `${field("type").replace(/^\d+ /, "")} id ${field("id")} seq ${field("sequence")}` };
    case "IPv4":
      return { protocol, info: `${field("from")} → ${field("to")}` };
    default:
      return { protocol, info: top ? field("type") : "" };
  }
}

const dataText = (data: string) => data === "0 bytes" ? "" : data;

export function macAt(bytes: Uint8Array, at: number): string {
  let mac = "";
  for (let byte = 0; byte < 6; byte++) mac += (byte ? ":" : "") + bytes[at + byte].toString(16).padStart(2, "0");
  return mac;
}

function ipAt(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}
