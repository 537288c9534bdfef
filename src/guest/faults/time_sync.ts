/**
 * Programs that keep a guest's clock right, out of the way of the faults of its clock: services of systemd are stopped, others
 * stand still (SIGSTOP; systemd would start one again that does not answer). What was stopped is noted in the guest, so that
 * exactly that goes on afterwards, whichever holder ends the faults.
 */

import { FleetboxError } from "../../core/errors.ts";
import { quoted } from "../../core/quoting.ts";
import { run } from "../../system/process.ts";
import type { SshEndpoint } from "../../wire.ts";
import { sessionArguments } from "../ssh_probe.ts";

const UNITS = "systemd-timesyncd chrony chronyd ntp ntpd ntpsec openntpd";
/** As the kernel has their names, of at most 15 characters. */
const PROGRAMS = "systemd-timesyn|chronyd|ntpd|sntp|ptp4l|phc2sys";

const NOTE = "/run/fleetbox-time-sync";

/** A line of the note: `unit NAME` or `process ID`. It is written before what it tells is done. */
const STOP = `set -e
touch ${NOTE}
if [ -d /run/systemd/system ]; then
  for unit in ${UNITS}; do
    systemctl is-active --quiet "$unit" || continue
    echo "unit $unit" >>${NOTE}
    systemctl stop "$unit"
  done
fi
for comm in /proc/[0-9]*/comm; do
  read -r name 2>/dev/null <"$comm" || continue
  case $name in ${PROGRAMS}) ;; *) continue ;; esac
  process=\${comm#/proc/}
  process=\${process%/comm}
  grep -qx "process $process" ${NOTE} || echo "process $process" >>${NOTE}
  kill -STOP "$process" || :
done`;

const START = `status=0
[ -e ${NOTE} ] || exit 0
while read -r kind name; do
  case $kind in
  unit) systemctl start "$name" || status=1 ;;
  process) kill -CONT "$name" 2>/dev/null || : ;;
  esac
done <${NOTE}
rm -f ${NOTE}
exit $status`;

/** How to reach the guest. */
interface Reach {
  endpoint: SshEndpoint;
  key: string;
  signal: AbortSignal;
}

const CONNECT_SECONDS = 8;

/** Stops them. @throws {FleetboxError} `failed`: one of them goes on */
export async function stopTimeSync(reach: Reach): Promise<void> {
  await asRoot(reach, STOP, "stop the guest's time synchronisation");
}

/** Lets those go on that were stopped. @throws {FleetboxError} `failed`: one of them does not */
export async function startTimeSync(reach: Reach): Promise<void> {
  await asRoot(reach, START, "start the guest's time synchronisation again");
}

async function asRoot({ endpoint, key, signal }: Reach, script: string, what: string): Promise<void> {
  const command = `${endpoint.user === "root" ? "" : "sudo -n "}sh -c ${quoted(script)}`;
  try {
    await run("ssh", sessionArguments(endpoint, key, { connectSeconds: CONNECT_SECONDS, command }), { signal });
  } catch (cause) {
    throw new FleetboxError("failed", `Cannot ${what}`, { cause });
  }
}
