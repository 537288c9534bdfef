/**
 * The NoCloud seed: the small volume, labelled `cidata`, with a guest's identity and settings.
 *
 * The same for every image (cloud-init's NoCloud data source, https://cloudinit.readthedocs.io, "NoCloud"): meta-data,
 * user-data, vendor-data and network-config version 2; and `fixtures`, which cloud-init ignores and `micro` reads.
 * Every value is written as a double-quoted YAML scalar, which is what JSON strings are, so that no name or path can
 * become YAML. The driver's tools make the volume, no file system code of ours.
 *
 * Our settings are in vendor-data, which a user's own user-data overrides. But cloud-init replaces whole lists: after
 * one `users:` there, no user has our key. So user-data is then a MIME message of two parts, the user's and ours once
 * more, with a Merge-Type by which ours adds to lists and replaces nothing (cloud-init's manual, "Merging user-data").
 */

import { join } from "../core/paths.ts";
import { isNoSpace } from "../core/errors.ts";
import { quoted } from "../core/quoting.ts";
import { sha256 } from "../core/sha256.ts";
import { replaceFile, storeError, withDirectoryBeside } from "../system/files.ts";
import { driver } from "../vmm/driver.ts";
import { sharedDirectoryLabel } from "./directories/shared_directories.ts";
import { isMimeMessage } from "./user_data.ts";

/** In a guest: the rows and columns of the terminal that showed its console last, as `fleetbox console` told it. */
export const SIZE_FILE = "/run/fleetbox-console-size";

/**
 * A login on the serial line opens it again, and its size is lost. This sets it again from the file: it asks nothing on
 * the line, so it cannot hang, or swallow the user's keys.
 */
const SIZE_PROFILE = lines(
  `if [ -r ${SIZE_FILE} ]; then`,
  "  case $(tty) in",
  "    /dev/ttyS* | /dev/ttyAMA* | /dev/hvc*)",
  `      read -r fleetbox_rows fleetbox_columns <${SIZE_FILE}`,
  '      stty rows "$fleetbox_rows" cols "$fleetbox_columns" 2>/dev/null || :',
  "      unset fleetbox_rows fleetbox_columns ;;",
  "  esac",
  "fi",
);

/** A guest's identity and settings. */
export interface SeedFacts {
  /** What it is called on its group's network. */
  hostName: string;
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
  /** The user's own user-data, as it was given. */
  userData?: string;
  /** The mount points of the shared directories, in the order of their volumes. @default [] */
  sharedDirectories?: string[];
}

/** The seed's files by name. Pure. */
export function seedFiles(facts: SeedFacts): Record<string, string> {
  const ours = cloudConfig(facts);
  return {
    "meta-data": lines(`instance-id: ${yaml(facts.instanceId)}`, `local-hostname: ${yaml(facts.hostName)}`),
    "user-data": facts.userData === undefined ? lines("#cloud-config", "{}") : beside(facts.userData, ours),
    "vendor-data": ours,
    "network-config": lines(
      "version: 2",
      "ethernets:",
      "  net0:",
      "    match:",
      `      macaddress: ${yaml(facts.mac)}`,
      `    set-name: ${yaml("eth0")}`,
      `    addresses: [${yaml(facts.address)}]`,
      "    routes:",
      // Not "default": cloud-init 22.4 hands that to netplan alone.
      `      - to: ${yaml("0.0.0.0/0")}`,
      `        via: ${yaml(facts.gateway)}`,
      "    nameservers:",
      `      search: [${yaml(facts.domain)}]`,
      `      addresses: [${yaml(facts.dns)}]`,
    ),
    // One line each, the n-th for the volume with the n-th label: a path has no line break.
    ...(facts.sharedDirectories?.length ? { "fixtures": lines(...facts.sharedDirectories) } : {}),
  };
}

