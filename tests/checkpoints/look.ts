/**
 * What a member's load tells (`load.sh look` and `sent`), and what is wrong with it. Pure.
 */

/** A numbered record or line: its number and its random word. */
export type Records = Map<number, string>;

export interface Look {
  member: string;
  /** The last record that had come when the look began. */
  begin: number;
  /** The latest records that it received. */
  got: Records;
  /** The last line of its count that was synced before the file was read. */
  synced: number;
  /** The end of the file in which it counts. */
  count: Records;
  /** How far it had counted after that. */
  n: number;
  /** What it found wrong itself, and what its kernel complains of. */
  bad: string[];
  kernel: string[];
  /** 32 bytes of its random numbers, in hexadecimal digits. */
  random: string;
}

/** @throws {Error} the text is not whole */
export function parseLook(member: string, text: string): Look {
  const parts = new Map(
    text.split(/^== /m).map((part) => {
      const [title, ...lines] = part.split("\n");
      return [title, lines.filter((line) => line !== "")];
    }),
  );
  const lines = (title: string) => {
    const found = parts.get(title);
    if (found) return found;
    throw new Error(`${member} tells nothing of "${title}":\n${text.slice(-1000)}`);
  };
  const number = (title: string) => Number(lines(title)[0]);
  lines("time");
  return {
    member,
    begin: number("begin"),
    got: parseRecords(lines("got")),
    synced: number("synced"),
    count: parseRecords(lines("count")),
    n: number("n"),
    bad: lines("bad"),
    kernel: lines("kernel"),
    random: lines("random")[0],
  };
}

/** Lines `12 fe0911ab`. Of two that are equal, one is enough. */
export function parseRecords(lines: readonly string[]): Records {
  return new Map(
    lines.map((line) => /^(\d+) (\S+)$/.exec(line)).flatMap((match) => match ? [[Number(match[1]), match[2]]] : []),
  );
}

/** What is wrong with one member. @param records how many it must have received since the look began */
export function problemsOf(
  { member, begin, got, synced, count, n, bad, kernel, random }: Look,
  records: number,
): string[] {
  const [counted, received] = [last(count), last(got)];
  return [
    ...bad.map((line) => `its load: ${line}`),
    ...kernel.map((line) => `its kernel: ${line}`),
    ...holes(got).map((at) => `the record ${at} did not come`),
    ...holes(count).map((at) => `the line ${at} of its count is not there`),
    ...received - begin >= records ? [] : [`the stream stands still: ${begin}, and later ${received}`],
    ...synced <= counted ? [] : [`it has synced ${synced}, and its file ends with ${counted}`],
    ...counted <= n ? [] : [`its file ends with ${counted}, and it has counted to ${n}`],
    ...n > 0 ? [] : ["it does not count"],
    .../^[0-9a-f]{64}$/.test(random) ? [] : [`its random bytes: ${random}`],
  ].map((what) => `${member}: ${what}`);
}

/**
 * What is wrong between a receiver and its sender, who was asked after it: each record that came is one that was sent, by this
 * sender, and before.
 */
export function problemsBetween(
  { member, got }: Pick<Look, "member" | "got">,
  sender: string,
  sent: Records,
): string[] {
  const [first, end] = [Math.min(...sent.keys()), last(sent)];
  const known = [...got].filter(([number]) => number >= first);
  const early = known.filter(([number]) => number > end).map(([number]) => number);
  const foreign = known.filter(([number, word]) => number <= end && sent.get(number) !== word);
  return [
    ...early.length === 0 ? [] : [`it got ${early.join(", ")}, and ${sender} has sent up to ${end}`],
    ...foreign.slice(0, 5).map(([number, word]) =>
      `it got "${number} ${word}", and ${sender} sent "${number} ${sent.get(number)}"`
    ),
    ...known.length > 0 ? [] : [`no record of ${member} can be compared with those of ${sender}`],
  ].map((what) => `${member}: ${what}`);
}

/** What is wrong with a count that must go on from an earlier one. */
export function problemsSince(
  member: string,
  count: Records,
  { before, what }: { before: Records; what: string },
): string[] {
  const end = last(before);
  if (before.size === 0) return [`${member}: ${what} has no count`];
  if (end < Math.min(...count.keys())) {
    return [`${member}: its count cannot be compared with ${what}, which ends at ${end}`];
  }
  return [...before].filter(([number, word]) => count.has(number) && count.get(number) !== word).slice(0, 5)
    .map(([number, word]) => `${member}: line ${number} of its count is ${count.get(number)}, and in ${what} ${word}`)
    .concat(last(count) >= end ? [] : [`${member}: its count ends at ${last(count)}, and in ${what} at ${end}`]);
}

export function last(records: Records): number {
  return Math.max(...records.keys());
}

/** The numbers that are missing between the first and the last. */
function holes(records: Records): number[] {
  const numbers = [...records.keys()].sort((a, b) => a - b);
  return numbers.slice(1).flatMap((number, index) => number === numbers[index] + 1 ? [] : [numbers[index] + 1]);
}
