/** What reaches a real machine from the host besides SSH: its serial console, and forwarded ports. */

import assert from "node:assert/strict";
import { guest } from "../harness/guest.ts";
import { sandbox, test } from "../harness/sandbox.ts";
import { OnTerminal } from "../harness/terminal.ts";

test("the serial console gives a root shell without any network, for several at once, and sees the machine go down", async () => {
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
  await first.type('sleep 100\r\x03echo "inter"rupted\r'); // Ctrl-C reaches the guest's program
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
