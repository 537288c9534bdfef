/**
 * One TCP connection between two real members, and how long it ever stood still.
 *
 * `from` sends a number every few dozen milliseconds, for as long as the connection lives; `to` notes when each one came.
 * Both run inside the guests: of the host they need the group's network alone.
 */

/** A shell line in a member; its output. */
export type InGuest = (name: string, line: string) => Promise<string>;

export interface Arrivals {
  /** How many numbers came; they came in order, none missing and none twice. */
  count: number;
  /** The longest time between two of them, in milliseconds; the guest's clock tells hundredths of seconds. */
  longestGapMs: number;
}

export async function startStream(run: InGuest, from: string, to: string, port = 7000): Promise<void> {
  const background = (line: string) => `setsid sh -c '${line}' </dev/null >/dev/null 2>&1 & sleep 0.5`;
  // At the end of its input busybox's nc would end the connection: the listener's input has no end.
  const note = "while read -r number; do read -r now rest < /proc/uptime; echo $now $number; done";
  await run(to, background(`sleep 1000 | nc -l -p ${port} | ${note} > arrivals`));
  await run(from, background(`i=0; while usleep 10000; do i=$((i+1)); echo $i; done | nc ${to} ${port}`));
}

/** What has come since the first of so many numbers. @throws {Error} one is missing, or came twice. */
export async function arrivals(run: InGuest, to: string, since = 0): Promise<Arrivals> {
  const lines = (await run(to, "cat arrivals")).trim().split("\n").map((line) => line.split(" ").map(Number));
  const complete = lines.filter((line) => line.length === 2).slice(since);
  let longestGapMs = 0;
  for (let index = 1; index < complete.length; index++) {
    const [[before, last], [now, number]] = [complete[index - 1], complete[index]];
    if (number !== last + 1) throw new Error(`${number} came after ${last}`);
    longestGapMs = Math.max(longestGapMs, Math.round((now - before) * 1000));
  }
  return { count: since + complete.length, longestGapMs };
}
