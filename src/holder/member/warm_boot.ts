/**
 * The start of a machine that goes on where a saved one was: from a template, from a checkpoint, or from its own suspended state.
 *
 * The machine is loaded and stays paused until its link and its ports are there, and until the other members of its checkpoint
 * have come as far. A suspended state is used up before its machine runs: it must never be loaded beside a disk that has changed.
 * That of a checkpoint's member is one, too (`store/snapshots/suspended.ts`): a start that is cut short is made again from there.
 * A template that does not work is removed, and its member boots. The others are told, with what to do.
 */

import { Limit } from "../../core/deadline.ts";
import {
  codeOf,
  type ErrorCode,
  FleetboxError,
  hintOf,
  isNoSpace,
  messageOf,
  toWireError,
  type WireError,
} from "../../core/errors.ts";
import { afterRestore } from "../../guest/after_restore.ts";
import type { Image } from "../../image/image.ts";
import { removeMember } from "../../store/remove.ts";
import { removeTemplate, touchTemplate, useUpSuspended } from "../../store/snapshots.ts";
import type { Machine, MachineSpec } from "../../vmm/contract.ts";
import type { SshEndpoint } from "../../wire.ts";
import { log } from "../log.ts";
import type { SavedSource } from "../snapshots/sources.ts";
import { brokenTemplate } from "../snapshots/warm_start.ts";
import type { Boot } from "./boot.ts";
import { connect, guestWay, holdMachine, runs } from "./boot_steps.ts";
import { runOf } from "./phases.ts";
import { untilSsh } from "./ready.ts";
import { runAtBoot } from "../scripts/member_scripts.ts";

/** How long a saved machine may take to be loaded, and then its guest to answer: it was ready when it was saved. */
const WARM_MS = 60_000;

/** A saved machine that did not go on. */
class RestoreFailure extends FleetboxError {}

/** @throws why it does not go on; then the machine is as any that failed to boot */
export async function startSaved(boot: Boot, spec: MachineSpec, command: string[], source: SavedSource): Promise<void> {
  const { member, signal } = boot;
  const { context: { store, driver, gate }, name, paths } = member;
  const { devices, memory } = source.files;
  const { image } = boot.prepared!;
  const within = async <T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    using limit = new Limit(WARM_MS);
    try {
      return await work(AbortSignal.any([signal, limit.signal]));
    } catch (cause) {
      signal.throwIfAborted();
      throw restoreFailure(name, source, limit.signal.aborted ? tooLate(what) : cause);
    }
  };
  const saved = { devices, memory, socket: paths.snapshotSocket, paused: true };
  const load = (either: AbortSignal) => driver.start(spec, either, saved);
  const machine: Machine = await within("it was not loaded", load);
  const run = holdMachine(boot, machine);
  run.command = command;
  run.guest = guestWay(image, spec);
  run.ssh = await connect(boot);
  if (!gate.isOpen) boot.place?.giveUp(); // for those that it waits for
  await gate.arrive(name);
  signal.throwIfAborted();
  member.hasGoneOn = source.kind === "suspended";
  if (source.kind !== "template") await useUpSuspended(store, name);
  await machine.resume();
  // The wait for the others is not the guest's.
  const renewed = within(
    "its guest has not answered",
    (either) => renewGuest(boot, run.ssh!, image, spec, { oldHostName: source.hostName, signal: either }),
  );
  const problem = member.hasGoneOn ? await problemOf(name, renewed) : await renewed;
  if (source.kind === "template") touchTemplate(store, source.name);
  run.isWarm = true;
  runs(boot, run, problem ?? await runAtBoot(boot, run));
}

