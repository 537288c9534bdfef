/** The OpenSSH client's options for a member: our key, no configuration files, no questions about host keys. */

import { KEY_EXCHANGES, sshConfigValue } from "../../guest/ssh_probe.ts";
import { undelayed } from "../../guest/undelayed.ts";
import type { Store } from "../../store.ts";
import type { SshEndpoint } from "../../wire.ts";
import { currentPlace } from "../places/current.ts";

/** The options as `Keyword value`, for `-o` and for a configuration file. See ssh_config(5). */
function sshOptions(store: Store): [string, string][] {
  return [
    ["IdentityFile", store.key],
    ["IdentitiesOnly", "yes"],
    // A member's host key is made at its first boot, and its port changes: there is nothing to compare with. The
    // connection does not leave this host's loopback before it is inside the machine.
    ["UserKnownHostsFile", "/dev/null"],
    ["StrictHostKeyChecking", "no"],
    ["LogLevel", "ERROR"],
    ["KexAlgorithms", KEY_EXCHANGES],
    // Until the shell has started: a guest that hangs must not hang its user.
    ["ConnectTimeout", "20"],
    // Afterwards: a guest that hangs sends nothing. A minute, because a machine that is paused by a full disk, or on a
    // busy host, comes back.
    ["ServerAliveInterval", "10"],
    ["ServerAliveCountMax", "6"],
  ];
}

/** The way to a member at a place, whose endpoint is one of the host there. OpenSSH takes the value as it is, without quotes. */
function proxy(): [string, string][] {
  const place = currentPlace();
  return place ? [["ProxyCommand", place.proxy]] : [];
}

function quotedOptions(store: Store): [string, string][] {
  return [...sshOptions(store).map(([key, value]): [string, string] => [key, sshConfigValue(value)]), ...proxy()];
}

/** {@link sshOptions} for the command line of `ssh` or `scp`. @param given the user's own options, which may say how to connect */
export function sshOptionArguments(store: Store, given: readonly string[] = []): string[] {
  const connects = currentPlace() || given.length > 0 ? [] : undelayed();
  return [...quotedOptions(store).flatMap(([key, value]) => ["-o", `${key}=${value}`]), ...connects];
}

/** Arguments for `ssh`; `command` goes to the guest's shell, `given` are options as the user gave them. */
export function sshArguments(
  store: Store,
  endpoint: SshEndpoint,
  options: { tty?: boolean; given?: readonly string[]; command?: string } = {},
): string[] {
  return [
    ...["-F", "/dev/null"],
    ...sshOptionArguments(store, options.given),
    ...["-p", String(endpoint.port)],
    ...(options.tty === undefined ? [] : [options.tty ? "-t" : "-T"]),
    ...(options.given ?? []),
    `${endpoint.user}@${endpoint.host}`,
    ...(options.command === undefined ? [] : ["--", options.command]),
  ];
}

/** A block of ssh_config(5) for `Host NAME`. */
export function sshConfigBlock(store: Store, name: string, endpoint: SshEndpoint): string {
  const lines: [string, string][] = [
    ["HostName", endpoint.host],
    ["Port", String(endpoint.port)],
    ["User", endpoint.user],
  ];
  const all = [...lines.map(([key, value]) => [key, sshConfigValue(value)]), ...quotedOptions(store)];
  return [`Host ${name}`, ...all.map(([key, value]) => `  ${key} ${value}`), ""].join("\n");
}
