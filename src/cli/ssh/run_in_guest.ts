/** A command of a guest's shell, through OpenSSH's client. */

import { byteLength } from "../../core/bytes.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { sshArguments } from "../arguments/ssh_arguments.ts";
import { currentPlace } from "../places/current.ts";
import type { KeptConnection } from "../../control/places/kept.ts";
import { BROKEN, type ClientWishes, INTERRUPTED, runClient } from "./ssh_client.ts";
import type { ReachedMember } from "./ssh_endpoint.ts";

/**
 * The image whose SSH server is dropbear. That looks up a user's groups for each command; OpenSSH's does for each connection, so that
 * a command on a kept one would not have a group that the one before gave its user.
 */
const MICRO = "micro";
/** The longest line that dropbear takes, in bytes (MAX_CMD_LEN); a longer one ends the connection without a word. */
const MAX_LINE = 9_000;

/** @throws {FleetboxError} `misuse`: the guest's SSH server does not take a line as long as this */
export function checkLine({ name, image }: ReachedMember, line: string | undefined): void {
  const bytes = byteLength(line ?? "");
  if (image !== MICRO || bytes <= MAX_LINE) return;
  throw new FleetboxError(
    "misuse",
    `The program and its arguments take ${bytes} bytes, expected at most ${MAX_LINE}: "${name}" takes no more in one line`,
    { hint: `Put it into a file: fleetbox cp FILE ${name}: && fleetbox exec ${name} -- sh FILE` },
  );
}

/** @param options `command`: one that {@link checkLine} takes @returns as {@link runClient} */
export async function runInGuest(
  store: Store,
  member: ReachedMember,
  options: { tty: boolean; command: string },
  wishes: ClientWishes = {},
): Promise<number> {
  await using kept = keptConnection(member);
  const args = sshArguments(store, member.ssh, { ...options, given: kept?.options });
  const code = await runClient("ssh", args, store, [member.name], wishes);
  if (code !== BROKEN && code !== INTERRUPTED) kept?.giveBack();
  return code;
}

/** The connection that is kept to a member at a place, or will be; undefined: this command has one of its own. */
function keptConnection(
  { name, image, pid, hypervisor_pid: machine, resets = 0, faults, not_answering: isSilent }: ReachedMember,
): KeptConnection | undefined {
  if (image !== MICRO || faults || isSilent || machine === undefined) return undefined;
  return currentPlace()?.connection?.takeKept(`${name} ${pid} ${machine} ${resets}`);
}
