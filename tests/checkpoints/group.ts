/** Real members under load (`load.sh`), and what is done with them: checkpoints, forks, a look at how they go on. */

import { guestOk } from "../support/guest.ts";
import { type Sandbox, told } from "../support/sandbox.ts";
import { type Look, parseLook, parseRecords, problemsBetween, problemsOf } from "./look.ts";

const SCRIPT = Deno.readTextFileSync(new URL("load.sh", import.meta.url));
const LOAD = "/var/load/load";
/** The clock is read so often, because a busy host may be late in reading what the guest says. */
const CLOCK_READS = 8;
/** How far a guest's clock may be from the host's. */
const CLOCK_MS = 500;

/** Starts the load on members: a ring, each sends to the next. */
export async function startLoad(box: Sandbox, names: readonly string[]): Promise<void> {
  const text = btoa(SCRIPT);
  await Promise.all(
    names.map((name) =>
      guestOk(box, name, `sudo sh -c 'mkdir -p /var/load; echo ${text} | base64 -d >${LOAD}; sh ${LOAD} listen'`)
    ),
  );
  await Promise.all(names.map((name, index) => {
    const next = names[(index + 1) % names.length];
    return guestOk(box, name, `sudo sh ${LOAD} start ${box.store.config(next)!.ip}`);
  }));
}

/** Members as they were found. */
export interface Inspection {
  problems: string[];
  looks: Look[];
  /** How far each clock is from the host's at most. Until a restore it is what the guest has read at its boot, to a second. */
  clocks: Clock[];
}

/**
 * Looks at members that are under load, in the order of their ring, and waits until their streams have gone on.
 * @param records how many each must receive meanwhile
 */
export async function inspect(box: Sandbox, names: readonly string[], records: number): Promise<Inspection> {
  const seen = await Promise.all(names.map((name) => lookAt(box, name, records)));
  // After all receivers have told what they got.
  const sent = await Promise.all(names.map((name) => guestOk(box, name, `sudo sh ${LOAD} sent`)));
  const between = seen.flatMap(({ look }, index) => {
    const from = (index + names.length - 1) % names.length;
    return problemsBetween(look, names[from], parseRecords(sent[from].split("\n")));
  });
  return {
    problems: [...seen.flatMap(({ look }) => problemsOf(look, records)), ...between],
    looks: seen.map(({ look }) => look),
    clocks: seen.map(({ clock }) => clock),
  };
}

async function lookAt(box: Sandbox, name: string, records: number): Promise<{ look: Look; clock: Clock }> {
  const { text, clock } = await withClock(box, name, `sudo sh ${LOAD} look ${records}`);
  return { look: parseLook(name, text), clock };
}

/** A guest's clock, against the host's. */
export interface Clock {
  /** How far it is off at most, in milliseconds. */
  ms: number;
  /** What the guest said, and by how many milliseconds the host's clock was ahead when that was read. */
  readings: string[];
}

/** A line for the shell that also tells the guest's time, a few times: `1 SECONDS MICROSECONDS end`. */
export async function withClock(box: Sandbox, name: string, line: string): Promise<{ text: string; clock: Clock }> {
  const running = box.start(["ssh", name, "--", line]);
  const [offsets, readings]: [number[], string[]] = [[], []];
  for (let read = 1; read <= CLOCK_READS; read++) {
    const pattern = new RegExp(`^${read} (\\d+) +(\\d+) end$`, "m");
    await running.printed(pattern);
    const now = Date.now();
    const [said, seconds, micros] = pattern.exec(running.stdout)!;
    const offset = now - (Number(seconds) * 1000 + Number(micros) / 1000);
    offsets.push(offset);
    readings.push(`"${said}": ${Math.round(offset)}`);
  }
  const end = await running.done;
  if (end.code !== 0) throw new Error(told(end));
  // What a reading takes makes it late, so the earliest is the best.
  return { text: end.stdout, clock: { ms: Math.round(Math.abs(Math.min(...offsets))), readings } };
}

/** What is wrong with a clock. */
export function problemsOfClock(member: string, { ms, readings }: Clock): string[] {
  return ms <= CLOCK_MS ? [] : [`${member}: its clock is ${ms} ms off: ${readings.join(", ")}`];
}

/** The lines that {@link withClock} waits for. */
export const TELL_TIME =
  `for i in 1 2 3 4 5 6 7 8; do adjtimex | awk -v i=$i '/time.tv_sec/ { s = $2 } /time.tv_usec/ { print i, s, $2, "end" }'; done`;

/** Members that go on from a checkpoint of these. */
export async function fork(box: Sandbox, was: readonly string[], from: string, as: string): Promise<string[]> {
  await box.ok("fork", from, "--as", as);
  const hostNames = was.map((name) => box.store.config(name)?.host_name ?? name);
  return hostNames.map((name) => `${as}-${name}`);
}
