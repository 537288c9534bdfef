/**
 * The protocol, version 1: its document and its codec. Both halves import it; neither has a literal of its own.
 *
 * A holder listens on one unix socket per member (`run/<h>.sock`), and in bound mode on one control socket
 * (`run/<h>.ctl`). One request per connection; the reply; the end of the connection.
 *
 * | request            | reply                                                                                     |
 * | ------------------ | ----------------------------------------------------------------------------------------- |
 * | `status`           | one JSON object ({@link Status}), at most 1,000 bytes                                     |
 * | `stop`             | `ok` at once; the socket and the pidfile disappear when the machine is down, within 25 s  |
 * | `addmember NAME`   | when NAME runs: `ok`; else `err: REASON`, at most 250 bytes                               |
 * | `{"op": …}`        | {@link JsonRequest}: one JSON object a line; errors as `{code, message, causes, hint?}`   |
 * | `{"op":"console"}` | {@link ConsoleGreeting}, a line; from then on bytes both ways: the guest's serial console  |
 * | `{"op":"capture"}` | {@link CaptureGreeting}, a line; from then on frames as a pcapng stream                    |
 * | `{"op":"journal"}` | {@link JournalGreeting}, a line; from then on a {@link JournalEntry} a line                 |
 * | anything else      | `err: unknown command "…"`                                                                |
 * | `bind` (control)   | `1`, the version; the client sends `ack` and holds the connection; its end ends the group |
 *
 * A text request may end with a newline or not. Without one, the request ends when the client closes its write side or
 * is silent for {@link SILENCE_MS}; a whole `status`, `stop` or `bind` needs no silence. Replies are written in one
 * piece, without a newline for the text requests. A request that is longer than {@link MAX_REQUEST_BYTES} or not
 * finished within {@link REQUEST_TIMEOUT_MS} is refused and its connection closed.
 */

export * from "./wire/constants.ts";
export * from "./wire/refusals.ts";
export * from "./wire/replies.ts";
export type * from "./wire/reports.ts";
export * from "./wire/requests.ts";
export * from "./wire/verbs.ts";
