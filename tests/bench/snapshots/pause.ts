/**
 * How long a machine is paused while it is saved: by `fleetbox checkpoint`, and by hand.
 *
 * Of both it is what QEMU says, the time from its `STOP` event to its `RESUME` event. Ours are in the holder's log, because the
 * group was brought up with `FLEETBOX_DEBUG=qmp`. Both machines run all the time, and each save is removed again.
 */

import { provideCachedImage } from "../../distro/images.ts";
import type { Options } from "../../../src/core/options.ts";
import type { Store } from "../../../src/store.ts";
import { prepareBare } from "../bare_qemu.ts";
import { type Bench, inTurn, median, round, type Row, timeFleetbox } from "../bench.ts";
import { breakdown } from "../up.ts";
import { bootByHand } from "./bare_save.ts";
import { saveOnce } from "./by_hand.ts";
import { OF_A_SAVE, quietDisk, usedStore } from "./own.ts";
import { leaveOut } from "./warm.ts";
import { type QmpEvent, sentAt } from "./qmp.ts";

/** Rows `pause`: a micro, and a Debian where the tests' cache has one. */
export async function pauses(bench: Bench): Promise<Row[]> {
  const rows = [await pauseOf(bench, await usedStore(bench), "micro", [], {})];
  await bench.endMeasurement();
  const store = await usedStore(bench);
  const missing = await provideCachedImage(store, "debian-12");
  if (missing !== undefined) return [...rows, ...leaveOut(bench, "pause of a Debian", missing)];
  const debian = ["--image", "debian-12", "--memory", "512M", "--timeout", "900"];
  return [...rows, await pauseOf(bench, store, "Debian, 512 MiB", debian, { image: "debian-12", mem: 0.5 })];
}

async function pauseOf(bench: Bench, store: Store, what: string, flags: string[], options: Options): Promise<Row> {
  const up = ["up", "a", "--egress", "off", "--no-template", ...flags];
  await timeFleetbox(store, up, { env: { FLEETBOX_DEBUG: "qmp" } });
  const running = await bootByHand(bench, store, await prepareBare(store, "bare", options), "quiet");
  let count = 0;
  const [ours, theirs] = await inTurn(
    bench.runs,
    () => checkpointOnce(bench, store, `c${++count}`),
    () => saveOnce(bench, running),
  );
  const commandMs = median(ours.map(({ commandMs }) => round(commandMs)));
  const pausedMs = (saves: { pausedMs: number }[]) => saves.map(({ pausedMs }) => round(pausedMs));
  return {
    what: `how long a checkpoint pauses a member: ${what}`,
    measured: median(pausedMs(ours)),
    unit: "ms",
    against: { what: "QMP stop, save, copy, cont by hand", value: median(pausedMs(theirs)) },
    limit: { kind: "ratio", value: 1.3 },
    runs: { measured: pausedMs(ours), against: pausedMs(theirs) },
    note: `the whole command ${commandMs} ms; by hand: ${breakdown(theirs, [], OF_A_SAVE)}`,
  };
}

async function checkpointOnce(bench: Bench, store: Store, name: string) {
  const log = store.holderLog("a");
  await quietDisk();
  const { length } = await Deno.readTextFile(log);
  const commandMs = await timeFleetbox(store, ["checkpoint", "a", "--as", name]);
  const pausedMs = pauseIn((await Deno.readTextFile(log)).slice(length));
  bench.say(`paused by a checkpoint ${round(pausedMs)} ms, the command ${round(commandMs)} ms`);
  await timeFleetbox(store, ["checkpoint", "rm", name]);
  return { commandMs, pausedMs };
}

/** From the first `STOP` to the last `RESUME` in the QMP traffic of a log. */
function pauseIn(log: string): number {
  const events = log.split("\n").flatMap((line): QmpEvent[] => {
    const [, message] = /^qmp < (\{.*\})$/.exec(line) ?? [];
    const event = message === undefined ? undefined : JSON.parse(message);
    return event?.event === undefined ? [] : [event];
  });
  const stop = events.find(({ event }) => event === "STOP");
  const resume = events.findLast(({ event }) => event === "RESUME");
  if (stop === undefined || resume === undefined) {
    throw new Error("the holder's log has no STOP and RESUME of the checkpoint, with FLEETBOX_DEBUG=qmp");
  }
  return sentAt(resume) - sentAt(stop);
}
