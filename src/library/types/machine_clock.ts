/** The clock of a machine, as a test makes it wrong. */

import type { Fault, FaultOptions } from "./fault.ts";

/**
 * How far a machine's clock is ahead of this host's.
 *
 * @example
 * ```ts
 * import { type ClockOffset, start } from "fleetbox";
 *
 * await using vm = await start({ egress: "off" });
 * const { offsetMs, errorMs }: ClockOffset = await vm.clock.offset();
 * console.log(`${offsetMs} ms, exact to ${errorMs} ms`);
 * ```
 */
export interface ClockOffset {
  /** In milliseconds; less than 0: behind. */
  offsetMs: number;
  /** By how much that may be wrong, in milliseconds: the answer took twice as long. */
  errorMs: number;
}

/**
 * The clock of a machine. Its kernel makes it wrong, so for every program in it; what keeps it right there (systemd-timesyncd,
 * chrony, ntpd) is stopped meanwhile. When its faults have ended, the clock is as right, or as wrong, as it was before.
 *
 * @example
 * ```ts
 * import { type MachineClock, start } from "fleetbox";
 *
 * await using vm = await start({ egress: "off" });
 * const clock: MachineClock = vm.clock;
 * await using fast = await clock.rate(1.05);
 * console.log(fast.what);
 * ```
 */
export interface MachineClock {
  /**
   * Moves it, once. Several add up.
   * @param ms how far, in milliseconds; less than 0: back
   * @throws {FleetboxError} `conflict`: the machine does not run; `failed`: its guest does not answer, or its kernel refuses
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start({ egress: "off" });
   * {
   *   await using late = await vm.clock.bump(-3_600_000);
   *   console.log(late.what, (await vm.exec("date")).stdout);
   * }
   * console.log((await vm.exec("date")).stdout);
   * ```
   */
  bump(ms: number, options?: FaultOptions): Promise<Fault>;
  /**
   * Makes it go so many times as fast. What it was wrong by then is gone when the fault ends.
   * @param rate 0.9 to 1.1, which is what Linux lets a clock do
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start({ egress: "off" });
   * await using slow = await vm.clock.rate(0.95, { forMs: 60_000 });
   * await vm.exec("sleep 10");
   * console.log(slow.what, (await vm.clock.offset()).offsetMs);
   * ```
   */
  rate(rate: number, options?: FaultOptions): Promise<Fault>;
  /**
   * Moves it, and moves it back, again and again.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start({ egress: "off" });
   * await using strobe = await vm.clock.strobe({ byMs: 200, periodMs: 500 });
   * await vm.exec("sleep 5");
   * console.log((await strobe.counts()).steps);
   * ```
   */
  strobe(options: StrobeOptions): Promise<Fault>;
  /**
   * How far it is ahead of this host's clock. Asked of its kernel; over SSH where its image is none of fleetbox's own.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start({ egress: "off" });
   * const { offsetMs, errorMs } = await vm.clock.offset();
   * if (Math.abs(offsetMs) > 1_000 + errorMs) throw new Error(`its clock is wrong by ${offsetMs} ms`);
   * ```
   */
  offset(): Promise<ClockOffset>;
}

/**
 * How {@link MachineClock.strobe} moves a clock.
 *
 * @example
 * ```ts
 * import { start, type StrobeOptions } from "fleetbox";
 *
 * const options: StrobeOptions = { byMs: -200, forMs: 10_000 };
 * await using vm = await start({ egress: "off" });
 * await vm.clock.strobe(options);
 * ```
 */
export interface StrobeOptions extends FaultOptions {
  /** How far, in milliseconds; less than 0: back. */
  byMs: number;
  /** How long it stays there each time, in milliseconds. @default 1000 */
  periodMs?: number;
}
