/**
 * The events of several writers in the order of their times, without holding all of them: each writer's are nearly in order, and
 * come in batches.
 */

/** What has a time, in milliseconds. */
interface Timed {
  time: number;
}

/** A source's events, the next at `index` of its batch. */
interface Cursor<T> {
  rest: AsyncIterator<T[], void>;
  batch: T[];
  index: number;
}

/** So many places an event of one writer may be too late. */
const WINDOW = 1000;

/** Batches of several sources as batches in order; of the same time, the first source's come first. */
export async function* merged<T extends Timed>(
  sources: readonly AsyncIterable<T[]>[],
  window: number = WINDOW,
): AsyncGenerator<T[], void> {
  const cursors: Cursor<T>[] = [];
  for (const source of sources) {
    const cursor = { rest: sorted(source, window), batch: [], index: 0 };
    if (await advance(cursor)) cursors.push(cursor);
  }
  while (cursors.length > 0) {
    const batch: T[] = [];
    let first: Cursor<T>;
    do {
      first = cursors[0];
      for (const one of cursors) if (one.batch[one.index].time < first.batch[first.index].time) first = one;
      batch.push(first.batch[first.index++]);
    } while (first.index < first.batch.length);
    yield batch;
    if (!await advance(first)) cursors.splice(cursors.indexOf(first), 1);
  }
}

async function advance<T>(cursor: Cursor<T>): Promise<boolean> {
  const { done, value } = await cursor.rest.next();
  if (done) return false;
  Object.assign(cursor, { batch: value, index: 0 });
  return true;
}

/** One source in order, as far as a window of the last ones puts it right. */
async function* sorted<T extends Timed>(source: AsyncIterable<T[]>, window: number): AsyncGenerator<T[], void> {
  const held: T[] = [];
  for await (const batch of source) {
    for (const one of batch) {
      held.push(one);
      let at = held.length - 1;
      for (; at > 0 && held[at - 1].time > one.time; at--) held[at] = held[at - 1];
      held[at] = one;
    }
    if (held.length > window) yield held.splice(0, held.length - window);
  }
  if (held.length > 0) yield held;
}
