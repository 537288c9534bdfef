/**
 * SSH from the host to a guest: whether a server answers, and the arguments for the system's `ssh`. The server's
 * identification string is RFC 4253, section 4.2.
 */

import { startLimit } from "../core/deadline.ts";
import { host } from "../system/os.ts";
import type { SshEndpoint } from "../wire.ts";
import { undelayed } from "./undelayed.ts";

/**
 * Whether an SSH server answers at an endpoint, with its identification string. False when it does not, when the
 * connection ends first, when `signal` fires, or when no answer came within `limitMs`.
 */
export async function answersSsh(
  endpoint: { host: string; port: number },
  signal: AbortSignal,
  limitMs: number,
): Promise<boolean> {
  let conn: Deno.TcpConn | undefined;
  const close = () => {
    try {
      conn?.close();
    } catch { /* it is already closed */ }
  };
  signal.addEventListener("abort", close);
  const endLimit = startLimit(limitMs, close);
  try {
    conn = await Deno.connect({ hostname: endpoint.host, port: endpoint.port, signal });
    if (signal.aborted) return false;
    const buffer = new Uint8Array(256);
    let text = "";
    while (text.length < 4) {
      const count = await conn.read(buffer);
      if (count === null) return false;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    return text.startsWith("SSH-");
  } catch {
    return false;
  } finally {
    endLimit();
    signal.removeEventListener("abort", close);
    close();
  }
}

/**
 * The key exchanges that a guest is offered, a value of `KexAlgorithms` in ssh_config(5): the cheapest for an emulated processor first. OpenSSH's own first choice is
 * also safe from quantum computers, and takes such a guest 0.1 s longer; this connection does not leave the host. In full,
 * because OpenSSH before 8.1 knows no `^`.
 */
export const KEY_EXCHANGES = [
  "curve25519-sha256",
  "curve25519-sha256@libssh.org",
  "ecdh-sha2-nistp256",
  "ecdh-sha2-nistp384",
  "ecdh-sha2-nistp521",
  "diffie-hellman-group14-sha256",
  "diffie-hellman-group16-sha512",
].join(",");

/**
 * Arguments for OpenSSH's `ssh` that reach a guest: our key and nothing of the user's configuration, no host-key
 * prompts (the port is on loopback and the key is the guest's own).
 */
export function sshArguments(endpoint: SshEndpoint, key: string): string[] {
  const options = [
    `IdentityFile=${sshConfigValue(key)}`,
    "IdentitiesOnly=yes",
    // Else ssh asks the user's agent for the key, which may be slow, or hang.
    "IdentityAgent=none",
    "UserKnownHostsFile=/dev/null",
    "StrictHostKeyChecking=no",
    "LogLevel=ERROR",
    "PasswordAuthentication=no",
    `KexAlgorithms=${KEY_EXCHANGES}`,
  ];
  return [
    "-F",
    "/dev/null",
    ...options.flatMap((option) => ["-o", option]),
    "-p",
    String(endpoint.port),
    `${endpoint.user}@${endpoint.host}`,
  ];
}

/**
 * Arguments for a session that a program holds: no terminal, no questions.
 * @param connectSeconds how long the connection may take
 * @param command for the guest's shell
 */
export function sessionArguments(
  endpoint: SshEndpoint,
  key: string,
  { connectSeconds, command }: { connectSeconds: number; command: string },
): string[] {
  const options = ["-T", "-o", `ConnectTimeout=${connectSeconds}`, "-o", "BatchMode=yes", ...undelayed()];
  return [...options, ...sshArguments(endpoint, key), "--", command];
}

/** What to do where there is no OpenSSH. */
export function sshHint(): string {
  return `Install the OpenSSH client: ${host().install("openssh-client")}`;
}

/**
 * A path as a value of ssh_config(5), in a file or behind `-o`: in double quotes where OpenSSH could misread it
 * (blanks, quotes, a comment), with `%`, which begins its tokens, doubled.
 */
export function sshConfigValue(value: string): string {
  const escaped = value.replaceAll("%", "%%");
  return /^[\w./%+:,=@-]*$/.test(escaped) ? escaped : `"${escaped.replace(/["\\]/g, "\\$&")}"`;
}
