/** `start` and `startCluster`: from names and options to machines that answer. */

import { checkName } from "../core/names.ts";
import { checked, wireOptions } from "./check.ts";
import type { Group } from "./places/home.ts";
import "./hints.ts";
import { MachineCluster } from "./cluster.ts";
import { withTexts } from "./members/addresses.ts";
import { askedMembers, memberOptions } from "./members/members.ts";
import { homeOf } from "./places/home_of.ts";
import { hostNames, storeNameOf, uniqueName, uniqueNames, type Wanted } from "./naming.ts";
import type { Cluster, Members, StartOptions, Vm } from "./types.ts";
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
 * @param members Their names; their number: then they get unique names; or each with options of its own, which go before
 * `options`.
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
 *
 * await using shop = await startCluster({ db: { memoryMiB: 512 }, web: { publish: [80] } }, { egress: "off" });
 * await shop.get("web").exec("ping -c 1 db", { check: true });
 * ```
 */
export async function startCluster<Name extends string = string>(
  members: Members<Name>,
  options?: StartOptions,
): Promise<Cluster<Name>> {
  const asked = askedMembers(members, uniqueNames);
  const isInStore = typeof members === "number" || options?.existing !== undefined;
  const storeNameFor = (name: string) => isInStore ? name : storeNameOf(name);
  return await openCluster(asked.map((one) => ({ ...one, storeName: storeNameFor(one.name) })), options);
}

/** {@link startCluster} for the fixtures. */
export async function openCluster(
  wanted: Wanted[],
  options: StartOptions | undefined,
  test?: TracedTest,
): Promise<MachineCluster> {
  const { group, machines } = await open(wanted, "startCluster()", options, test);
  return new MachineCluster(group, machines, {
    isInStore: options?.existing !== undefined,
    texts: { userData: options?.userData, run: options?.run },
  });
}

async function open(
  wanted: Wanted[],
  call: string,
  given: StartOptions | undefined,
  test: TracedTest | undefined,
): Promise<{ group: Group; machines: Opened[] }> {
  const options = checked("start", call, given);
  const home = homeOf(options);
  const names = wanted.map(({ storeName }) => storeName);
  const isReused = options.existing === "reuse";
  const before = new Map(
    isReused ? await Promise.all(names.map(async (name) => [name, await home.config(name)] as const)) : [],
  );
  const addressed = withTexts(wanted, { common: options, stored: (storeName) => before.get(storeName) });
  const sizes = await Promise.all(names.map((name) => isReused ? home.consoleSize(name) : 0));
  const { group, reports } = await home.open({
    names,
    options: { ...wireOptions(options), ...hostNames(wanted), ...memberOptions(addressed) },
    existing: options.existing ?? "refuse",
    signal: options.signal,
    test,
  });
  const machines = reports.map((report, index) => ({ name: wanted[index].name, report, consoleStart: sizes[index] }));
  return { group, machines };
}
