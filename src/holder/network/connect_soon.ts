import { pause, startLimit } from "../../core/deadline.ts";

/** A driver MAY open the network socket a moment after the machine answers: on a busy host that takes a while. */
export async function connectSoon(path: string, limitMs: number): Promise<Deno.UnixConn> {
  let isLate = limitMs === 0;
  const endLimit = startLimit(limitMs, () => isLate = true);
  try {
    for (;;) {
      try {
        return await Deno.connect({ transport: "unix", path });
      } catch (thrown) {
        const isEarly = thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.ConnectionRefused;
        if (!isEarly || isLate) throw thrown;
      }
      await pause(10);
    }
  } finally {
    endLimit();
  }
}
