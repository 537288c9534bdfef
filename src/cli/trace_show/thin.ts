/** A page shows some hundred thousand events quickly, and not ten million: of more, those that tell the story are kept. */

import { joined } from "../../core/bytes.ts";
import { isOfKind, kindsInLines } from "../../core/trace/event_kind.ts";

/** So many are kept, whatever they are. */
const MOST = 300_000;
/** And of what follows so many of these. */
const MOST_OF_STORY = 100_000;
const STORY = kindsInLines([
  ...["state", "fault-began", "fault-ended", "mark", "checkpoint", "fork", "restore", "suspend"],
  ...["test-began", "test-ended", "cut"],
]);
const NEWLINE = 10;

/** The lines of a file of events that go into the page, and what was left out. Lines are not parsed: they are as the recorder writes them. */
export function thinEvents(
  name: string,
  content: Uint8Array<ArrayBuffer>,
  { most = MOST, mostOfStory = MOST_OF_STORY } = {},
): { kept: Uint8Array<ArrayBuffer>; notice?: string } {
  let count = 0, at = 0;
  while (count < most && at < content.length) {
    at = endOfLine(content, at);
    count++;
  }
  if (at >= content.length) return { kept: content };
  const pieces = [content.subarray(0, at)];
  let story = 0, left = 0;
  while (at < content.length) {
    const from = at, end = at = endOfLine(content, from);
    if (story < mostOfStory && isOfKind(STORY, content, from, end)) {
      pieces.push(content.subarray(from, end));
      story++;
    } else left++;
  }
  if (left === 0) return { kept: content };
  const all = (count + story + left).toLocaleString("en-US");
  return {
    kept: joined(pieces),
    notice: `${name} has ${all} events: the first ${most.toLocaleString("en-US")} are shown, and of the others ` +
      `${story.toLocaleString("en-US")} states, faults and marks; ${left.toLocaleString("en-US")} are left out`,
  };
}

function endOfLine(content: Uint8Array, from: number): number {
  const at = content.indexOf(NEWLINE, from);
  return at < 0 ? content.length : at + 1;
}
