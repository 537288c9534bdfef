/**
 * Which host this is, for a store that several hosts see: a home directory on a network, a volume of two containers. Process ids, start
 * times and unix sockets mean something on one host alone, so whatever is recorded with them says whose they are.
 *
 * | relation    | what it is                                    | what its processes are                                    |
 * | ----------- | --------------------------------------------- | --------------------------------------------------------- |
 * | `here`      | this host, since this boot                    | known by their ids                                        |
 * | `ended`     | this host, before it was started again; a job of a cluster that is over | gone                            |
 * | `neighbour` | another container of this kernel              | unknown by their ids; their sockets answer while they run |
 * | `elsewhere` | another host                                  | unknown                                                   |
 */

import { variable } from "../core/environment.ts";
import { host } from "./os.ts";

/** A host, as records name it. */
export interface HostIdentity {
  /** Its name, for people. */
  name: string;
  /** `/etc/machine-id`; absent where there is none. */
  machine?: string;
  /** Another one after each boot. */
  boot?: string;
  /** The namespace of its process ids. Linux. */
  pids?: string;
  /** The job of a cluster that its processes belong to, and end with. */
  job?: string;
}

export type Relation = "here" | "ended" | "neighbour" | "elsewhere";

let mine: HostIdentity | undefined;

export function thisHost(): HostIdentity {
  return mine ??= look();
}

/** Replaces this host, for tests. Dispose of the result to undo it. */
export function replaceThisHost(identity: HostIdentity): Disposable {
  const before = mine;
  mine = identity;
  return { [Symbol.dispose]: () => void (mine = before) };
}

/** What a recorded host is to this one. Of an earlier version, which recorded none: this one. */
export function relationOf(other: HostIdentity | undefined, own: HostIdentity = thisHost()): Relation {
  if (other === undefined) return "here";
  if (other.job !== undefined && variable("FLEETBOX_ENDED_JOBS")?.split(",").includes(other.job)) return "ended";
  const isBoot = other.boot !== undefined && other.boot === own.boot;
  if (isBoot && other.pids === own.pids) return "here";
  if (other.name === own.name && other.machine === own.machine) return "ended";
  return isBoot ? "neighbour" : "elsewhere";
}

/** Whether something read back is a host's identity. */
export function isHostIdentity(value: unknown): value is HostIdentity {
  const { name, machine, boot, pids, job } = (value ?? {}) as Record<string, unknown>;
  return typeof name === "string" &&
    [machine, boot, pids, job].every((one) => one === undefined || typeof one === "string");
}

function look(): HostIdentity {
  const { name: system, bootId, hostName } = host();
  const read = (look: () => string) => {
    try {
      return look().trim() || undefined;
    } catch {
      return undefined;
    }
  };
  const [machine, pids] = system === "linux"
    ? [read(() => Deno.readTextFileSync("/etc/machine-id")), read(() => Deno.readLinkSync("/proc/self/ns/pid"))]
    : [];
  const boot = bootId();
  const job = variable("FLEETBOX_JOB");
  return {
    name: hostName(),
    ...(machine === undefined ? {} : { machine }),
    ...(boot === undefined ? {} : { boot }),
    ...(pids === undefined ? {} : { pids }),
    ...(job === undefined ? {} : { job }),
  };
}
