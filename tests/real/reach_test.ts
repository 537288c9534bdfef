/** Ways to a real machine from the host besides SSH: its serial console, and forwarded ports. */

import * as assert from "#assert";
import { createSocket } from "node:dgram";
import { guest, guestOk } from "../support/guest.ts";
import { kill, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { OnTerminal } from "../support/terminal.ts";

test("a published port leads to a guest's server, over a new gateway, and closes with the machine", async () => {
  await using box = await sandbox({ warm: true });
  await box.up("a", "-p", "8000");
  await guestOk(box, "a", "mkdir -p www && echo precious > www/file && httpd -p 8000 -h www >/dev/null 2>&1");
  const port = (await box.ls()).a.forwards[0].host_port;
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/${path}`);
    return `${response.status} ${await response.text()}`;
  };
  assert.equal(await get("file"), "200 precious\n");
  assert.match(await get("nothing"), /^404 /);
  // With replies that do not fit one segment.
  await guestOk(box, "a", "dd if=/dev/zero bs=1024 count=1024 2>/dev/null | tr '\\0' x > www/large");
  assert.equal((await get("large")).length, 4 + 1024 * 1024);

  await echoesByUdp(box);

  // Another port while it runs; then the gateway dies, and both lead there again.
  await box.ok("forward", "a", "8001");
  const second = (await box.ls()).a.forwards.at(-1);
  await guestOk(box, "a", "httpd -p 8001 -h www >/dev/null 2>&1");
  await kill(box.process("gateway"));
  const url = `http://127.0.0.1:${second.host_port}/file`;
  const again = await until("the new gateway leads there", async () => {
    try {
      return await (await fetch(url, { signal: AbortSignal.timeout(2_000) })).text();
    } catch { /* not yet */ }
  });
  assert.equal(again, "precious\n");
  assert.equal(await get("file"), "200 precious\n");
  await box.ok("stop", "a");
  await assert.rejects(get("file"));
});

/** A guest's answer by UDP comes back, although no member has egress. */
async function echoesByUdp(box: Sandbox): Promise<void> {
  if (Deno.build.arch !== "x86_64") return;
  await guestOk(box, "a", `echo ${ECHO} | base64 -d >echo && chmod +x echo && { ./echo >/dev/null 2>&1 & }`);
  const asked = await box.ok("forward", "a", "5300/udp", "--address", "127.0.0.2", "--json");
  const { host_port, address } = JSON.parse(asked.stdout).added[0];
  const socket = createSocket("udp4");
  try {
    const answer = new Promise<string>((resolve) => socket.once("message", (text) => resolve(String(text))));
    await new Promise<void>((connected) => socket.connect(host_port, address, connected));
    socket.send("there and back");
    assert.equal(await answer, "there and back");
  } finally {
    await new Promise<void>((closed) => socket.close(closed));
  }
}

/** A program for Linux on x86-64: sends each datagram to UDP port 5300 back. `micro` has none that listens by UDP. */
const ECHO = "f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAA" +
  "AAAAAAAAAEAAAAAAAAAAQAAAAAAA2QAAAAAAAADZAAAAAAAAAAAQAAAAAAAAailYagJfagJemQ8Fl0iD7CDHBCQCABS0g2QkBABI" +
  "x0QkCAAAAABUXmoQWmoxWA8Fx0QkEBAAAABIjbQkAPD//7oACAAARTHSSYngTI1MJBBqLVgPBZJqEEFZaixYDwXrzw==";

test("the serial console gives a root shell without a network, for several clients at once, and ends with the machine", async () => {
  await using box = await sandbox();
  await box.up("a");
  const first = new OnTerminal(["console", "a"], { env: box.env });
  await first.shows(/fleetbox-micro: kernel[^]*fleetbox-micro: ssh[^]*Please press Enter/);
  await first.type("\r");
  await first.shows(/root@a:~# /);
  await first.type("ifconfig eth0 down; ifconfig eth0 | grep -c UP; id -un; tty\r");
  await first.shows(/^0\r$/m);
  await first.shows(/^root\r$/m);
  await first.shows(/^\/dev\/ttyS0\r$/m);
  // The program prints: by then it gets the terminal's Ctrl-C, and no longer the shell that starts it.
  await first.type(`sh -c 'echo "sle"eping; exec sleep 100'\r`);
  await first.shows(/^sleeping\r$/m);
  await first.type("\x03"); // for the guest's program, not for ours
  await first.shows(/^sleeping\r\n[^]*root@a:~# /m); // long before the 100 seconds are over
  await first.type('echo "inter"rupted\r');
  await first.shows(/interrupted/);

  const second = new OnTerminal(["console", "a"], { env: box.env });
  await second.shows(/^interrupted\r\nroot@a:~# /m);
  await second.type('ifconfig eth0 up; echo "ba"ck\r');
  await Promise.all([first, second].map((at) => at.shows(/^back\r$/m)));
  await first.type("\x1d");
  assert.equal(await first.done, 0, first.output);
  assert.equal((await guest(box, "a", "true")).code, 0, "the network is up again");

  await second.type("poweroff\r");
  assert.equal(await second.done, 0, second.output);
  assert.match(second.output, /fleetbox-micro: down[^]*a is (down|stopped)/);
  assert.equal(await box.states(), "a=stopped");
});

test("a console has the size of the terminal that shows it, also after that changed, and nothing is typed for it", async () => {
  await using box = await sandbox();
  await box.up("a", "--no-wait");
  // Attached while it boots: it is told when it runs.
  const at = new OnTerminal(["console", "a"], { env: box.env, columns: 97, rows: 31 });
  await at.shows(/Please press Enter/);
  const size = () => guestOk(box, "a", "sudo stty -F /dev/console size");
  await box.ok("wait", "a");
  await until("the console is of the terminal's size", async () => await size() === "31 97\n");
  await at.type("\r");
  await at.shows(/root@a:~# /);
  await at.type("stty size\r");
  await at.shows(/^31 97\r$/m);
  await at.type("exit\r"); // the next shell opens the line anew
  await at.shows(/exit\r\n[^]*Please press Enter/);
  await at.type("\r");
  await at.shows(/Please press Enter[^]*Please press Enter[^]*root@a:~# /);
  await at.type("stty size; echo 'o'ne\r");
  await at.shows(/^31 97\r\none\r$/m);

  await at.resize(111, 40);
  await until("the console has the new size", async () => await size() === "40 111\n");
  await at.type("stty size\r");
  await at.shows(/^40 111\r$/m);
  await at.type("\x1d");
  assert.equal(await at.done, 0, at.output);
  assert.deepEqual(box.processes("other"), [], "what told it is gone");
});
