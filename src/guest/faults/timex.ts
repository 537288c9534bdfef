/** `struct timex` of adjtimex(2), on 64 bits, as far as a clock's faults need it. */

/** `linux/timex.h` */
const ADJ_FREQUENCY = 2;
const ADJ_SETOFFSET = 0x100;
const ADJ_TICK = 0x4000;

const BYTES = 208;
const MODES = 0, FREQUENCY = 16, SECONDS = 72, MICROSECONDS = 80, TICK = 88;

/** How fast a clock goes: microseconds in each hundredth of a second, and parts of a million besides, scaled by 2^16. */
export interface Tempo {
  tick: number;
  frequency: number;
}

/** As fast as the kernel lets a clock go, and as slow; 1 is right. */
export const MAX_RATE = 1.1;
export const MIN_RATE = 0.9;
const MIN_TICK = 9_000, MAX_TICK = 11_000;
const MAX_FREQUENCY = 500 * 65_536;

/** One that changes nothing, to be filled in by the kernel. */
export function askedTimex(): Uint8Array {
  return new Uint8Array(BYTES);
}

/** One that moves the clock by that much, at once, and makes it go at a tempo from then on. */
export function changedTimex(change: { stepUs?: number; tempo?: Tempo }): Uint8Array {
  const { stepUs, tempo } = change;
  const view = new DataView(new ArrayBuffer(BYTES));
  view.setUint32(
    MODES,
    (stepUs === undefined ? 0 : ADJ_SETOFFSET) | (tempo ? ADJ_TICK | ADJ_FREQUENCY : 0),
    true,
  );
  if (stepUs !== undefined) {
    const whole = Math.round(stepUs);
    const seconds = Math.floor(whole / 1e6); // so that the microseconds are not negative
    view.setBigInt64(SECONDS, BigInt(seconds), true);
    view.setBigInt64(MICROSECONDS, BigInt(whole - seconds * 1e6), true);
  }
  if (tempo) {
    view.setBigInt64(TICK, BigInt(tempo.tick), true);
    view.setBigInt64(FREQUENCY, BigInt(tempo.frequency), true);
  }
  return new Uint8Array(view.buffer);
}

/** What the kernel has filled in; undefined when no clock has such a tempo. */
export function tempoOf(timex: Uint8Array): Tempo | undefined {
  const view = new DataView(timex.buffer, timex.byteOffset);
  const tempo = {
    tick: Number(view.getBigInt64(TICK, true)),
    frequency: Number(view.getBigInt64(FREQUENCY, true)),
  };
  return isTempo(tempo) ? tempo : undefined;
}

export function isTempo({ tick, frequency }: Tempo): boolean {
  return tick >= MIN_TICK && tick <= MAX_TICK && Math.abs(frequency) <= MAX_FREQUENCY;
}

/** A tempo, so many times as fast. */
export function fasterBy(rate: number, { tick, frequency }: Tempo): Tempo {
  const wanted = rate * (tick / 1e4 + frequency / 65_536e6);
  const ticks = Math.min(MAX_TICK, Math.max(MIN_TICK, Math.round(wanted * 1e4)));
  const rest = Math.round((wanted - ticks / 1e4) * 65_536e6);
  return { tick: ticks, frequency: Math.min(MAX_FREQUENCY, Math.max(-MAX_FREQUENCY, rest)) };
}
