/**
 * One SSH connection for one sync: the guest's shell runs the script, its output is read as it comes, and what the host answers
 * is written no faster than the guest takes it.
 */

import { FleetboxError, isNotFound } from "../../core/errors.ts";
import { printable } from "../../core/printable.ts";
import { quoted } from "../../core/quoting.ts";
import type { Store } from "../../store.ts";
import { sshHint } from "../../guest/ssh_probe.ts";
import type { SshEndpoint } from "../../wire.ts";
import { sshArguments } from "../arguments/ssh_arguments.ts";
import { fromBytes, fromByteText, toBytes } from "./byte_text.ts";

/** How much of the guest's errors is kept, in characters: its last ones. */
const MAX_COMPLAINTS = 8 * 1024;

export class GuestConnection implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #complaining: Promise<void>;
  readonly #end = () => this.#kill();
  #text = "";
  #complaints = "";

  /** @param script as bytes @param signal ends the connection */
  constructor(store: Store, endpoint: SshEndpoint, script: string, private readonly signal: AbortSignal) {
    // The program's arguments are text, which it writes as UTF-8: so are the names in the script.
    const command = `exec sh -c ${quoted(fromByteText(script))}`;
    const args = ["-o", "BatchMode=yes", ...sshArguments(store, endpoint, { tty: false, command })];
    try {
      this.#child = new Deno.Command("ssh", { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
    } catch (cause) {
      if (!isNotFound(cause)) throw new FleetboxError("failed", "Cannot start ssh", { cause });
      throw new FleetboxError("unavailable", "The program ssh is not installed, or not on PATH", {
        cause,
        hint: sshHint(),
      });
    }
    this.#writer = this.#child.stdin.getWriter();
    this.#writer.closed.catch(() => {});
    this.#pieces = this.#child.stdout[Symbol.asyncIterator]();
    this.#complaining = this.#collect();
    signal.addEventListener("abort", this.#end);
    if (signal.aborted) this.#kill();
  }

  /** The guest's output until one of these marks, without it; or all of it, when the guest ends before. */
  async readTo(marks: readonly string[]): Promise<{ text: string; mark?: string }> {
    const longest = Math.max(...marks.map((mark) => mark.length));
    for (let from = 0;;) {
      const found = marks.map((mark) => ({ mark, at: this.#text.indexOf(mark, from) })).filter(({ at }) => at >= 0)
        .toSorted((a, b) => a.at - b.at)[0];
      if (found) {
        const text = this.#text.slice(0, found.at);
        this.#text = this.#text.slice(found.at + found.mark.length);
        return { text, mark: found.mark };
      }
      from = Math.max(0, this.#text.length - longest);
      const { value, done } = await this.#pieces.next();
      if (done) return { text: this.#text };
      this.#text += fromBytes(value);
    }
  }

  /** All of its output that was not read, as it comes. */
  async *bytes(): AsyncGenerator<Uint8Array> {
    if (this.#text !== "") yield toBytes(this.#text);
    this.#text = "";
    for (;;) {
      const { value, done } = await this.#pieces.next();
      if (done) return;
      yield value;
    }
  }

  /** False when the guest reads no more. */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    try {
      await this.#writer.write(bytes);
      return true;
    } catch {
      return false;
    }
  }

  /** Nothing more is written. */
  async finish(): Promise<void> {
    await this.#writer.close().catch(() => {});
  }

  /** How ssh ended, and the last of what was on standard error. */
  async ended(): Promise<{ code: number; complaints: string }> {
    const { code } = await this.#child.status;
    await this.#complaining;
    return { code, complaints: printable(this.#complaints).trim() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal.removeEventListener("abort", this.#end);
    this.#kill();
    await this.finish();
    for (let end = false; !end;) end = (await this.#pieces.next().catch(() => ({ done: true }))).done === true;
    await this.ended();
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch { /* it has ended */ }
  }

  async #collect(): Promise<void> {
    for await (const piece of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#complaints = (this.#complaints + piece).slice(-MAX_COMPLAINTS);
    }
  }
}
