import * as assert from "#assert";
import { FleetboxError } from "../core/errors.ts";
import { checkUserData, MAX_USER_DATA_BYTES, needsNetwork } from "./user_data.ts";

function refused(text: string): FleetboxError {
  try {
    checkUserData(text);
  } catch (thrown) {
    assert.ok(thrown instanceof FleetboxError && thrown.code === "misuse");
    return thrown;
  }
  throw new Error(`taken: ${text.slice(0, 80)}`);
}

Deno.test("user-data: every format that cloud-init knows is passed on unchanged", () => {
  const known = [
    "#cloud-config",
    "#cloud-config\r\nusers: []",
    "#!/bin/sh\ntrue",
    "#!/usr/bin/env python3\n",
    "## template: jinja\n#cloud-config\n",
    "#cloud-config-archive\n- a",
    "#cloud-boothook\ntrue",
    "#part-handler\n",
    "#include\nhttp://x",
    "#include-once http://x",
    'Content-Type: multipart/mixed; boundary="x"\nMIME-Version: 1.0\n\n',
  ];
  for (const text of known) assert.equal(checkUserData(text), text);
});

Deno.test("user-data: what cloud-init would step over is refused, with its first line", () => {
  for (
    const text of ["", "\n#cloud-config", "\ufeff#cloud-config", "cloud-config", "#cloud-configs", "users: []", " #!x"]
  ) {
    assert.match(refused(text).message, /a format that cloud-init does not know.*first line/);
  }
  assert.match(refused(`${"x".repeat(500)}\n`).message, /…/);
});

Deno.test("user-data: what is too long or binary is refused", () => {
  const head = "#cloud-config\n";
  const fits = head + "x".repeat(MAX_USER_DATA_BYTES - head.length);
  assert.equal(checkUserData(fits), fits);
  assert.match(refused(`${fits}x`).message, /found 32769 bytes, expected at most 32768/);
  assert.match(refused(head + "ü".repeat(MAX_USER_DATA_BYTES / 2)).message, /too long/);
  assert.match(refused(head + "\x1b".repeat(20_000)).message, /too long/);
  assert.match(refused(`${head}\0`).message, /NUL/);
});

Deno.test("user-data: what cloud-init has to fetch, run or mount on its way needs the network; what it does last does not", () => {
  const offline = [
    undefined,
    "#cloud-config\nwrite_files: []\nruncmd: [curl http://x]\n",
    "#cloud-config \r\npackages: [nginx]",
    "#!/bin/sh\ncurl http://x\n",
  ];
  const online = [
    "#include\nhttp://x\n",
    "#cloud-config\nbootcmd:\n  - curl http://x\n",
    "#cloud-config\n{bootcmd: [curl http://x]}",
    "#cloud-config\nmounts: [[nas:/x, /mnt, nfs]]",
    "#cloud-config\ncloud_config_modules: [runcmd]",
    "#cloud-config-archive\n- {type: text/x-include-url, content: http://x}",
    "#cloud-boothook\ncurl http://x",
    "## template: jinja\n#cloud-config\nbootcmd: []",
    'Content-Type: multipart/mixed; boundary="x"\nMIME-Version: 1.0\n\n',
  ];
  assert.deepEqual(offline.filter(needsNetwork), []);
  assert.deepEqual(online.filter((text) => !needsNetwork(text)), []);
});
