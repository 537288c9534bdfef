/** What can be done to a group that runs, each as the words of the command line that does it. */

import { GATEWAY } from "../../core/faults/gateway_name.ts";
import { shellQuote } from "../../core/quoting.ts";
import type { Pair, Place } from "./network.ts";
import { type Ran, text, type Trace, type TraceEvent } from "./model.ts";

export interface Action {
  label: string;
  words: string[];
  /** What is asked before. */
  asks?: string;
}

export const lineOf = (words: readonly string[]) => ["fleetbox", ...words.map(shellQuote)].join(" ");

/** Only what has not ended. */
export const healOf = ({ kind, until, raw }: TraceEvent): Action[] =>
  kind === "fault-began" && until === undefined && text(raw.id)
    ? [{ label: "Heal", words: ["heal", text(raw.id)] }]
    : [];

export function pairActions({ ways: [{ from: a, to: b }], faults }: Pair): Action[] {
  return [
    ...faults.flatMap(healOf),
    { label: "Cut", words: ["fault", "partition", a, b] },
    { label: `Cut ${a} → ${b}`, words: ["fault", "drop", "--from", a, "--to", b] },
    { label: `Cut ${b} → ${a}`, words: ["fault", "drop", "--from", b, "--to", a] },
    { label: "Hold", words: ["fault", "hold", a, b] },
  ];
}

export const captureOf = (names: readonly string[]): Action => ({
  label: "Capture",
  words: ["capture", names.join(",")],
});

/** A capture of these names that runs. The server names its file. */
export const captureIn = (ran: readonly Ran[], names: readonly string[]): Ran | undefined =>
  ran.find(({ line, code }) => code === undefined && line.startsWith(`${lineOf(captureOf(names).words)} `));

/** The members that have a machine. */
export const thoseOn = ({ members, states }: Trace): string[] =>
  members.map(({ name }) => name).filter((name) => isOn(states.get(name)?.at(-1)?.state ?? ""));

const isOn = (state: string) => ["running", "starting", "downloading"].includes(state);

export interface Shape {
  delay: string;
  loss: string;
  rate: string;
}

/** @param from, to both may be both: then it is both ways */
export function shapeOf(from: readonly string[], to: readonly string[], shape: Shape): Action {
  const values = (["delay", "loss", "rate"] as const).flatMap((key) => {
    const value = shape[key].trim().replaceAll(" ", "");
    return value === "" ? [] : [`--${key}`, value];
  });
  return { label: "Shape", words: ["fault", "shape", "--from", from.join(","), "--to", to.join(","), ...values] };
}

export function memberActions(trace: Trace, { name, state, faults }: Place): Action[] {
  if (name === GATEWAY) return [];
  const others = trace.members.map((one) => one.name).filter((one) => one !== name);
  const isPaused = faults.some(({ raw, until }) => text(raw.kind) === "pause" && until === undefined);
  if (!isOn(state)) return [{ label: "Start", words: ["up", name] }];
  return [
    ...faults.filter(({ raw }) => text(raw.kind) !== "pause").flatMap(healOf),
    isPaused ? { label: "Resume", words: ["resume", name] } : { label: "Pause", words: ["pause", name] },
    ...(others.length > 0
      ? [{ label: "Cut off from all", words: ["fault", "partition", name, [...others, GATEWAY].join(",")] }]
      : []),
    { label: "Suspend", words: ["suspend", name], asks: `Save the memory of ${name} and end its machine?` },
    { label: "Stop", words: ["stop", name], asks: `Shut down ${name}?` },
  ];
}

export function checkpointOf({ members, states }: Trace, name: string): Action {
  const running = members.map((one) => one.name).filter((one) => states.get(one)?.at(-1)?.state === "running");
  return { label: "Checkpoint", words: ["checkpoint", running.join(","), "--as", name.trim()] };
}

export const HEAL_ALL: Action = { label: "Heal all", words: ["heal"] };
