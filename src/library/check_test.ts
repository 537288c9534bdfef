import * as assert from "#assert";
import { FleetboxError, hintOf } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import { checked, wireOptions } from "./check.ts";

function refuses(kind: Parameters<typeof checked>[0], options: unknown, words: RegExp): void {
  assert.throws(() => checked(kind, "call()", options as object), (thrown) => {
    assert.ok(thrown instanceof FleetboxError);
    assert.equal(thrown.code, "misuse");
    assert.match(thrown.message, words);
    return true;
  });
}

Deno.test("check: unknown options are errors that name those that exist", () => {
  refuses("exec", { timeout: 5 }, /^Unknown option "timeout" of call\(\); expected .*"timeoutMs"/);
  refuses("copy", { mode: 5 }, /^Unknown option "mode" of call\(\); expected "timeoutMs", "signal"$/);
  refuses("start", { toString: 1 }, /Unknown option "toString"/);
});

Deno.test("check: an option without its unit, one with a typing mistake, and a number of GiB are answered with what was meant", () => {
  const hint = (kind: Parameters<typeof checked>[0], options: unknown) => {
    try {
      checked(kind, "call()", options as object);
    } catch (thrown) {
      return hintOf(thrown);
    }
    return "not refused";
  };
  assert.equal(hint("start", { memory: 512 }), 'Did you mean "memoryMiB"?');
  assert.equal(hint("start", { timeout: 5 }), 'Did you mean "bootTimeoutMs"?');
  assert.equal(hint("start", { egres: "off" }), 'Did you mean "egress"?');
  assert.equal(hint("start", { nonsense: 1 }), undefined);
  assert.equal(hint("start", { memoryMiB: 1 }), "Did you mean 1024 (1 GiB)? It is in MiB.");
  assert.equal(hint("start", { memoryMiB: -1 }), undefined);
});

Deno.test("check: values are checked, and undefined is as if it were not there", () => {
  refuses("start", { cpus: 1.5 }, /^Bad option "cpus" of call\(\): found 1.5, expected a whole number from 1 to 64$/);
  refuses("start", { memoryMiB: NaN }, /"memoryMiB".*expected a number from 64/);
  refuses("start", { egress: "none" }, /expected "on" or "off"/);
  refuses("start", { image: "" }, /expected a string/);
  for (const publish of [80, ["80"], [0], [65_536], [{ hostPort: 80 }], [{ guestPort: 80, port: 1 }], [null]]) {
    refuses("start", { publish }, /"publish".*expected a list of ports, or of \{hostPort, guestPort\}/);
  }
  refuses("start", { fixtures: [{ hostPath: "x" }] }, /"fixtures".*expected a list of \{hostPath, guestPath\}/);
  refuses("start", { fixtures: [{ hostPath: "x", guestPath: "/x", mode: 1 }] }, /expected a list of/);
  refuses("start", { arch: "x86_64" }, /expected "amd64" or "arm64"/);
  refuses("exec", { signal: {} }, /expected an AbortSignal/);
  refuses("exec", { stdin: "piped", env: [] }, /"env".*expected an object/);
  refuses("write", { mode: 0o10000 }, /expected a whole number from 0 to 4095/);
  refuses("wait", { intervalMs: () => 5 }, /found a function/);
  refuses("exec", 5, /Bad options of call\(\): found 5, expected an object/);
  assert.deepEqual(checked("exec", "call()", { timeoutMs: undefined }), { timeoutMs: undefined });
  assert.deepEqual(checked("exec", "call()", undefined), {});
});

Deno.test("check: options become the protocol's, in its units", () => {
  const wire = wireOptions({ cpus: 2, memoryMiB: 512, diskMiB: 2048, egress: "off", hostAccess: true });
  assert.deepEqual(wire, { boot_timeout_ms: 180_000, cpus: 2, mem: 0.5, disk: 2, egress: "off", host_access: true });
  assert.doesNotThrow(() => checkOptions(wire));
  const ports = wireOptions({ publish: [80, { guestPort: 443 }, { guestPort: 22, hostPort: 2222 }] });
  assert.deepEqual(ports.publish, [{ guest_port: 80 }, { guest_port: 443 }, { guest_port: 22, host_port: 2222 }]);
  assert.doesNotThrow(() => checkOptions(ports));
  const guest = wireOptions({
    arch: "arm64",
    firmware: "uefi",
    fixtures: [{ hostPath: "site", guestPath: "/srv" }],
    userData: "#cloud-config\n",
    ready: "ssh",
  }, () => "/here");
  assert.deepEqual(guest, {
    boot_timeout_ms: 180_000,
    arch: "aarch64",
    firmware: "uefi",
    fixtures: [{ host_path: "/here/site", guest_path: "/srv" }],
    user_data: "#cloud-config\n",
    ready: "ssh",
  });
  assert.doesNotThrow(() => checkOptions(guest));
  const script = { name: "script", text: "true" };
  assert.deepEqual(wireOptions({ run: { script: "true" } }).run, [script]);
  assert.deepEqual(wireOptions({ run: [{ script: "true", name: "x" }] }).run, [{ ...script, name: "x" }]);
  assert.throws(() => wireOptions({ run: "no-file.sh" }), /The script no-file\.sh does not exist/);
  assert.throws(() => checked("start", "start()", { run: 7 }), /expected a path, \{script, name\?\}, or a list/);
  const image = (text: string) => wireOptions({ image: text }, () => "/here").image;
  assert.deepEqual(["micro", "ubuntu-24.04", "./a.qcow2", "a/b", "/c", "https://d/e"].map(image), [
    "micro",
    "ubuntu-24.04",
    "/here/a.qcow2",
    "/here/a/b",
    "/c",
    "https://d/e",
  ]);
});