/** Why a guest is not as it should be that has gone on from its suspended state: it runs on, for its memory is nowhere else. */
async function problemOf(name: string, renewed: Promise<void>): Promise<WireError | undefined> {
  try {
    await renewed;
  } catch (thrown) {
    if (!(thrown instanceof RestoreFailure)) throw thrown;
    const why = messageOf(thrown.cause);
    return toWireError(
      new FleetboxError("failed", `"${name}" goes on, but its clock and its random numbers may not be new: ${why}`, {
        hint: `Look into it: fleetbox console ${name}; or boot it: fleetbox restart ${name} --force`,
      }),
    );
  }
}

/**
 * Gives a guest that goes on the time, random numbers and its host name. Resolves when it has them, and its SSH server answers.
 * @param oldHostName what it was saved with
 */
export async function renewGuest(
  { member, options, sshHints }: Boot,
  ssh: SshEndpoint,
  image: Image,
  spec: MachineSpec,
  { oldHostName, signal }: { oldHostName: string | undefined; signal: AbortSignal },
): Promise<void> {
  const { context: { store }, name } = member;
  const over = new AbortController();
  const waits = { signal: AbortSignal.any([signal, over.signal]), onHint: (hint: () => void) => sshHints.on(hint) };
  const { arch, isRoot, agentSocket } = guestWay(image, spec);
  const renewed = afterRestore(ssh, {
    ...waits,
    key: store.key,
    arch,
    root: isRoot,
    agentSocket,
    hostName: member.config!.host_name ?? name,
    oldHostName,
    clock: options.clock ?? "set",
    onNote: (note) => {
      log(`${name}: ${note}`);
      member.tell(note);
    },
  });
  // An SSH session is a proof that SSH answers; an agent's answer is none. Both at once, as both wait for the guest.
  const answered = agentSocket === undefined ? undefined : untilSsh(ssh, waits);
  if (answered) sshHints.give(); // it listened when it was saved
  try {
    await Promise.all([renewed, answered]);
  } finally {
    over.abort();
  }
}

function tooLate(what: string): FleetboxError {
  return new FleetboxError("timeout", `${what} within ${WARM_MS / 1000} s`);
}

function restoreFailure(name: string, { kind, name: from }: SavedSource, cause: unknown): RestoreFailure {
  const hint = {
    template: undefined,
    checkpoint: `The checkpoint stays: fleetbox checkpoint ls; remove it: fleetbox checkpoint rm ${from}`,
    suspended: `Boot it instead, as after a power cut: fleetbox up ${name} --cold`,
  }[kind];
  const what = kind === "template"
    ? messageOf(cause)
    : `"${name}" cannot go on from its ${kind} state: ${messageOf(cause)}`;
  return new RestoreFailure("failed", what, { cause, hint: hint ?? hintOf(cause) });
}

/** Whether a start failed because of its template, which is removed then, with what was made from it. */
export async function forgetTemplate(boot: Boot, thrown: unknown): Promise<boolean> {
  const { member, template } = boot;
  const { name, phases, context } = member;
  if (template === undefined || !isItsFault(boot, thrown)) return false;
  if (phases.now.kind !== "preparing" && phases.now.kind !== "booting") return false;
  const why = boot.exit ? boot.exit.message : messageOf(thrown);
  const run = runOf(phases.now);
  boot.again();
  phases.to({ kind: "preparing", boot, stage: "image" });
  await run?.[Symbol.asyncDispose]();
  const text = brokenTemplate(name, why);
  log(text);
  context.onNote(text);
  await removeTemplate(context.store, template);
  await removeMember(context.store, name, { isServedHere: true });
  await context.writePid(name);
  boot.signal.throwIfAborted();
  return true;
}

/** Errors that say nothing about a template: a host without room, rights or programs. */
const NOT_ITS_FAULT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["no-space", "denied", "unavailable", "conflict"]);

/** Before there is a machine, one of its files may be gone, or no disk. */
function isItsFault({ prepared, exit, signal }: Boot, thrown: unknown): boolean {
  if (prepared) return thrown instanceof RestoreFailure || exit !== undefined;
  return !signal.aborted && !isNoSpace(thrown) && !NOT_ITS_FAULT.has(codeOf(thrown));
}
