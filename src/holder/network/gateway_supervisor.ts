/**
 * Keeps a group's gateway running: starts it, and starts it again when it dies, for as long as the group lives.
 *
 * One that was up for a while is started again at once. One that dies soon after its start, or cannot be started, is
 * given longer and longer, up to a minute: a host on which it cannot live must not be kept busy by it. What is wrong is
 * told meanwhile ({@link GatewayKeeper.trouble}). Whoever needs the gateway now does not wait that long: `ready` has it
 * tried at once. How one is started, and what is done with one that runs, is `network.ts`'s business.
 */

import { FleetboxError, messageOf } from "../../core/errors.ts";
import type { Gateway } from "../../vmm/contract.ts";

export interface KeeperOptions {
  /** Starts one; resolves when it can be used. Called again after each end. */
  start: () => Promise<Gateway>;
  /** Called when the gateway, or the trouble with it, has changed. */
  onChange: () => void;
  log: (line: string) => void;
  /** The wait after so many ends in a row that came too soon. @default {@link backOffMs} */
  waitMs?: (ends: number) => number;
  /** One that lives so long counts as healthy. @default 10000 */
  healthyMs?: number;
}

const HEALTHY_MS = 10_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;

/** 0, for the first time, then from half a second up to a minute. */
export function backOffMs(ends: number): number {
  return ends <= 1 ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (ends - 2));
}

export class GatewayKeeper {
  /** The try that is under way, and the gateway that came of it while it runs. */
  #attempt: Promise<Gateway> | undefined;
  #running: Gateway | undefined;
  /** Resolved with the next try when it begins. */
  #coming = deferred();
  /** Ends the wait before the next try. */
  #hurry = () => {};
  #isClosing = false;
  /** Ends in a row that came too soon. */
  #ends = 0;
  #why = "";
  /** When the next try begins, while that is waited for. */
  #nextTry: number | undefined;
  #over: Promise<void> = Promise.resolve();
  /** The gateway that is being ended so that another takes its place. */
  #replaced: Gateway | undefined;

  constructor(private readonly options: KeeperOptions) {}

  /** The gateway, while there is one. */
  get running(): Gateway | undefined {
    return this.#running;
  }

  /** What is wrong with the gateway: why it does not stay up, and what happens next. */
  get trouble(): string | undefined {
    if (this.#ends < 2) return undefined;
    const seconds = Math.max(1, Math.ceil(((this.#nextTry ?? 0) - performance.now()) / 1000));
    const now = this.#running
      ? "it runs again"
      : this.#nextTry === undefined
      ? "it is being started again"
      : `the next try is in ${seconds} s`;
    return `ended ${this.#ends} times in a row soon after its start, ${now}; the last time: ${this.#why}`;
  }

  /** Begins. Returns at once: failures come out of {@link ready}. */
  open(): void {
    this.#over = this.#keep();
  }

  /**
   * The gateway, up. Waits for the try that is under way, and when that comes to nothing for another one, made at once.
   * @throws why the latest try failed
   */
  async ready(): Promise<Gateway> {
    try {
      return await this.#next();
    } catch (thrown) {
      if (this.#isClosing) throw thrown;
      return await this.#next();
    }
  }

  /**
   * Ends the gateway that runs and gives the one that takes its place. A start that is under way is waited for first, for
   * it may have begun before what it is to be was changed. Its end counts for no failure.
   * @throws why the latest try failed
   */
  async restart(): Promise<Gateway> {
    await this.#attempt?.catch(() => {});
    const running = this.#running;
    if (running) {
      this.#replaced = running;
      this.#running = undefined;
      this.#attempt = undefined;
      await running.close();
    }
    return await this.ready();
  }

  #next(): Promise<Gateway> {
    if (this.#attempt) return this.#attempt;
    this.#hurry();
    return this.#coming.promise;
  }

  /** Ends the gateway, and tries no more. A start that is under way is waited for. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#hurry();
    await this.#running?.close();
    await this.#over;
    this.#coming.reject(new FleetboxError("interrupted", "the group has ended"));
  }

  async #keep(): Promise<void> {
    const { start, log, waitMs = backOffMs, healthyMs = HEALTHY_MS } = this.options;
    while (!this.#isClosing) {
      const began = performance.now();
      try {
        this.#attempt = start();
        this.#coming.resolve(this.#attempt);
        this.#coming = deferred();
        const gateway = await this.#attempt;
        await this.#useUp(gateway);
        if (this.#replaced === gateway) {
          this.#replaced = undefined;
          continue;
        }
      } catch (thrown) {
        this.#why = messageOf(thrown);
      }
      this.#attempt = undefined;
      if (this.#isClosing) return;
      this.#ends = performance.now() - began < healthyMs ? this.#ends + 1 : 1;
      const pauseMs = waitMs(this.#ends);
      log(`gateway: ${this.#why}; starting it again${pauseMs > 0 ? ` in ${pauseMs / 1000} s` : ""}`);
      this.options.onChange();
      await this.#pause(pauseMs);
    }
  }

  /** Returns when the gateway has ended. */
  async #useUp(gateway: Gateway): Promise<void> {
    const { healthyMs = HEALTHY_MS, onChange } = this.options;
    if (this.#isClosing) return void await gateway.close();
    this.#running = gateway;
    const recovered = setTimeout(() => this.#ends = 0, healthyMs);
    onChange();
    this.#why = (await gateway.exited).message;
    clearTimeout(recovered);
    this.#running = undefined;
  }

  async #pause(ms: number): Promise<void> {
    if (ms === 0) return;
    this.#nextTry = performance.now() + ms;
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, ms);
    this.#hurry = over.resolve;
    await over.promise;
    clearTimeout(timer);
    this.#hurry = () => {};
    this.#nextTry = undefined;
  }
}

function deferred(): PromiseWithResolvers<Gateway> {
  const coming = Promise.withResolvers<Gateway>();
  coming.promise.catch(() => {}); // whoever waits for it hears of it
  return coming;
}
