import * as assert from "#assert";
import { lastWords, machineExit, type QemuEnd, startFailure } from "./exits.ts";

const ENDS: [string, Omit<QemuEnd, "tail">, string][] = [
  ["a guest's shutdown", { code: 0, reason: "guest-shutdown" }, "shutdown"],
  ["a guest's panic", { code: 0, reason: "guest-panic" }, "panicked"],
  ["a quit of ours", { code: 0, reason: "host-qmp-quit" }, "quit"],
  ["a SIGTERM", { code: 0, reason: "host-signal" }, "quit"],
  ["a SIGKILL of ours", { code: 137, signal: "SIGKILL", killedByUs: true }, "killed"],
  ["a SIGKILL in the middle of a shutdown", { signal: "SIGKILL", reason: "guest-shutdown" }, "killed"],
  ["a failed assertion", { code: 134, signal: "SIGABRT" }, "crashed"],
  ["a failing QEMU that says nothing", { code: 1 }, "crashed"],
  ["an adopted guest's shutdown", { reason: "guest-shutdown" }, "shutdown"],
  ["an adopted machine that vanished", {}, "crashed"],
  ["an adopted machine that we killed", { killedByUs: true }, "killed"],
];
for (const [what, end, how] of ENDS) {
  Deno.test(`the end of a machine: ${what} is "${how}"`, () => {
    assert.equal(machineExit({ tail: "", ...end }).how, how);
  });
}

Deno.test("a SIGKILL from outside is told with its reason where that is known", () => {
  const message = (end: Omit<QemuEnd, "tail">) => machineExit({ tail: "", signal: "SIGKILL", ...end }).message;
  assert.match(message({ outOfMemory: true }), /^The kernel has killed QEMU because memory ran out/);
  assert.match(message({}), /from outside \(SIGKILL; perhaps out of memory\)$/);
  assert.equal(message({ killedByUs: true }), "QEMU was killed");
  const start = startFailure('QEMU of "a"', { signal: "SIGKILL", outOfMemory: true, tail: "" });
  assert.equal(start.message, 'QEMU of "a" died of SIGKILL at its start: memory ran out');
  assert.equal(start.code, "no-space");
});

Deno.test("the message of a crash carries QEMU's last words, without warnings and its own path", () => {
  const tail = "/usr/bin/qemu-system-x86_64: warning: hub 0 with no nics\nqemu-system-x86_64: it broke\n";
  assert.equal(lastWords(tail), "it broke");
  assert.equal(machineExit({ tail, code: 1 }).message, "QEMU ended with code 1: it broke");
  assert.equal(lastWords("qemu-system-x86_64: warning: only that\n"), "warning: only that");
});

const FAILURES: [string, string][] = [
  [`-blockdev x: Failed to get "write" lock\nIs another process using the image [/d]?`, "conflict"],
  ["cannot set up guest memory 'pc.ram': Cannot allocate memory", "no-space"],
  ["-blockdev x: Could not open '/nope': No such file or directory", "not-found"],
  ["could not open kernel file '/k': Permission denied", "denied"],
  ["Could not access KVM kernel module: No such file or directory", "unavailable"],
  ["-netdev stream,id=net0: Parameter 'type' does not accept value 'stream'", "unavailable"],
  ["-blockdev x: Image is not in qcow2 format", "damaged"],
  ["something new", "failed"],
];
for (const [tail, code] of FAILURES) {
  Deno.test(`a start that fails with "${tail.slice(0, 40)}…" is "${code}"`, () => {
    const error = startFailure('QEMU of "a"', { code: 1, tail });
    assert.equal(error.code, code);
    assert.ok(error.message.startsWith('QEMU of "a" ended with code 1 at its start: '));
    assert.ok(error.message.includes(tail.split("\n")[0]));
  });
}
