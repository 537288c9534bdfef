/**
 * A connection of OpenSSH's client to a guest whose small packets leave at once.
 *
 * OpenSSH turns Nagle's algorithm off (TCP_NODELAY) only when the session has begun. Until then it twice sends a small packet after
 * another one, which waits for the other's acknowledgement; and the gateway, which has nothing to say then, delays that by 40 ms.
 * So each login takes 80 ms longer than its guest needs. No option of OpenSSH changes that. But it takes a connection that another program
 * has made (`ProxyUseFdpass` in ssh_config(5)), and that program is Perl's interpreter, a part of every Debian: it sets the option,
 * connects, hands the socket over (SCM_RIGHTS in unix(7)) and ends. Where it is missing, OpenSSH connects by itself.
 */

import { exists } from "../system/files.ts";
import { shellCommand } from "../core/quoting.ts";

const ENV = "/usr/bin/env";
const PERL = "/usr/bin/perl";
/** The shells that read our command as it is meant: ssh gives it to the user's own. */
const SHELLS = ["sh", "ash", "bash", "dash", "ksh", "zsh"];
/** The number of the system call `sendmsg`. */
const SENDMSG = { x86_64: 46, aarch64: 211 };
/** How long the connect may take, which nothing of ssh ends. It is this host's own gateway that accepts. */
const CONNECT_SECONDS = 10;

/**
 * Without modules, which a system may lack. `struct sockaddr_in`, `iovec`, `cmsghdr` and `msghdr` of a 64-bit Linux; in
 * double quotes and without percent signs, which ssh would expand.
 */
function script(sendmsg: number): string {
  return [
    `my ($host, $port) = @ARGV; alarm ${CONNECT_SECONDS};`,
    "my $at = pack(q(S n C4 x8), 2, $port, split(/[.]/, $host));",
    "socket(S, 2, 1, 0) && setsockopt(S, 6, 1, 1) && connect(S, $at)",
    "or die qq(ssh: connect to host $host port $port: $!), chr 10;",
    "my $byte = chr 0;",
    "my $vector = pack(q(P Q), $byte, 1);",
    "my $rights = pack(q(Q l l l x4), 20, 1, 1, fileno S);",
    "my $message = pack(q(x16 P Q P Q x8), $vector, 1, $rights, length $rights);",
    `syscall(${sendmsg}, 1, $message, 0) == 1 or die qq(sendmsg: $!), chr 10;`,
  ].join(" ");
}

/** Arguments for `ssh` and `scp`, for guests on an IPv4 address; none where it cannot be done. */
export function undelayed(
  { os, arch }: { os: string; arch: string } = Deno.build,
  shell = Deno.env.get("SHELL") || "sh",
): string[] {
  const sendmsg = os === "linux" ? SENDMSG[arch as keyof typeof SENDMSG] : undefined;
  if (sendmsg === undefined || !SHELLS.includes(shell.replace(/.*\//, ""))) return [];
  if (!exists(ENV) || !exists(PERL)) return [];
  // Nothing of the user's environment changes what Perl does.
  const command = shellCommand([ENV, "-i", PERL, "-e", script(sendmsg)]);
  return ["-o", `ProxyCommand=${command} %h %p`, "-o", "ProxyUseFdpass=yes"];
}
