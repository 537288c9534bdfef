import * as assert from "#assert";
import { FleetboxError } from "../core/errors.ts";
import { createSocket } from "node:dgram";
import { dropForward, forwardText, madeForward, parseForward, publishedPorts, reserveForwards } from "./forwards.ts";
import { type MemberConfig, Store } from "../store.ts";

Deno.test("a forward is HOST:GUEST, or GUEST alone; all else is refused, with what is expected", () => {
  assert.deepEqual(parseForward("8080:80"), { host_port: 8080, guest_port: 80 });
  assert.deepEqual(parseForward("80"), { guest_port: 80 });
  assert.deepEqual(parseForward("0:80"), { guest_port: 80 });
  assert.deepEqual(parseForward("8080:80/tcp"), { host_port: 8080, guest_port: 80 });
  assert.deepEqual(parseForward("53/udp"), { guest_port: 53, protocol: "udp" });
  assert.deepEqual(parseForward("127.0.0.1:8080:80"), { host_port: 8080, guest_port: 80 });
  assert.deepEqual(parseForward("localhost::80"), { guest_port: 80 });
  const all = { host_port: 53, guest_port: 54, protocol: "udp", address: "0.0.0.0" };
  assert.deepEqual(parseForward("0.0.0.0:53:54/UDP"), all);
  for (const text of ["0.0.0.0:53:54/udp", "127.0.0.2::80", "53/udp", "127.0.0.2:1:2"]) {
    assert.equal(forwardText(parseForward(text)), text);
  }
  for (const address of ["[::1]", "::1"]) {
    assert.throws(() => parseForward(`${address}:8080:80`), /found "::1", and IPv6 is not forwarded/);
  }
  for (const address of ["", "web", "256.0.0.1", "010.0.0.1", "0.0.0.1", "224.0.0.1", "127.1"]) {
    assert.throws(() => parseForward(`${address}:8080:80`), /Bad address of this host/, address);
  }
  for (
    const text of [
      "",
      ":",
      "80:",
      ":80",
      "a:b",
      "80:0",
      "0",
      "70000",
      "80:70000",
      "-1",
      "8 0",
      "1e3",
      "080808",
      "1.2.3.4:80",
      "1/sctp",
    ]
  ) {
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
  assert.equal(madeForward(forwards, { guest_port: 80, protocol: "udp" }), undefined);
  assert.equal(madeForward(forwards, { guest_port: 80, address: "127.0.0.2" }), undefined);
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
    await dropForward(store, "a", { host_port: port });
    await assert.rejects(dropForward(store, "a", { host_port: port }), { code: "not-found" });
    await reserve(store, "b", port);
  });
});

Deno.test("a port is another one by UDP, and at another address; that of all addresses is each one's", async () => {
  await withStore(async (store) => {
    const host_port = unused();
    const ask = (name: string, text: string) =>
      reserveForwards(store, store.config(name)!, [parseForward(text.replace("PORT", String(host_port)))]);
    for (const text of ["PORT:80", "PORT:53/udp", "127.0.0.2:PORT:80"]) await ask("a", text);
    const message =
      /^Cannot forward port \d+ of 0\.0\.0\.0 to port 80 of "b": 127\.0\.0\.1:\d+ already leads to port 80 of "a"$/;
    await assert.rejects(ask("b", "0.0.0.0:PORT:80"), { code: "conflict", message });
    await assert.rejects(
      ask("b", "PORT:1/udp"),
      /Cannot forward UDP port \d+ of this host.*: it already leads to port 53/,
    );
    await assert.rejects(ask("a", "54:53/udp"), /UDP port 53 of "a" has a forward already: 127\.0\.0\.1:\d+\/udp/);
    await assert.rejects(ask("b", "192.0.2.1:PORT:80"), { code: "not-found", message: /no address 192\.0\.2\.1/ });
    await assert.rejects(ask("b", "192.0.2.1::80/udp"), { code: "not-found" });
    await dropForward(store, "a", { host_port, protocol: "udp" });
    assert.deepEqual(store.config("a")!.forwards, [
      { host_port, guest_port: 80 },
      { host_port, guest_port: 80, address: "127.0.0.2" },
    ]);
    assert.deepEqual([...publishedPorts(store, ["a"])], [host_port]);
  });
});

Deno.test("a UDP port that a program has is refused with the program's name", async () => {
  const socket = createSocket("udp4");
  try {
    await new Promise<void>((bound) => socket.bind(0, "127.0.0.1", bound));
    const { port } = socket.address();
    await withStore(async (store) => {
      const asked = reserveForwards(store, store.config("a")!, [{ host_port: port, guest_port: 80, protocol: "udp" }]);
      const who = Deno.build.os === "linux"
        ? new RegExp(`deno listens on it \\(process ${Deno.pid}\\)`)
        : /listens on it/;
      await assert.rejects(asked, { code: "conflict", message: who });
    });
  } finally {
    await new Promise<void>((closed) => socket.close(closed));
  }
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
