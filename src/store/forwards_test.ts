import * as assert from "#assert";
import { FleetboxError } from "../core/errors.ts";
import { dropForward, forwardText, madeForward, parseForward, reserveForwards } from "./forwards.ts";
import { type MemberConfig, Store } from "../store.ts";

Deno.test("a forward is HOST:GUEST, or GUEST alone; all else is refused, with what is expected", () => {
  assert.deepEqual(parseForward("8080:80"), { host_port: 8080, guest_port: 80 });
  assert.deepEqual(parseForward("80"), { guest_port: 80 });
  assert.deepEqual(parseForward("0:80"), { guest_port: 80 });
  assert.deepEqual(parseForward("8080:80/tcp"), { host_port: 8080, guest_port: 80 });
  assert.throws(() => parseForward("53:53/udp"), /only TCP is forwarded/);
  assert.throws(() => parseForward("0.0.0.0:8080:80"), /forwards are of 127\.0\.0\.1 alone/);
  for (const text of ["", ":", "80:", ":80", "a:b", "80:0", "0", "70000", "80:70000", "-1", "8 0", "1e3", "080808"]) {
    assert.throws(() => parseForward(text), { code: "misuse", message: /HOST_PORT:GUEST_PORT/ }, text);
  }
  assert.equal(forwardText({ host_port: 8080, guest_port: 80 }), "8080:80");
  assert.equal(forwardText({ guest_port: 80 }), "80");
});

Deno.test("a wish for any port is met by a forward that is there; one for a certain port only by that one", () => {
  const forwards = [{ host_port: 8080, guest_port: 80 }];
  assert.equal(madeForward(forwards, { guest_port: 80 }), forwards[0]);
  assert.equal(madeForward(forwards, { guest_port: 80, host_port: 8080 }), forwards[0]);
  assert.equal(madeForward(forwards, { guest_port: 80, host_port: 8081 }), undefined);
  assert.equal(madeForward(forwards, { guest_port: 81, host_port: 8080 }), undefined);
});

function config(name: string): MemberConfig {
  return {
    name,
    mac: "52:54:00:00:00:01",
    cpus: 1,
    memory_mb: 256,
    disk_mb: 1024,
    image: "micro",
    image_id: "micro-1",
    created_at: "2026-11-24T00:00:00Z",
    instance_id: name,
    fixtures: [],
    ip: "10.88.0.11",
    user: "fleetbox",
  };
}

async function withStore(test: (store: Store) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync();
  try {
    const store = Store.at(dir);
    store.ensure();
    for (const name of ["a", "b"]) await store.withMemberLock(name, () => store.writeConfig(config(name)));
    await test(store);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** A port that nobody listens on, and that the system gives to nobody: it is below its own choice. */
function unused(): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 10_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch { /* somebody has it */ }
  }
}

const reserve = (store: Store, name: string, host_port: number | undefined, guest_port = 80) =>
  reserveForwards(store, store.config(name)!, [{ ...(host_port ? { host_port } : {}), guest_port }]);

Deno.test("a reserved port is in the config, is refused to other members, and is free again when it is removed", async () => {
  await withStore(async (store) => {
    const port = unused();
    await reserve(store, "a", port);
    assert.deepEqual(store.config("a")!.forwards, [{ host_port: port, guest_port: 80 }]);
    assert.deepEqual(await reserve(store, "a", port), store.config("a"), "again is fine");
    await assert.rejects(reserve(store, "b", port), (thrown: FleetboxError) => {
      assert.equal(thrown.code, "conflict");
      assert.match(thrown.message, new RegExp(`port ${port} of this host.*"b": it already leads to port 80 of "a"`));
      assert.match(thrown.hint!, new RegExp(`fleetbox forward a ${port}:80 --remove`));
      return true;
    });
    await assert.rejects(reserve(store, "a", port, 81), /it already leads to port 80 of "a"/);
    assert.equal(store.config("b")!.forwards, undefined);
    await dropForward(store, "a", port);
    await assert.rejects(dropForward(store, "a", port), { code: "not-found" });
    await reserve(store, "b", port);
  });
});

Deno.test("a port on which a program listens is refused with the program's name", async () => {
  await withStore(async (store) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const who = Deno.build.os === "linux"
      ? new RegExp(`deno listens on it \\(process ${Deno.pid}\\)`)
      : /listens on it/;
    await assert.rejects(reserve(store, "a", listener.addr.port), { code: "conflict", message: who });
    assert.equal(store.config("a")!.forwards, undefined);
  });
});

Deno.test("free ports are distinct, also for many requests at once, and a member that has one gets it again", async () => {
  await withStore(async (store) => {
    const names = ["a", "b"];
    const configs = await Promise.all(
      names.map((name) =>
        store.withMemberLock(
          name,
          () => reserveForwards(store, store.config(name)!, [80, 81, 82].map((guest_port) => ({ guest_port }))),
        )
      ),
    );
    const ports = configs.flatMap(({ forwards }) => forwards!.map(({ host_port }) => host_port));
    assert.equal(new Set(ports).size, 6);
    for (const port of ports) assert.ok(port >= 20_000 && port < 32_768);
    assert.deepEqual((await reserve(store, "a", undefined)).forwards, configs[0].forwards);
  });
});
