/** Forks of a checkpoint, opened: a group whose machines go on where the saved ones were. */

import { forkOptions } from "../../control/snapshots/fork.ts";
import type { Options } from "../../core/options.ts";
import type { MemberConfig } from "../../store.ts";
import { wireOptions } from "../check.ts";
import type { Group, Home } from "../places/home.ts";
import { storeNameOf } from "../naming.ts";
import type { ForkOptions } from "../types.ts";
import type { TracedTest } from "../trace/group_trace.ts";
import type { Opened } from "../vm.ts";

interface ForkRequest {
  home: Home;
  /** The checkpoint's name. */
  checkpoint: string;
  options: ForkOptions;
  /** The store's name for a machine with this host name. @default one that nothing else has */
  nameOf?: (hostName: string) => string;
  /** The test whose machines they are. */
  test?: TracedTest;
}

/** @throws {FleetboxError} `not-found`: the checkpoint was removed; why the machines do not go on: none is left then */
export async function openFork(
  { home, checkpoint, options, nameOf = storeNameOf, test }: ForkRequest,
): Promise<{ group: Group; machines: Opened[] }> {
  const saved = Object.entries((await home.checkpoint(checkpoint)).members)
    .map(([was, { host_name, config }]) => ({ was, name: host_name, config }));
  const members = Object.fromEntries(saved.map(({ was, name }) => [nameOf(name), was]));
  const { group, reports } = await home.open({
    names: Object.keys(members),
    options: forkOptions(checkpoint, members, wireOptions(options)),
    defaults: optionsLike(saved[0].config),
    existing: "refuse",
    signal: options.signal,
    test,
  });
  const nameAtSave = new Map(saved.map(({ was, name }) => [was, name]));
  const machines = reports.map((report) => ({
    name: nameAtSave.get(members[report.name]),
    report,
    consoleStart: 0,
  }));
  return { group, machines };
}

/** The options with which a machine is made that is to be like another one. */
function optionsLike({ image, arch, firmware, cpus, memory_mb, disk_mb, fixtures, user_data }: MemberConfig): Options {
  return {
    image,
    ...(arch ? { arch } : {}),
    ...(firmware ? { firmware } : {}),
    cpus,
    mem: memory_mb / 1024,
    disk: disk_mb / 1024,
    fixtures,
    ...(user_data === undefined ? {} : { user_data }),
  };
}
