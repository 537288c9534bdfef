/** The members of a trace, to be made again: their names, and with which options. Pure. */

import { FleetboxError, messageOf } from "../../core/errors.ts";
import { checkName, checkNames, isName, listed, MAX_MEMBERS, MAX_NAME_LENGTH } from "../../core/names.ts";
import { checkOptions, type Options } from "../../core/options.ts";
import { printable } from "../../core/printable.ts";
import { record, text } from "../../viewer/data/model.ts";

/** A member that is to be made. */
export interface NewMember {
  name: string;
  /** Its name in the trace. */
  was: string;
  /** What it was called on its network, and is called again. */
  hostName: string;
  /** As it is in `meta.json`. */
  facts: Record<string, unknown>;
}

/** Members that are made alike, at once. */
export interface Batch {
  names: string[];
  options: Options;
}

/**
 * The members of `meta.json`, in the order of their addresses, so that they get the same ones again.
 * @param as what their names begin with; undefined: they are called as they were
 * @throws {FleetboxError} `damaged`: they are not known; `misuse`: there can be no such names
 */
export function newMembers(path: string, members: unknown, as: string | undefined): NewMember[] {
  const known = (Array.isArray(members) ? members : []).map(record);
  if (known.length === 0) throw unknownMembers(path, "its meta.json names no members", []);
  if (known.length > MAX_MEMBERS) throw unknownMembers(path, `its meta.json names ${known.length} members`, []);
  const all = known.toSorted((one, other) => slotOf(one) - slotOf(other)).map((facts) => {
    const was = text(facts.name), hostName = text(facts.host_name) || was;
    if (!isName(was) || !isName(hostName)) throw unknownMembers(path, `a member has the name ${quoted(was)}`, []);
    return { name: as === undefined ? was : `${as}-${hostName}`, was, hostName, facts };
  });
  const tooLong = all.find(({ name }) => name.length > MAX_NAME_LENGTH)?.name;
  if (tooLong !== undefined) {
    throw new FleetboxError(
      "misuse",
      `Bad value for --as: "${tooLong}" has ${tooLong.length} characters, expected at most ${MAX_NAME_LENGTH}`,
      { hint: "Choose a shorter beginning: --as again" },
    );
  }
  if (as !== undefined) checkName(as);
  checkNames(all.map(({ name }) => name));
  return all;
}

const quoted = (name: string) => JSON.stringify(printable(name).slice(0, 80));

/** The last part of a member's address; those that have none come last. */
function slotOf({ ip }: Record<string, unknown>): number {
  const slot = Number(text(ip).split(".").at(-1) || "256");
  return Number.isNaN(slot) ? 256 : slot;
}

/**
 * Members beside each other that are alike make one batch: the first starts a group, the others join it.
 * @throws {FleetboxError} `damaged`: what a member was is not known
 */
export function batchesOf(path: string, members: readonly NewMember[]): Batch[] {
  const batches: (Batch & { key: string })[] = [];
  for (const { name, hostName, was, facts } of members) {
    const options = optionsOf(path, was, facts, members);
    const key = JSON.stringify(options);
    let batch = batches.at(-1);
    if (batch?.key !== key) batches.push(batch = { key, names: [], options });
    batch.names.push(name);
    if (hostName !== name) batch.options.host_names = { ...batch.options.host_names, [name]: hostName };
  }
  return batches.map(({ names, options }) => ({ names, options }));
}

function optionsOf(
  path: string,
  was: string,
  facts: Record<string, unknown>,
  members: readonly NewMember[],
): Options {
  const { image, cpus, memory_mb, disk_mb, arch, firmware, egress } = facts;
  const missing = Object.entries({ image, cpus, memory_mb }).flatMap(([key, value]) =>
    value === undefined ? [key] : []
  );
  const names = members.map((one) => one.was);
  if (missing.length > 0) throw unknownMembers(path, `its meta.json has no ${missing.join(", ")} of "${was}"`, names);
  const gib = (mib: unknown) => typeof mib === "number" ? mib / 1024 : mib;
  const all = { image, cpus, mem: gib(memory_mb), disk: gib(disk_mb), arch, firmware, egress };
  try {
    return checkOptions(Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)));
  } catch (thrown) {
    throw unknownMembers(path, `of "${was}" its meta.json has a ${messageOf(thrown).replace(/^Bad/, "bad")}`, names);
  }
}

function unknownMembers(path: string, why: string, names: readonly string[]): FleetboxError {
  const up = `fleetbox up ${names.length > 0 && names.length <= 5 ? names.join(",") : "NAMES"}`;
  return new FleetboxError("damaged", `Cannot make the members of ${path} again: ${why}`, {
    hint: `Make them yourself, and play the bundle's plan.json: ${up} && fleetbox fault run plan.json`,
  });
}

/** @throws {FleetboxError} `conflict`: some of them are there */
export function areThere(names: readonly string[], command: string): FleetboxError {
  const what = names.length > 1 ? "are members" : "is a member";
  return new FleetboxError("conflict", `Cannot make the trace's members: there ${what} ${listed(names)} already`, {
    hint: `Make new ones beside them: ${command} --as again; or remove them: fleetbox rm ${names.join(" ")}`,
  });
}
