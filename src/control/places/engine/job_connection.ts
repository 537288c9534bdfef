/**
 * The connection to a job: OpenSSH, as to any place, to an SSH server of the user's own in the job. It needs neither root nor a
 * port: the engine's command carries its bytes. Keys and configuration of that server are in the store there, made once; who
 * reads the store may log in to the user's jobs, and nobody else.
 */

import { shellCommand } from "../../../core/quoting.ts";
import {
  idOf,
  jobDirectory,
  jobsDir,
  makePlaceDirectory,
  type Place,
  placePaths,
  placeStore,
} from "../../../store/places.ts";
import type { Store } from "../../../store.ts";
import { writeDurably } from "../../../system/files.ts";
import { join } from "../../../core/paths.ts";
import { PlaceConnection } from "../connection.ts";
import type { Engine } from "./engine.ts";

/** What the server in a job is called in the file of known hosts, which is ours: we made its key. */
const ALIAS = "fleetbox-job";

const MAKE_KEYS = `set -e; umask 077; d=$1/jobs/ssh
  if [ ! -e "$d/config" ]; then
    t=$d.$$.tmp; mkdir -p "$t"
    for key in host_key client; do ssh-keygen -qt ed25519 -N '' -C ${ALIAS} -f "$t/$key"; done
    cp "$t/client.pub" "$t/authorized_keys"
    cat >"$t/config" <<END
HostKey "$d/host_key"
AuthorizedKeysFile "$d/authorized_keys"
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxSessions 200
AllowStreamLocalForwarding yes
AllowTcpForwarding yes
END
    mv -T "$t" "$d" 2>/dev/null || rm -rf "$t"
  fi
  cat "$d/host_key.pub" "$d/client"`;

/** Makes, or finds, the keys there, and has here what a client needs of them. */
async function fetchKeys(store: Store, place: Place, login: PlaceConnection): Promise<{ key: string; known: string }> {
  const text = await login.shell(MAKE_KEYS, [place.store]);
  makePlaceDirectory(store, place.name);
  const { dir } = placePaths(store, place.name);
  const files = { key: join(dir, "job_key"), known: join(dir, "known_hosts") };
  await writeDurably(files.known, `${ALIAS} ${/ssh-ed25519 \S+/.exec(text)?.[0] ?? ""}\n`, { sync: false });
  await writeDurably(files.key, text.slice(text.indexOf("-----BEGIN")), { sync: false });
  return files;
}

/** Not open yet. @param login the connection to the place's address */
export async function jobConnection(
  store: Store,
  place: Place,
  login: PlaceConnection,
  engine: Engine,
  job: string,
): Promise<PlaceConnection> {
  const { key, known } = await fetchKeys(store, place, login);
  const dir = jobDirectory(place.name, job);
  makePlaceDirectory(store, dir);
  const complaints = join(placeStore(store, dir).root, "complaints");
  const inJob = engine.proxyCommand(idOf(job), join(jobsDir(place.store), "ssh/config"));
  const line = shellCommand(login.isLocal ? inJob : ["ssh", ...login.args(["-T"], [shellCommand(inJob)])]);
  const proxy = `${line} 2>${shellCommand([complaints])}`.replaceAll("%", "%%");
  const file = (path: string) => `"${path.replaceAll("%", "%%")}"`;
  const options = [
    ...["-F", "/dev/null", "-l", place.engine!.user, "-o", `ProxyCommand=${proxy}`, "-o", `HostKeyAlias=${ALIAS}`],
    ...["-o", `UserKnownHostsFile=${file(known)}`, "-o", "GlobalKnownHostsFile=/dev/null"],
    ...["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "IdentityAgent=none"],
    ...["-o", "IdentitiesOnly=yes", "-o", `IdentityFile=${file(key)}`],
  ];
  const route = { dir, options, host: `job-${idOf(job)}`, complaints };
  return new PlaceConnection(store, place, { route });
}