function cloudConfig(facts: SeedFacts): string {
  const { hostName, domain, user, publicKey, sharedDirectories = [] } = facts;
  return lines(
    "#cloud-config",
    `hostname: ${yaml(hostName)}`,
    `fqdn: ${yaml(`${hostName}.${domain}`)}`,
    // cloud-init would write 127.0.1.1 for the guest's own name, which no other machine reaches: see hostsCommand().
    "manage_etc_hosts: false",
    "users:",
    `  - name: ${yaml(user)}`,
    `    sudo: ${yaml("ALL=(ALL) NOPASSWD:ALL")}`,
    // The shell that every guest has: a user whose shell is missing cannot log in. See runcmd.
    `    shell: ${yaml("/bin/sh")}`,
    "    lock_passwd: true",
    "    ssh_authorized_keys:",
    `      - ${yaml(publicKey)}`,
    "ssh_pwauth: false",
    // One host key, of the kind that is made fastest; RSA takes an emulated processor seconds.
    `ssh_genkeytypes: [${yaml("ed25519")}]`,
    // By default cloud-init writes the network only for a new instance, but a member that changes its group keeps its
    // disk.
    "updates:",
    "  network:",
    `    when: [${yaml("boot-new-instance")}, ${yaml("boot")}]`,
    // At every boot, before SSH: its own name, and the shared directories. A failed mount makes the module fail, which
    // cloud-init reports. Here and below a user's own commands come before ours, and their exit code must stay.
    "bootcmd:",
    `  - ${yaml("fleetbox_status=$?")}`,
    `  - ${yaml(hostsCommand(facts))}`,
    ...sharedDirectories.map((path, index) => `  - ${yaml(mountCommand(path, index))}`),
    `  - ${yaml("(exit $fleetbox_status)")}`,
    // These take an emulated processor seconds, and tests do not need them: generating a locale, asking GRUB's package
    // for its disk, keys on the console.
    "locale: false",
    "grub_dpkg: {enabled: false}",
    "ssh: {emit_keys_to_console: false}",
    "no_ssh_fingerprints: true",
    "write_files:",
    `  - path: ${yaml("/etc/profile.d/fleetbox-console-size.sh")}`,
    `    permissions: ${yaml("0644")}`,
    `    content: ${yaml(SIZE_PROFILE)}`,
    // Use a shell with a history where there is one.
    "runcmd:",
    `  - ${yaml(`fleetbox_status=$?; test ! -x /bin/bash || usermod -s /bin/bash ${user}; (exit $fleetbox_status)`)}`,
  );
}

/**
 * The guest's own name is its address on the group's network, so that a server that binds to `$(hostname)`, or tells it
 * to others, can be reached. We own one marked line of /etc/hosts and the image's 127.0.1.1 for the name; the rest is
 * the user's.
 */
function hostsCommand({ hostName, domain, address }: SeedFacts): string {
  const line = `${address.split("/")[0]} ${hostName}.${domain} ${hostName} # fleetbox`;
  const old = [`/^127\\.0\\.1\\.1[[:space:]].*${hostName}/d`, "/ # fleetbox$/d"].map((one) => `-e ${quoted(one)}`);
  return `sed -i ${old.join(" ")} /etc/hosts; printf '%s\\n' ${quoted(line)} >>/etc/hosts`;
}

function mountCommand(path: string, index: number): string {
  const place = quoted(path);
  const label = sharedDirectoryLabel(index);
  return `mkdir -p ${place} && mount -t ext4 -o ro LABEL=${label} ${place} || fleetbox_status=1`;
}

/** User-data followed by ours (RFC 2046; cloud-init recognises a part of text/plain by its first line). */
function beside(userData: string, ours: string): string {
  const boundary = `fleetbox-${sha256(userData).toHex().slice(0, 24)}`;
  return lines(
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    "MIME-Version: 1.0",
    "",
    `--${boundary}`,
    part(userData),
    `--${boundary}`,
    'Content-Type: text/cloud-config; charset="utf-8"',
    "Merge-Type: list(append)+dict(no_replace,recurse_list)+str()",
    "",
    ours,
    `--${boundary}--`,
  );
}

function part(userData: string): string {
  if (isMimeMessage(userData)) return userData; // a message is a part already
  // deno-lint-ignore no-control-regex
  if (/^[\x09\x0a\x20-\x7e]*$/.test(userData)) return `Content-Type: text/plain\n\n${userData}`;
  const base64 = btoa(String.fromCharCode(...new TextEncoder().encode(userData)));
  const wrapped = base64.replace(/.{76}/g, "$&\n");
  return `Content-Type: text/plain; charset="utf-8"\nContent-Transfer-Encoding: base64\n\n${wrapped}`;
}

/** A double-quoted scalar of YAML 1.1, whose readers refuse some characters that JSON leaves bare. */
function yaml(value: string): string {
  return JSON.stringify(value).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (bare) => `\\u${bare.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Makes or replaces the seed volume at `path`. About 3 MB of FAT.
 * @throws {FleetboxError} `unavailable`: a program is missing; `no-space`; `failed`.
 */
export async function writeSeed(path: string, facts: SeedFacts): Promise<void> {
  try {
    await withDirectoryBeside(path, async (directory) => {
      for (const [name, text] of Object.entries(seedFiles(facts))) {
        await Deno.writeTextFile(join(directory, name), text, { mode: 0o600 });
      }
      await replaceFile(path, (aside) => driver.disks.fatVolume(directory, "cidata", aside));
    });
  } catch (cause) {
    throw isNoSpace(cause) || !(cause instanceof Error) ? storeError(`Cannot write the seed ${path}`, cause) : cause;
  }
}

function lines(...all: string[]): string {
  return all.join("\n") + "\n";
}
