/**
 * QMP as one types it: a command a line, answers in order, events between them. Nothing of the driver's client is in it, so
 * that the counterparts cost what they cost by hand.
 */

import { connectUnix, readLines, type UnixConnection } from "../../../src/system/sockets.ts";
import { sleep } from "../bench.ts";

/** How long QEMU may take until its socket is there, and for each answer and event. */
const LIMIT_MS = 60_000;

export interface QmpEvent {
  event: string;
  data?: Record<string, unknown>;
  timestamp: { seconds: number; microseconds: number };
}

interface Waiter {
  isIt(event: QmpEvent): boolean;
  resolve(event: QmpEvent): void;
  reject(error: Error): void;
}

export class Qmp implements Disposable {
  readonly #answers: PromiseWithResolvers<unknown>[] = [];
  readonly #waiters = new Set<Waiter>();
  #over: Error | undefined;

  private constructor(readonly connection: UnixConnection) {}

  /** Connects as soon as QEMU listens, and leaves the mode in which it only greets. */
  static async open(socket: string): Promise<Qmp> {
    const began = performance.now();
    let connection;
    while (!(connection = await connectUnix(socket))) {
      if (performance.now() - began > LIMIT_MS) throw new Error(`QEMU did not make its control socket, ${socket}`);
      await sleep(2);
    }
    const qmp = new Qmp(connection);
    void qmp.#read();
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  async execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    if (this.#over) throw this.#over;
    const answer = Promise.withResolvers<unknown>();
    answer.promise.catch(() => {});
    this.#answers.push(answer);
    await this.connection.write(JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}) }) + "\n");
    return await withLimit(answer.promise, `an answer to ${command}`);
  }

  /** The next event of that kind. */
  event(name: string, isIt: (data: Record<string, unknown>) => boolean = () => true): Promise<QmpEvent> {
    const { promise, resolve, reject } = Promise.withResolvers<QmpEvent>();
    promise.catch(() => {});
    if (this.#over) reject(this.#over);
    else this.#waiters.add({ isIt: ({ event, data }) => event === name && isIt(data ?? {}), resolve, reject });
    return withLimit(promise, `the event ${name}`);
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }

  async #read(): Promise<void> {
    try {
      for await (const line of readLines(this.connection)) this.#take(JSON.parse(line));
    } catch { /* closed */ }
    this.#over = new Error("QEMU by hand closed its control connection");
    for (const { reject } of [...this.#answers, ...this.#waiters]) reject(this.#over);
  }

  #take(message: { error?: { desc: string }; return?: unknown } & Partial<QmpEvent>): void {
    if (message.event !== undefined) {
      for (const waiter of this.#waiters) {
        if (!waiter.isIt(message as QmpEvent)) continue;
        this.#waiters.delete(waiter);
        waiter.resolve(message as QmpEvent);
      }
    } else if (message.error) {
      this.#answers.shift()?.reject(new Error(`QEMU by hand refused: ${message.error.desc}`));
    } else if ("return" in message) {
      this.#answers.shift()?.resolve(message.return);
    }
  }
}

/** When QEMU sent an event, in milliseconds. */
export function sentAt({ timestamp }: Pick<QmpEvent, "timestamp">): number {
  return timestamp.seconds * 1000 + timestamp.microseconds / 1000;
}

async function withLimit<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`QEMU by hand did not send ${what}`)), LIMIT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
