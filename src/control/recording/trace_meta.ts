/** What a trace says of itself and its group: `meta.json`. */

import type { TraceMember, TraceMeta } from "../../core/trace/types.ts";
import { TRACE_FORMAT, TRACE_VERSION } from "../../core/trace/types.ts";
import type { Store } from "../../store.ts";
import { host } from "../../system/os.ts";
import { VERSION } from "../../system/program_info.ts";
import type { GroupReport } from "../../wire.ts";
import type { RecordingOptions } from "./recorder.ts";

/** A bundle is at most so large, before it is packed. */
const LIMIT_BYTES = 64 * 1024 * 1024;

/** `a-20261128-225501-3f9c` */
export function newId(group: string): string {
  const time = new Date().toISOString().replace(/[-:]|\..*/g, "").replace("T", "-");
  return `${group}-${time}-${crypto.randomUUID().slice(0, 4)}`;
}

export function metaOf(store: Store, id: string, group: GroupReport, { command, test }: RecordingOptions): TraceMeta {
  const bootId = host().bootId();
  return {
    format: TRACE_FORMAT,
    version: TRACE_VERSION,
    id,
    group: group.group,
    group_id: group.group_id!,
    fleetbox: VERSION,
    ...programsOf(group),
    host: {
      os: Deno.build.os,
      arch: Deno.build.arch,
      cpus: navigator.hardwareConcurrency,
      memory_mb: Math.round(Deno.systemMemoryInfo().total / 2 ** 20),
      ...(bootId === undefined ? {} : { boot_id: bootId }),
    },
    started: new Date().toISOString(),
    ...(command ? { command } : {}),
    members: group.members.map(({ name, host_name }) => memberOf(store, name, host_name)),
    ...(test ? { test } : {}),
    limit_bytes: LIMIT_BYTES,
  };
}

/** What runs its machines, as far as that is known. */
export function programsOf(group: GroupReport | undefined): Pick<TraceMeta, "hypervisor" | "accelerator"> {
  const hypervisor = group?.members.find((one) => one.hypervisor)?.hypervisor;
  return {
    ...(hypervisor === undefined ? {} : { hypervisor }),
    ...(group?.accelerator ? { accelerator: group.accelerator.name } : {}),
  };
}

/** @param reported its host name, as its holder says it: it has no config yet */
export function memberOf(store: Store, name: string, reported = name): TraceMember {
  const config = store.config(name);
  if (!config) return { name, host_name: reported };
  const { host_name: hostName = name, mac, ip, image, cpus, memory_mb, disk_mb, arch, firmware, egress } = config;
  const facts = { name, host_name: hostName, mac, ip, image, cpus, memory_mb, disk_mb, arch, firmware, egress };
  const { image_id, from_checkpoint } = config;
  return { ...facts, image_id, ...(from_checkpoint === undefined ? {} : { from_checkpoint }) };
}
