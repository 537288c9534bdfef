/**
 * Keeps a group's gateway running: starts it, and starts it again when it dies, while the group lives.
 *
 * A gateway that was up for a while is started again at once. If it dies soon after its start, or cannot be started,
 * the waits grow up to a minute, so that it does not keep the host busy. {@link GatewayKeeper.trouble} says what is
 * wrong meanwhile. A caller that needs the gateway now does not wait that long: `ready` starts it at once.
 * `group_network.ts` starts and uses gateways.
 */

import { pause } from "../../core/deadline.ts";
import { FleetboxError, messageOf } from "../../core/errors.ts";
import type { Gateway } from "../../vmm/contract.ts";

interface KeeperOptions {
  /** Starts a gateway; resolves when it can be used. Called again after each end. */
  start: () => Promise<Gateway>;
  /** Called when the gateway or its trouble has changed. */
  onChange: () => void;
  log: (line: string) => void;
  /** The wait after this many early ends in a row. @default {@link backOffMs} */
  waitMs?: (ends: number) => number;
  /** A gateway that lives this long counts as healthy. @default 10000 */
  healthyMs?: number;
}

const HEALTHY_MS = 10_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;

/** 0 for the first time, then from half a second up to a minute. */
export function backOffMs(ends: number): number {
  return ends <= 1 ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (ends - 2));
}

export class GatewayKeeper {
  /** The present try, and its gateway while it runs. */
  #attempt: Promise<Gateway> | undefined;
  #running: Gateway | undefined;
  /** Resolved with the next try when it begins. */
  #coming = deferred();
  /** Ends the wait before the next try. */
  #hurry = () => {};
  #isClosing = false;
  /** Early ends in a row. */
  #ends = 0;
  #why = "";
  /** When the next try begins, during the wait for it. */
  #nextTry: number | undefined;
  #over: Promise<void> = Promise.resolve();
  /** The gateway that is being ended so that another takes its place. */
  #replaced: Gateway | undefined;

  constructor(private readonly options: KeeperOptions) {}

  /** The gateway, while there is one. */
  get running(): Gateway | undefined {
    return this.#running;
  }

  /** The gateway's trouble: why it does not stay up, and what happens next. */
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

  /** Begins. Returns at once: {@link ready} reports failures. */
  open(): void {
    this.#over = this.#keep();
  }

  /**
   * The gateway, up. Waits for the present try, and if that fails for another one, made at once.
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

  /** Ends the gateway and the tries. Waits for a start that is in progress. */
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
    const hurry = new AbortController();
    this.#hurry = () => hurry.abort();
    await pause(ms, hurry.signal);
    this.#hurry = () => {};
    this.#nextTry = undefined;
  }
}

function deferred(): PromiseWithResolvers<Gateway> {
  const coming = Promise.withResolvers<Gateway>();
  coming.promise.catch(() => {}); // callers that wait for it get the error
  return coming;
}
