/** The fixed words and limits of the protocol (`wire.ts`). */

/** The protocol's version: a holder's answer to `bind`. */
export const PROTOCOL_VERSION = 1;
/** The argument that makes the executable a holder; its value is the members' names, joined by commas. */
export const RUNNER_FLAG = "--fleetbox-runner";
/** The environment variable with the group's options, JSON ({@link Options}). */
export const OPTIONS_VARIABLE = "FLEETBOX_OPTS";
/** The environment variable that makes a holder bound: its client's process id. */
export const PARENT_VARIABLE = "FLEETBOX_PARENT_PID";

export const SILENCE_MS = 20;
export const MAX_REQUEST_BYTES = 64 * 1024;
export const REQUEST_TIMEOUT_MS = 10_000;
export const MAX_STATUS_BYTES = 1_000;
export const MAX_ADD_REPLY_BYTES = 250;
/** How long a start's failure is told when no client asks for it. */
export const LAST_WORDS_MS = 30_000;
/** How long a holder waits for a client that does not read its reply. */
export const REPLY_TIMEOUT_MS = 10_000;
