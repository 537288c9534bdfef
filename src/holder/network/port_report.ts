import type { PortCounters } from "../../network/switch.ts";
import type { PortReport } from "../../wire.ts";

/** The counters of a port, as reports tell them. */
export function portReport(counters: PortCounters): PortReport {
  return {
    rx_frames: counters.rxFrames,
    rx_bytes: counters.rxBytes,
    tx_frames: counters.txFrames,
    tx_bytes: counters.txBytes,
    dropped: { ...counters.dropped } as Record<string, number>,
  };
}
