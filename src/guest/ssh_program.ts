/**
 * The program of {@link ./guest_program.ts} in a guest that is reached over SSH: the guest's shell writes it, and it runs as
 * root until the session ends. What it holds (memory, open files) goes with it.
 */

import { FleetboxError } from "../core/errors.ts";
import { printable } from "../core/printable.ts";
import { type Child, start } from "../system/process.ts";
import type { Architecture } from "../vmm/contract.ts";
import type { SshEndpoint } from "../wire.ts";
import { guestProgram, guestScript } from "./guest_program.ts";
import { EndOfOutput, Output } from "./output.ts";
import type { GuestKernel } from "./renewal.ts";
import { sessionArguments, sshHint } from "./ssh_probe.ts";

interface SshProgramOptions {
  /** The private key's path. */
  key: string;
  /** The guest's. */
  arch: Architecture;
  /** Ends the session. */
  signal: AbortSignal;
  /** How long the connection may take, in seconds. */
  connectSeconds: number;
  /** The file that {@link GuestKernel.file} gives. */
  reads?: string;
}

/** Why a session was of no use: there was no connection, the key was refused, or the work itself failed. */
export interface SshFailure {
  why: "unreachable" | "denied" | "failed";
  error: unknown;
}

/** ssh's own failures; other codes are the script's. */
const SSH_FAILED = 255;

export class SshProgram implements AsyncDisposable {
  readonly kernel: GuestKernel;
  /** Resolves when the session has ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #child: Child;
  readonly #kill = () => void this.#child.kill("SIGKILL");

  constructor(endpoint: SshEndpoint, private readonly options: SshProgramOptions) {
    const { key, arch, signal, connectSeconds, reads } = options;
    const name = `.fleetbox-${crypto.randomUUID()}`;
    const program = guestProgram(arch, name, reads);
    const script = guestScript(program.file, name, { sudo: endpoint.user !== "root" });
    const output = new Output();
    this.#child = start("ssh", sessionArguments(endpoint, key, { connectSeconds, command: script }), {
      input: true,
      onBytes: (bytes) => output.push(bytes),
      hint: sshHint(),
    });
    signal.addEventListener("abort", this.#kill);
    if (signal.aborted) this.#kill();
    this.ended = this.#child.exited.then(() => output.end());
    this.kernel = program.kernel({
      write: (bytes) => this.#child.write(bytes),
      read: (length) => output.read(length),
      readTo: (mark) => output.readTo(mark),
    });
  }

  /** Why the conversation has failed. @param what completes "Cannot …" */
  async failure(error: unknown, what: string): Promise<SshFailure> {
    if (!(error instanceof EndOfOutput)) return { why: "failed", error };
    const { code } = await this.#child.exited;
    const told = printable(this.#child.tail()).trim();
    if (code === SSH_FAILED && !/Permission denied/.test(told)) return { why: "unreachable", error };
    const message = `Cannot ${what}: ${told || `its shell ended with code ${code}`}`;
    return code === SSH_FAILED
      ? { why: "denied", error: new FleetboxError("denied", message) }
      : { why: "failed", error: new FleetboxError("failed", message) };
  }

  /** Ends the session: all is done, or nothing more will be. The program in the guest ends with its input. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.options.signal.removeEventListener("abort", this.#kill);
    this.#kill();
    await this.#child.exited;
  }
}
