/** A command of a guest's shell, through OpenSSH's client. */

import type { Store } from "../../store.ts";
import { sshArguments } from "../arguments/ssh_arguments.ts";
import { currentPlace } from "../places/current.ts";
import type { KeptConnection } from "../../control/places/kept.ts";
import { BROKEN, type ClientWishes, INTERRUPTED, runClient } from "./ssh_client.ts";
import type { ReachedMember } from "./ssh_endpoint.ts";

/**
 * The image whose SSH server looks up a user's groups for each command. OpenSSH's does for each connection: a command on a kept one
 * would not have a group that the one before gave its user.
 */
const FRESH_SESSIONS = "micro";

/** @returns as {@link runClient} */
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
  if (image !== FRESH_SESSIONS || faults || isSilent || machine === undefined) return undefined;
  return currentPlace()?.connection?.takeKept(`${name} ${pid} ${machine} ${resets}`);
}
