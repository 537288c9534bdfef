/**
 * The JSON requests, one row a verb: which fields it has, what it needs of the group, how it is answered, and an example.
 *
 * Everything else about a verb follows from its row: the types of its request and its reply, the decoder's checks
 * (`requests.ts`), the server's refusals (`holder/server/verbs.ts`, which has a handler for each and does not compile
 * without), the client's calls (`control/requests.ts`), and the table in `docs/protocol.md`.
 */

import type { LossMode } from "../core/power_cut.ts";
import type { FaultSpec } from "../core/faults.ts";
import type { Options, PortForward, Script } from "../core/options.ts";
import type {
  CaptureGreeting,
  ClockReport,
  ConsoleGreeting,
  Event,
  FaultReport,
  FaultsReport,
  GroupReport,
  JournalGreeting,
  MemberReport,
} from "./reports.ts";

/** The program that something belongs to. */
type Owner = NonNullable<Options["owner"]>;

type JsonType = "string" | "number" | "boolean" | "object";

/** A field of a request. `T` is its type in the code, which the decoder's check of the JSON type stands for. */
interface Field<T, Required extends boolean> {
  type: JsonType;
  isRequired: Required;
  /** Never set: it carries the type. */
  value?: T;
}

type Fields = Record<string, Field<unknown, boolean>>;

/**
 * How a verb is answered. `one`: a line. `events`: lines until `done` or an error. `stream`: lines until the group ends or
 * the client leaves. `bytes`: a line, then what is no reply: the guest's serial console, frames, the guest's journal.
 */
export type Answer = "one" | "events" | "stream" | "bytes";

/**
 * What a verb needs. `member`: the member of this socket is still in the group. `machine`: it has a machine, or one is
 * being made. Otherwise the reply is an error, `not-found` or `conflict`, and the handler is not called.
 */
type Need = "nothing" | "member" | "machine";

interface Verb<F extends Fields, A extends Answer, Reply> {
  fields: F;
  needs: Need;
  answer: A;
  /** A request, for the protocol's page. */
  example: string;
  /** The reply, for the protocol's page. */
  replies: string;
  /** Never set: it carries the type. */
  reply?: Reply;
}

const needed = <T>(type: JsonType): Field<T, true> => ({ type, isRequired: true });
const optional = <T>(type: JsonType): Field<T, false> => ({ type, isRequired: false });
const verb = <Reply>() => <F extends Fields, A extends Answer>(row: Verb<F, A, Reply>): Verb<F, A, Reply> => row;

const verbose = optional<boolean>("boolean");
const output = optional<boolean>("boolean");

