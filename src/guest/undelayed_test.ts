import * as assert from "#assert";
import { LOOPBACK } from "../core/port_forwards.ts";
import { start } from "../system/process.ts";
import { undelayed } from "./undelayed.ts";

/** What ssh does with a connection that it is handed: it takes it from the program's standard output. Says whether its packets leave at once, and what comes. */
const TAKES = `
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY);
my ($recvmsg, $line) = @ARGV;
socketpair(my $ours, my $its, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
if (!fork) { open STDOUT, ">&", $its; exec "/bin/sh", "-c", $line }
close $its;
my ($byte, $rights) = (chr 0, chr(0) x 24);
my $vector = pack "P Q", $byte, 1;
my $message = pack "x16 P Q P Q x8", $vector, 1, $rights, 24;
syscall($recvmsg, fileno $ours, $message, 0) == 1 or die "nothing was handed over";
open my $socket, "+<&=", unpack "x16 l", $rights or die;
print unpack("i", getsockopt $socket, IPPROTO_TCP, TCP_NODELAY) ? "at once, " : "late, ";
print scalar <$socket>;
`;
const ignore = Deno.build.os !== "linux";
const RECVMSG = { x86_64: 47, aarch64: 212 }[Deno.build.arch];

Deno.test("undelayed: a connection whose packets leave at once is handed over", { ignore }, async () => {
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const line = undelayed(Deno.build, "/bin/sh")[1].replace("ProxyCommand=", "").replace("%h", LOOPBACK).replace(
    "%p",
    String(listener.addr.port),
  );
  const child = start("perl", ["-e", TAKES, String(RECVMSG), `exec ${line}`]);
  const conn = await listener.accept();
  await conn.write(new TextEncoder().encode("hello\n"));
  conn.close();
  const { code } = await child.exited;
  assert.equal([code, child.tail().trim()].join(" "), "0 at once, hello");
});

Deno.test("undelayed: ssh takes the connection, and says when there is none", { ignore }, async () => {
  const options = undelayed(Deno.build, "/bin/sh");
  const ssh = (port: number) =>
    start("ssh", ["-F", "/dev/null", ...options, "-p", String(port), `root@${LOOPBACK}`, "true"]);
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const { port } = listener.addr;
  const taken = ssh(port);
  using conn = await listener.accept();
  const banner = new Uint8Array(8);
  await conn.read(banner);
  assert.equal(new TextDecoder().decode(banner), "SSH-2.0-");
  taken.kill("SIGKILL");
  await taken.exited;
  listener.close();
  const refused = ssh(port);
  assert.equal((await refused.exited).code, 255);
  assert.match(refused.tail(), new RegExp(`ssh: connect to host ${LOOPBACK} port ${port}: Connection refused`));
});

Deno.test("undelayed: only where Perl makes the connection as it is meant, and the user's shell reads its line so", () => {
  const keywords = (...args: Parameters<typeof undelayed>) => undelayed(...args).map((word) => word.replace(/=.*/, ""));
  const linux = { os: "linux", arch: "x86_64" };
  for (const shell of ["/bin/sh", "/usr/bin/zsh", "bash"]) {
    assert.deepEqual(keywords(linux, shell), ["-o", "ProxyCommand", "-o", "ProxyUseFdpass"]);
  }
  for (const shell of ["/usr/bin/fish", "/usr/sbin/nologin", "/bin/tcsh"]) assert.deepEqual(keywords(linux, shell), []);
  assert.deepEqual(keywords({ os: "darwin", arch: "aarch64" }, "/bin/zsh"), []);
  assert.deepEqual(keywords({ os: "linux", arch: "riscv64" }, "/bin/sh"), []);
});
