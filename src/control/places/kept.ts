/**
 * Connections to guests at a place that are kept for a while after a command, for the next one: a login takes several round
 * trips over the network, and an emulated guest a tenth of a second.
 *
 * OpenSSH keeps them (ControlPersist in ssh_config(5)), and ends them itself. One that rests has a name of its machine; the command that takes
 * it gives it a name of its own, and gives it back. So it carries one command at a time, which dropbear before 2024.86 needs
 * (mkj/dropbear #321), without a lock, and a command that is killed keeps nothing from the next one.
 */

import { digestOf } from "../../store.ts";
import { exists, namesIn, removeIfThere, statIfThere } from "../../system/files.ts";
import { join } from "../../system/path.ts";
import { run } from "../../system/process.ts";

/** How long one is kept that nobody uses, in seconds. */
const KEPT_SECONDS = 60;
/** One that has rested for longer may be ending at this moment. */
const FRESH_SECONDS = KEPT_SECONDS - 10;

/** What rests is only ever renamed, and connected to; what ssh makes has a short name, as it adds 17 characters to that. */
const RESTING = /^[0-9a-f]{16}\.kept$/;
const TAKEN = /^[0-9a-z]{5}-[0-9a-z]$/;
/** How many this process may take: their number is one character. */
const MOST = 36;
let taken = 0;

/** The connection to a machine that this command uses: the one that rested, or one that it makes. */
export class KeptConnection implements AsyncDisposable {
  /** @param control the path of its control socket: nothing is there when ssh has to make the connection */
  private constructor(private readonly control: string, private readonly resting: string) {}

  /**
   * @param dir the place's directory
   * @param machine what no other machine of the place has, and this one no more when it has started again
   * @returns undefined: this process has taken as many as it may
   */
  static take(dir: string, machine: string): KeptConnection | undefined {
    if (taken === MOST) return undefined;
    const control = join(dir, `${Deno.pid.toString(36).padStart(5, "0")}-${(taken++).toString(36)}`);
    const resting = join(dir, `${digestOf(machine)}.kept`);
    removeIfThere(control); // of a process that had our number
    if (isFresh(resting)) moveIfThere(resting, control);
    return new KeptConnection(control, resting);
  }

  /** Options for `ssh`, which uses it, or makes it and lets it stay. */
  get options(): string[] {
    return ["-S", asPattern(this.control), "-o", "ControlMaster=auto", "-o", `ControlPersist=${KEPT_SECONDS}`];
  }

  /** Gives it back, for the next command: this one is over, and its guest knows it. One that rests is enough. */
  giveBack(): void {
    if (isFresh(this.resting)) return;
    const now = Deno.osUptime();
    try {
      Deno.utimeSync(this.control, now, now);
    } catch { /* there is none */ }
    moveIfThere(this.control, this.resting);
  }

  /**
   * Ends one that was not given back, as a connection of the command's own would end: else the command in the guest would go
   * on, and what it writes to would stay open. Never fails.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!exists(this.control)) return;
    await end(this.control);
    removeIfThere(this.control); // ssh removes what it has made, under the name that it gave it
  }
}

/** Whether a connection rests there that is not about to end. Its time is in seconds since the host's boot, which nobody sets. */
function isFresh(path: string): boolean {
  const since = statIfThere(path)?.mtime;
  const seconds = since ? Deno.osUptime() - since.getTime() / 1000 : Infinity;
  return seconds >= 0 && seconds < FRESH_SECONDS;
}

function moveIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch { /* another command was faster, or ssh has ended it */ }
}

/** A path as ssh reads that of a control socket. */
export function asPattern(path: string): string {
  return path.replaceAll("%", "%%");
}

/** Ends those that rest: a guest that is saved now would have its half of them in each of its copies. Never fails. */
export async function endKeptConnections(dir: string): Promise<void> {
  const resting = namesIn(dir).filter((name) => RESTING.test(name));
  await Promise.all(resting.map((name) => end(join(dir, name))));
}

async function end(control: string): Promise<void> {
  await run("ssh", ["-F", "/dev/null", "-S", asPattern(control), "-O", "exit", "guest"]).catch(() => {});
}

/** Removes the sockets of connections that have ended with the place's own. */
export function forgetKeptConnections(dir: string): void {
  for (const name of namesIn(dir)) {
    if (RESTING.test(name) || TAKEN.test(name)) removeIfThere(join(dir, name));
  }
}
