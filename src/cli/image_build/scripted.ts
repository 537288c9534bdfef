/**
 * Runs scripts in an image that is being built: a machine of its own boots from it, they run there as `up --run` does it, what made it
 * that machine is removed, and its disk becomes the image.
 *
 * A machine, and no chroot: what a script does (starting a service, a mount, `reboot`) stays in there. It ends with this program.
 */

import { resolveHelper } from "../../../helper/resolve.ts";
import { getReport, type Session, spawn, stop } from "../../control.ts";
import { BringUp } from "../../control/bring_up.ts";
import { planUp } from "../../control/plan.ts";
import { removeLogs, removeStopped } from "../../control/remove.ts";
import { runScripts } from "../../control/scripts.ts";
import { basename } from "../../core/paths.ts";
import { FleetboxError, fromWireError, type WireError } from "../../core/errors.ts";
import { DEFAULTS, type Options, type Script } from "../../core/options.ts";
import { describeDirectory } from "../../image/image.ts";
import { makeOwnImage } from "../../image/own_image.ts";
import type { Store } from "../../store.ts";
import { diskOf } from "../../store/disk.ts";
import { ownIdentity } from "../../system/process.ts";
import type { OutputEvent } from "../../wire.ts";

interface ScriptedRequest {
  /** What the new image is called. */
  name: string;
  /** The directory of the image. */
  base: string;
  place: (version: string) => string;
  scripts: Script[];
  /** @default as of any machine */
  egress?: Options["egress"];
  signal: AbortSignal;
  onStep: (step: string) => void;
  onOutput: (line: OutputEvent) => void;
  onNote: (text: string) => void;
}

/** Package managers want more than a small machine has. */
const MEMORY_MIB = 1024;
const GRACE_MS = 90_000;

/**
 * Removes what made the machine one of its own, so that each machine of the image makes that anew: keys, ids, and what cloud-init
 * remembers. It is the last script: after it nobody can log in.
 */
const SEAL = `set -e
rm -f /etc/ssh/ssh_host_* /etc/dropbear/*_host_key /etc/sudoers.d/90-cloud-init-users
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed
[ ! -e /etc/machine-id ] || : >/etc/machine-id
rm -rf /var/lib/cloud /var/log/cloud-init*.log /var/log/journal/*
if command -v apt-get >/dev/null 2>&1; then apt-get clean; rm -rf /var/lib/apt/lists/*; fi
rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys /root/.bash_history /root/.ash_history
`;

/** @returns the directory of the image */
export async function runInImage(store: Store, request: ScriptedRequest): Promise<string> {
  const { base, scripts, egress, signal, onStep, onNote } = request;
  const name = `image-build-${crypto.randomUUID().slice(0, 8)}`;
  const owner = ownIdentity();
  const image = describeDirectory(basename(base), base);
  let session: Session | undefined;
  try {
    const bringUp = new BringUp(store, {
      names: [name],
      options: {
        image: base,
        run: scripts,
        ...(egress === undefined ? {} : { egress }),
        cold: true,
        no_template: true,
        ...(image.cloudInit ? { mem: Math.max(MEMORY_MIB, image.defaultMemoryMiB) / 1024 } : {}),
        boot_timeout_ms: 5 * DEFAULTS.bootTimeoutMs, // a machine without KVM, on a busy host
        ...(owner ? { owner } : {}),
      },
      wait: true,
      timeoutMs: 5 * DEFAULTS.bootTimeoutMs,
      plan: (facts, groups) => planUp([facts.get(name)!], groups),
      findExecutable: resolveHelper,
      startHolder: async (holder) => session = await spawn(store, { ...holder, bound: true }),
      progress: {
        member: ({ state, stage }) =>
          state === "starting" && onStep(stage === "script" ? "running" : `booting: ${stage}`),
        already: () => {},
        note: onNote,
        detail: () => {},
        output: request.onOutput,
      },
      signal,
    });
    const [{ failure }] = await bringUp.run();
    if (failure) throw failed(request.name, failure);
    onStep("removing what is one machine's own");
    await runScripts(store, name, [{ name: "fleetbox's last one", text: SEAL }], () => {}, signal);
    const sealed = await getReport(store, name);
    if (sealed?.failure) throw failed(request.name, sealed.failure);
    const disk = diskOf(store, store.config(name)!);
    onStep("shutting it down");
    await stop(store, name, { graceMs: GRACE_MS, signal });
    signal.throwIfAborted();
    onStep("making the disk");
    return await makeOwnImage({ base, disk, name: request.name, place: request.place, signal });
  } finally {
    await session?.close();
    await removeStopped(store, name).catch(() => {}); // its owner's end removes it, too
    removeLogs(store, [name]);
  }
}

/** The failure of a script, of which the user does not know the machine, which is gone. */
function failed(image: string, failure: WireError): FleetboxError {
  const what = failure.message.replace(/^"[^"]*" runs, but /, "").replace(" failed in it with ", " failed with ");
  return new FleetboxError(failure.code, `Cannot build ${image}: ${what}`, {
    cause: fromWireError(failure).cause,
    hint:
      "Mend the script, and build it again. To look around, run it in a machine: fleetbox up NAME --image IMAGE --run FILE",
  });
}
