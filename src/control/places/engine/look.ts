/** Looks at an engine when its place is added: whether its commands are there, what it is called, and who the user is there. */

import { FleetboxError } from "../../../core/errors.ts";
import type { EngineRecord } from "../../../store/places.ts";
import { ProcessError } from "../../../system/process.ts";
import type { PlaceConnection } from "../connection.ts";
import { SLURM_PROGRAMS } from "./slurm.ts";

/** What a user may ask of each job. */
export type EngineWish = Pick<EngineRecord, "partition" | "account" | "time">;

const SCRIPT = `for one in ${SLURM_PROGRAMS.join(" ")} ssh-keygen; do
    command -v "$one" >/dev/null || { echo "lacks $one"; exit 0; }
  done
  scontrol show config | sed -n 's/^ClusterName *= */cluster /p'
  echo "user $(id -un)"`;

/** @throws {FleetboxError} `unavailable`: there is no Slurm, or it does not answer */
export async function lookAtSlurm(connection: PlaceConnection, wish: EngineWish): Promise<EngineRecord> {
  const { name, url } = connection.place;
  let text: string;
  try {
    text = await connection.shell(SCRIPT);
  } catch (thrown) {
    if (!(thrown instanceof ProcessError)) throw thrown;
    throw new FleetboxError("unavailable", `Cannot look at Slurm at "${name}" (${url}): ${thrown.stderr}`);
  }
  const find = (word: string) => new RegExp(`^${word} (.+)$`, "m").exec(text)?.[1].trim();
  const missing = find("lacks");
  if (missing !== undefined) {
    throw new FleetboxError("unavailable", `"${name}" (${url}) has no ${missing}, expected a host of a Slurm cluster`, {
      hint: missing.startsWith("s") && missing !== "ssh-keygen"
        ? `A host without Slurm is a place by OpenSSH alone: fleetbox place add ${name} ssh://HOST`
        : "Install OpenSSH's client there.",
    });
  }
  const [cluster, user] = [find("cluster"), find("user")];
  if (cluster === undefined || !/^[\w.-]+$/.test(cluster) || user === undefined) {
    throw new FleetboxError("unavailable", `Slurm at "${name}" (${url}) does not answer: expected a cluster's name`, {
      hint: "Try it there: scontrol show config",
    });
  }
  const given = Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined));
  return { kind: "slurm", cluster, user, ...given };
}
