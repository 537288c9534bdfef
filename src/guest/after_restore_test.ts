/** Sessions with a fake `ssh`: what it cannot do here, the real guest of `tests/real/after_restore_test.ts` does. */

import * as assert from "#assert";
import { FleetboxError } from "../core/errors.ts";
import { join } from "../system/path.ts";
import type { Architecture } from "../vmm/contract.ts";
import { afterRestore } from "./after_restore.ts";

const ENDPOINT = { host: "127.0.0.1", port: 2222, user: "fleetbox" };
const REFUSED = "echo 'kex_exchange_identification: Connection closed by remote host' >&2; exit 255";
const DENIED = "echo 'root@127.0.0.1: Permission denied (publickey).' >&2; exit 255";
/** Runs the script here, as a user who may do none of it. */
const HERE = Deno.uid() === 0
  ? 'exec setpriv --reuid 65534 --regid 65534 --clear-groups -- sh -c "$script"'
  : 'exec sh -c "$script"';
/** What this kernel says then: the second is gVisor's. */
const FORBIDDEN =
  /^Cannot renew the random numbers of the restored guest: (Operation not permitted|Inappropriate ioctl for device) /;
const ignore = Deno.build.os !== "linux";

/** An `ssh` on PATH that does one of these at each call, the last of them again and again; and a `sudo` that does as told. */
class FakeSsh implements Disposable {
  readonly #directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  readonly #path = Deno.env.get("PATH")!;

  constructor(...bodies: string[]) {
    Deno.chmodSync(this.#directory, 0o755);
    const at = (name: string) => join(this.#directory, name);
    bodies.forEach((body, index) => Deno.writeTextFileSync(at(`${index + 1}`), body));
    const head = `#!/bin/sh\nfor script; do :; done\necho "$*" | head -n 1 >>${at("calls")}\ncalls=$(wc -l <${
      at("calls")
    })`;
    const body = `[ "$calls" -lt ${bodies.length} ] || calls=${bodies.length}\n. ${this.#directory}/$((calls))\n`;
    Deno.writeTextFileSync(at("ssh"), `${head}\n${body}`, { mode: 0o755 });
    Deno.writeTextFileSync(at("sudo"), '#!/bin/sh\nshift; exec "$@"\n', { mode: 0o755 });
    for (const name of ["ssh", "sudo"]) Deno.chmodSync(at(name), 0o755);
    Deno.env.set("PATH", `${this.#directory}:${this.#path}`);
  }

  /** The user of each call. */
  users(): string[] {
    const lines = Deno.readTextFileSync(join(this.#directory, "calls")).trim().split("\n");
    return lines.map((line) => /(\w+)@127\.0\.0\.1 --/.exec(line)![1]);
  }

  [Symbol.dispose](): void {
    Deno.env.set("PATH", this.#path);
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

const after = (options: Partial<Parameters<typeof afterRestore>[1]> = {}) =>
  afterRestore(ENDPOINT, {
    key: "/no/key",
    arch: Deno.build.arch as Architecture,
    signal: new AbortController().signal,
    clock: "keep",
    ...options,
  });

const error = (code: string, message: RegExp) => (thrown: unknown) =>
  thrown instanceof FleetboxError && thrown.code === code && message.test(thrown.message);

Deno.test({
  name: "after a restore: a guest that does not answer yet is asked again; what its kernel refuses is told",
  ignore,
  async fn() {
    using ssh = new FakeSsh(REFUSED, REFUSED, HERE);
    await assert.rejects(after(), error("failed", FORBIDDEN));
    assert.deepEqual(ssh.users(), ["fleetbox", "fleetbox", "fleetbox"]);
  },
});

Deno.test({
  name: "after a restore: where root has the key there is no sudo; where root has not, the user's sudo does it",
  ignore,
  async fn() {
    {
      using ssh = new FakeSsh(HERE);
      await assert.rejects(after({ root: true }), error("failed", FORBIDDEN));
      assert.deepEqual(ssh.users(), ["root"]);
    }
    using ssh = new FakeSsh(DENIED, HERE);
    await assert.rejects(after({ root: true }), error("failed", FORBIDDEN));
    assert.deepEqual(ssh.users(), ["root", "fleetbox"]);
  },
});

Deno.test("after a restore: a guest that refuses the key, or sudo, fails with its own words", async () => {
  {
    using ssh = new FakeSsh(DENIED);
    await assert.rejects(
      after(),
      error("denied", /host name of the restored guest: .*Permission denied \(publickey\)/),
    );
    assert.equal(ssh.users().length, 1);
  }
  using ssh = new FakeSsh("printf 'sudo: a password\\033[1m is required\\n' >&2; exit 1");
  await assert.rejects(after(), error("failed", /restored guest: sudo: a password is required$/));
  assert.equal(ssh.users().length, 1);
});

Deno.test("after a restore: output without end, that is not the program's, is refused", async () => {
  using _ssh = new FakeSsh("exec yes");
  await assert.rejects(after(), error("protocol", /says something else/));
});

Deno.test("after a restore: the signal ends a session, and the wait for the next one", async () => {
  const reason = new FleetboxError("timeout", "too late");
  for (const body of ["exec sleep 1000", REFUSED]) {
    using ssh = new FakeSsh(body);
    const limit = new AbortController();
    const ended = after({ signal: limit.signal });
    setTimeout(() => limit.abort(reason), 300);
    await assert.rejects(ended, (thrown) => thrown === reason);
    assert.ok(ssh.users().length > 0);
  }
});

Deno.test("after a restore: a hint ends the wait for the next session", async () => {
  // Without hints the waits would be 7.8 seconds.
  using ssh = new FakeSsh(...Array(12).fill(REFUSED), "exit 3");
  const began = performance.now();
  let hints = 0;
  const onHint = (hint: () => void) => {
    hints++;
    queueMicrotask(hint);
    return () => {};
  };
  await assert.rejects(after({ onHint }), error("failed", /its shell ended with code 3$/));
  assert.deepEqual([ssh.users().length, hints], [13, 12]);
  assert.ok(performance.now() - began < 6_000);
});

Deno.test("after a restore: an agent that is of no use is told, and SSH does it", async () => {
  using ssh = new FakeSsh("exit 3");
  const notes: string[] = [];
  const agentSocket = "/no/agent";
  await assert.rejects(after({ agentSocket, onNote: (note) => notes.push(note) }), error("failed", /code 3$/));
  assert.deepEqual(notes, ["Its agent is of no use (nobody listens at /no/agent): an SSH session does it"]);
  assert.equal(ssh.users().length, 1);
});
