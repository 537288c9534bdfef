/**
 * The NoCloud seed: the small volume, labelled `cidata`, that tells a guest who it is.
 *
 * The same for every image (cloud-init's NoCloud data source, https://cloudinit.readthedocs.io, "NoCloud"): meta-data,
 * user-data, vendor-data and network-config version 2. What is ours goes into vendor-data, so that a user's own
 * user-data overrides it. Every value is written as a double-quoted YAML scalar, which is what JSON strings are, so
 * that no name or path can become YAML. `qemu-img` makes the volume (its vvfat driver), no file system code of ours.
 */

import { join } from "node:path";
import { isNoSpace } from "../errors.ts";
import { run } from "../process.ts";
import { storeError } from "../store.ts";

/** Who a guest is. */
export interface SeedFacts {
  name: string;
  instanceId: string;
  user: string;
  /** One line of `authorized_keys`. */
  publicKey: string;
  mac: string;
  /** Address on the group's network, with its prefix length: `10.88.0.11/24`. */
  address: string;
  gateway: string;
  dns: string;
  /** The search domain for member names. */
  domain: string;
}

/** The seed's files by name. Pure. */
export function seedFiles(facts: SeedFacts): Record<string, string> {
  const q = (value: string) => JSON.stringify(value);
  return {
    "meta-data": lines(`instance-id: ${q(facts.instanceId)}`, `local-hostname: ${q(facts.name)}`),
    "user-data": lines("#cloud-config"),
    "vendor-data": lines(
      "#cloud-config",
      `hostname: ${q(facts.name)}`,
      "users:",
      `  - name: ${q(facts.user)}`,
      `    sudo: ${q("ALL=(ALL) NOPASSWD:ALL")}`,
      `    shell: ${q("/bin/sh")}`,
      "    lock_passwd: true",
      "    ssh_authorized_keys:",
      `      - ${q(facts.publicKey)}`,
    ),
    "network-config": lines(
      "version: 2",
      "ethernets:",
      "  net0:",
      "    match:",
      `      macaddress: ${q(facts.mac)}`,
      `    set-name: ${q("eth0")}`,
      `    addresses: [${q(facts.address)}]`,
      "    routes:",
      `      - to: ${q("default")}`,
      `        via: ${q(facts.gateway)}`,
      "    nameservers:",
      `      search: [${q(facts.domain)}]`,
      `      addresses: [${q(facts.dns)}]`,
    ),
  };
}

/**
 * Makes the seed volume at `path`, replacing one that is there. About 3 MB of FAT.
 * @throws {FleetboxError} `unavailable`: no `qemu-img`; `no-space`; `failed`.
 */
export async function writeSeed(path: string, facts: SeedFacts): Promise<void> {
  const aside = `${path}.${crypto.randomUUID().slice(0, 8)}`;
  const directory = `${aside}.d`;
  try {
    await Deno.mkdir(directory, { mode: 0o700 });
    for (const [name, text] of Object.entries(seedFiles(facts))) {
      await Deno.writeTextFile(join(directory, name), text, { mode: 0o600 });
    }
    const source = `driver=vvfat,dir=${directory.replaceAll(",", ",,")},label=cidata,floppy=on`;
    await run("qemu-img", ["convert", "--image-opts", source, "-O", "raw", aside], {
      hint: "Install QEMU's tools: apt-get install qemu-utils",
    });
    await Deno.rename(aside, path);
  } catch (cause) {
    throw isNoSpace(cause) || !(cause instanceof Error) ? storeError(`Cannot write the seed ${path}`, cause) : cause;
  } finally {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    await Deno.remove(aside).catch(() => {});
  }
}

function lines(...all: string[]): string {
  return all.join("\n") + "\n";
}