export const VERBS = {
  report: verb<MemberReport>()({
    fields: { verbose },
    needs: "member",
    answer: "one",
    example: `{"op":"report"}`,
    replies: "one member, with more than `status` tells",
  }),
  reach: verb<MemberReport>()({
    fields: {},
    needs: "member",
    answer: "one",
    example: `{"op":"reach"}`,
    replies: "the same, once the member's SSH port is open: a gateway that has died is waited for until it is back",
  }),
  change: verb<Event>()({
    fields: { egress: optional<"on" | "off">("string"), host_access: optional<boolean>("boolean") },
    needs: "member",
    answer: "events",
    example: `{"op":"change","egress":"off","host_access":false}`,
    replies: "events, then `done`: what the member may use the gateway for, from now on",
  }),
  group: verb<GroupReport>()({
    fields: {},
    needs: "nothing",
    answer: "one",
    example: `{"op":"group"}`,
    replies: "the whole group: `members`, `gateway`, `egress`, `accelerator`, …",
  }),
  watch: verb<Event>()({
    fields: { verbose, output },
    needs: "nothing",
    answer: "stream",
    example: `{"op":"watch"}`,
    replies: "an event for each member as it is, then one for each change, until the group ends or the client leaves",
  }),
  add: verb<Event>()({
    fields: {
      name: needed<string>("string"),
      options: optional<Options>("object"),
      wait: optional<boolean>("boolean"),
      verbose,
      output,
    },
    needs: "nothing",
    answer: "events",
    example: `{"op":"add","name":"d","options":{},"wait":true}`,
    replies: 'events while d boots, then `done`; with `"wait":false`, `done` when it is taken on',
  }),
  run: verb<Event>()({
    fields: { scripts: needed<Script[]>("object"), verbose, output },
    needs: "member",
    answer: "events",
    example: `{"op":"run","scripts":[{"name":"setup.sh","text":"apt-get update"}],"output":true}`,
    replies:
      "events, then `done`: each that has not run in the member has; one that fails is the member's `failure`; " +
      "it ends with its client",
  }),
  stop: verb<Event>()({
    fields: {
      force: optional<boolean>("boolean"),
      grace_ms: optional<number>("number"),
      lose_unflushed: optional<LossMode>("string"),
      seed: optional<number>("number"),
      verbose,
    },
    needs: "nothing",
    answer: "events",
    example: `{"op":"stop","force":false,"grace_ms":30000}`,
    replies: '`done`, when the machine is gone; with `"lose_unflushed":"all","seed":7` a `power-cut` before that',
  }),
  checkpoint: verb<Event>()({
    fields: {
      names: needed<string[]>("object"),
      as: needed<string>("string"),
      owner: optional<Owner>("object"),
      verbose,
    },
    needs: "member",
    answer: "events",
    example: `{"op":"checkpoint","names":["a","b"],"as":"seeded"}`,
    replies: "events, then `done`, when the members are saved at one instant and the checkpoint can be used",
  }),
  suspend: verb<Event>()({
    fields: { names: needed<string[]>("object"), verbose },
    needs: "member",
    answer: "events",
    example: `{"op":"suspend","names":["a","b"]}`,
    replies: "events, then `done`, when the members are saved at one instant and their machines are gone",
  }),
  fault: verb<FaultReport>()({
    fields: { spec: needed<FaultSpec>("object"), for_ms: optional<number>("number"), seed: optional<number>("number") },
    needs: "member",
    answer: "one",
    example: `{"op":"fault","spec":{"kind":"partition","sets":[["a"],["b","c"]]},"for_ms":30000,"seed":7}`,
    replies: "the fault with its `id`, once it has an effect",
  }),
  faults: verb<FaultsReport>()({
    fields: {},
    needs: "nothing",
    answer: "one",
    example: `{"op":"faults"}`,
    replies: "the group's `faults`, with what each has done",
  }),
  heal: verb<FaultsReport>()({
    fields: { ids: optional<string[]>("object") },
    needs: "nothing",
    answer: "one",
    example: `{"op":"heal","ids":["f3a9c"]}`,
    replies: "the faults that were ended, as they were; without `ids`, all of them",
  }),
  clock: verb<ClockReport>()({
    fields: { cheap: optional<boolean>("boolean") },
    needs: "member",
    answer: "one",
    example: `{"op":"clock"}`,
    replies:
      '`{"name":"a","offset_ms":30000.2,"error_ms":0.8}`: how far its guest\'s clock is ahead of the host\'s; with `"cheap":true` only where fleetbox\'s agent is in the guest, else the error `unavailable`',
  }),
  console: verb<ConsoleGreeting>()({
    fields: {},
    needs: "machine",
    answer: "bytes",
    example: `{"op":"console"}`,
    replies: '`{"event":"console","replay":N}`; then the connection is the serial console, see below',
  }),
  capture: verb<CaptureGreeting>()({
    fields: { names: optional<string[]>("object"), snap: optional<number>("number"), rate: optional<number>("number") },
    needs: "member",
    answer: "bytes",
    example: `{"op":"capture","names":["a","b"],"snap":256,"rate":20000}`,
    replies:
      '`{"event":"capture","members":["a","b"]}`; then the connection is a pcapng stream of their frames, see below; without `names`, of all; without `snap`, whole ones; without `rate`, all',
  }),
  journal: verb<JournalGreeting>()({
    fields: {
      follow: optional<boolean>("boolean"),
      lines: optional<number>("number"),
      after: optional<string>("string"),
    },
    needs: "machine",
    answer: "bytes",
    example: `{"op":"journal","follow":true,"lines":20}`,
    replies:
      '`{"event":"journal","name":"a"}`; then the entries of its guest\'s journal, see below; without `lines`, all of its present boot',
  }),
  forward: verb<PortForward>()({
    fields: {
      guest_port: needed<number>("number"),
      host_port: optional<number>("number"),
      protocol: optional<"tcp" | "udp">("string"),
      address: optional<string>("string"),
    },
    needs: "member",
    answer: "one",
    example: `{"op":"forward","guest_port":80,"host_port":8080,"protocol":"udp","address":"127.0.0.2"}`,
    replies:
      '`{"host_port":8080,"guest_port":80,"protocol":"udp","address":"127.0.0.2"}`, open and kept with the member; without `host_port`, any free one; `protocol` and `address` may be absent, here and in the reply: TCP, 127.0.0.1',
  }),
  unforward: verb<PortForward>()({
    fields: {
      host_port: needed<number>("number"),
      protocol: optional<"tcp" | "udp">("string"),
      address: optional<string>("string"),
    },
    needs: "member",
    answer: "one",
    example: `{"op":"unforward","host_port":8080}`,
    replies: "the same, taken away",
  }),
};

/** The verbs' names. */
export type Op = keyof typeof VERBS;

/** The verbs that are answered in one of these ways. */
export type OpOf<A extends Answer> = { [O in Op]: typeof VERBS[O]["answer"] extends A ? O : never }[Op];

type RequiredKeys<F extends Fields> = { [K in keyof F]: F[K]["isRequired"] extends true ? K : never }[keyof F];
type ValueOf<One> = One extends Field<infer T, boolean> ? T : never;

/** A verb's fields, without its name. */
export type FieldsOf<O extends Op> = typeof VERBS[O] extends Verb<infer F, Answer, unknown>
  ? { [K in RequiredKeys<F>]: ValueOf<F[K]> } & { [K in Exclude<keyof F, RequiredKeys<F>>]?: ValueOf<F[K]> }
  : never;

/** The type of a verb's reply lines. */
export type ReplyOf<O extends Op> = typeof VERBS[O] extends Verb<Fields, Answer, infer R> ? R : never;

/** A verb's request. */
export type RequestOf<O extends Op> = { op: O } & FieldsOf<O>;

/** A JSON request. */
export type JsonRequest = { [O in Op]: RequestOf<O> }[Op];

export function isVerb(op: unknown): op is Op {
  return typeof op === "string" && Object.hasOwn(VERBS, op);
}

/** What is wrong with a request's fields. Unknown fields may come from a newer client, and are ignored. */
export function wrongField(op: Op, request: Record<string, unknown>): string | undefined {
  const fields: Fields = VERBS[op].fields;
  for (const [name, { type, isRequired }] of Object.entries(fields)) {
    const value = request[name];
    if (value === undefined && isRequired) return `${op} needs a ${name}`;
    if (value !== undefined && (typeof value !== type || value === null)) {
      return `bad value for ${name}: expected ${type}`;
    }
  }
  return undefined;
}
