/** `start` and `startCluster`: from names and options to machines that answer. */

import { FleetboxError } from "../core/errors.ts";
import { checkName, checkNames } from "../core/names.ts";
import { Store } from "../store.ts";
import { checked, wireOptions } from "./check.ts";
import { SUBNET } from "../network/subnet.ts";
import { sizeOf } from "../system/files.ts";
import { MachineGroup } from "./group.ts";
import "./hints.ts";
import { MachineCluster } from "./cluster.ts";
import { hostNames, storeNameOf, uniqueName, uniqueNames, type Wanted } from "./naming.ts";
import type { Cluster, StartOptions, Vm } from "./types.ts";
import type { TracedTest } from "./trace/group_trace.ts";
import { Machine, type Opened } from "./vm.ts";

/**
 * Boots a machine and returns when it answers.
 *
 * It lives until it is disposed of, and no longer than this process: at its end it is removed with its disk. The first
 * machine in a store takes longer, because the image is unpacked.
 *
 * @param name Its name, 1 to 63 of `a-z 0-9 -`. @default a unique one
 * @throws {FleetboxError} `conflict`: there is a machine of that name; `interrupted`: by the signal; `unavailable`: no
 * hypervisor; or why it did not come up, with the last lines of its console. Then it is removed.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start("web", { memoryMiB: 512 });
 * const { stdout } = await vm.exec("uname -r");
 * ```
 */
export async function start(name?: string, options?: StartOptions): Promise<Vm>;
/**
 * Boots a machine with a unique name.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start({ egress: "off", signal: AbortSignal.timeout(60_000) });
 * ```
 */
export async function start(options: StartOptions): Promise<Vm>;
export async function start(first?: string | StartOptions, second?: StartOptions): Promise<Vm> {
  const [name, given] = typeof first === "object" ? [undefined, first] : [first, second];
  return await openMachine(name ?? uniqueName(), given);
}

/** {@link start} for the fixtures, which do more with a machine than a test can. */
export async function openMachine(
  name: string,
  options: StartOptions | undefined,
  test?: TracedTest,
): Promise<Machine> {
  const { group, machines } = await open([{ name: checkName(name), storeName: name }], "start()", options, test);
  return new Machine(group, machines[0], () => group.close());
}

/**
 * Boots machines on one private network, where they find each other by name; returns when all of them answer.
 *
 * @param members Their names, or their number: then they get unique names.
 * @throws {FleetboxError} as {@link start} does. All come up, or none.
 *
 * @example
 * ```ts
 * import { startCluster } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * await cluster.get("a").exec("ping -c 1 b", { check: true });
 *
 * await using three = await startCluster(3);
 * const [first, second] = three.vms;
 * await first.exec(["ping", "-c", "1", second.name], { check: true });
 * ```
 */
export async function startCluster(members: readonly string[] | number, options?: StartOptions): Promise<Cluster> {
  const names = hostNamesOf(members, uniqueNames);
  const isInStore = typeof members === "number" || options?.existing !== undefined;
  return await openCluster(names.map((name) => ({ name, storeName: isInStore ? name : storeNameOf(name) })), options);
}

/**
 * The names that a call asks for.
 * @param numbered names for so many machines
 * @throws {FleetboxError} `misuse`
 */
export function hostNamesOf(members: readonly string[] | number, numbered: (count: number) => string[]): string[] {
  if (Array.isArray(members)) return checkNames(members);
  if (typeof members !== "number") {
    throw new FleetboxError("misuse", `Not a group: found ${typeof members}, expected names or a number of machines`);
  }
  if (Number.isInteger(members) && members >= 1 && members <= SUBNET.capacity) return numbered(members);
  const expected = `a whole number from 1 to ${SUBNET.capacity}`;
  throw new FleetboxError("misuse", `Not a number of machines: found ${members}, expected ${expected}`);
}

/** {@link startCluster} for the fixtures. */
export async function openCluster(
  wanted: Wanted[],
  options: StartOptions | undefined,
  test?: TracedTest,
): Promise<MachineCluster> {
  const { group, machines } = await open(wanted, "startCluster()", options, test);
  return new MachineCluster(group, machines, options?.existing !== undefined);
}

async function open(
  wanted: Wanted[],
  call: string,
  given: StartOptions | undefined,
  test: TracedTest | undefined,
): Promise<{ group: MachineGroup; machines: Opened[] }> {
  const options = checked("start", call, given);
  const store = storeOf(options);
  const names = wanted.map(({ storeName }) => storeName);
  const sizes = names.map((name) => sizeOf(store.member(name).serialLog));
  const { group, reports } = await MachineGroup.open({
    store,
    names,
    options: { ...wireOptions(options), ...hostNames(wanted) },
    existing: options.existing ?? "refuse",
    signal: options.signal,
    test,
  });
  const machines = reports.map((report, index) => ({ name: wanted[index].name, report, consoleStart: sizes[index] }));
  return { group, machines };
}

/** The store of these options. @throws {FleetboxError} `misuse`, `denied` */
export function storeOf({ store }: { store?: string }): Store {
  return store === undefined ? Store.fromEnvironment() : Store.at(store);
}
