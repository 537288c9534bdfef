import * as assert from "#assert";
import { join } from "./system/path.ts";
import { FleetboxError } from "./core/errors.ts";
import { removeMember } from "./store/remove.ts";
import { exists, temporaryOf, writeDurably } from "./system/files.ts";
import { digestOf, type MemberConfig, Store } from "./store.ts";

const CONFIG: MemberConfig = {
  name: "web-1",
  mac: "52:54:00:00:00:01",
  cpus: 1,
  memory_mb: 256,
  disk_mb: 1024,
  image: "micro",
  image_id: "micro-0",
  created_at: "2026-01-01T00:00:00.000Z",
  instance_id: "i",
  fixtures: [],
  ip: "10.88.0.11",
  user: "fleetbox",
};

async function withStore(work: (store: Store, root: string) => Promise<void> | void): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "st" });
  try {
    const store = Store.at(join(root, "s"));
    store.ensure();
    await work(store, root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

async function addMember(store: Store, name: string): Promise<void> {
  await store.withMemberLock(name, () => store.writeConfig({ ...CONFIG, name }));
}

Deno.test("store: sockets are named by the first 16 hexadecimal digits of SHA-256 of the name", () => {
  assert.equal(digestOf("a"), "ca978112ca1bbdca");
  assert.equal(Store.at("/s").memberSocket("a"), "/s/run/ca978112ca1bbdca.sock");
  assert.equal(Store.at("/s").controlSocket("a"), "/s/run/ca978112ca1bbdca.ctl");
  assert.equal(Store.at("/s").member("web-3").config, "/s/clusters/web/web-3/config.json");
});

Deno.test("store: a root too deep for unix sockets is refused with the length, before anything is made", () => {
  const deep = "/tmp/" + "x".repeat(90);
  assert.throws(() => Store.at(deep), /too deep.*expected less than 104/);
  assert.ok(!exists(deep));
  Store.at("/" + "x".repeat(76)); // the longest that fits
  assert.throws(() => Store.at("/" + "x".repeat(77)));
});

Deno.test("store: a name of 63 characters has sockets that fit", () => {
  const paths = Store.at("/home/somebody/.fleetbox").member("n".repeat(63));
  for (const path of [paths.socket, paths.qmpSocket, paths.netSocket, paths.consoleSocket]) {
    assert.ok(path.length < 104, path);
  }
});

Deno.test("store: it is private whatever the umask", () =>
  withStore((_store, root) => {
    const old = Deno.umask(0);
    try {
      const store = Store.at(join(root, "open"));
      for (const umask of [0, 0o077, 0o277]) {
        Deno.umask(umask);
        const store = Store.at(join(root, `open${umask}`));
        store.ensure();
        for (const dir of [store.root, store.runDir, store.clustersDir]) {
          assert.equal(Deno.statSync(dir).mode! & 0o777, 0o700, `${dir}, umask ${umask}`);
        }
      }
      Deno.umask(0);
      store.ensure();
      Deno.chmodSync(store.root, 0o755);
      store.ensure();
      assert.equal(Deno.statSync(store.root).mode! & 0o777, 0o700);
    } finally {
      Deno.umask(old);
    }
  }));

Deno.test("store: a root that is a file is refused as such", () =>
  withStore((_store, root) => {
    Deno.writeTextFileSync(join(root, "file"), "");
    assert.throws(() => Store.at(join(root, "file")).ensure(), /Cannot make the store/);
  }));

Deno.test("store: members come in natural order, damaged ones with the damage, and nothing is deleted", () =>
  withStore(async (store) => {
    for (const name of ["web-10", "web-2", "dev", "bad", "half"]) await addMember(store, name);
    Deno.writeTextFileSync(store.member("bad").config, '{"name":"bad"');
    Deno.writeTextFileSync(store.member("half").config, '{"name":"half","mac":"52:54:00:00:00:0a"}');
    Deno.mkdirSync(join(store.clustersDir, "NotAName", "x"), { recursive: true });
    const members = store.members();
    assert.deepEqual(members.map(({ name }) => name), ["bad", "dev", "half", "web-2", "web-10"]);
    const damage = members.flatMap((member) => "damage" in member ? [member.damage.message] : []);
    assert.equal(damage.length, 2);
    assert.match(damage[1], /its "cpus" is missing, expected a whole number/);
    assert.throws(() => store.config("bad"), (thrown) => (thrown as FleetboxError).code === "damaged");
    assert.ok(exists(store.member("bad").config));
  }));

Deno.test("store: a config of another name, or a disk without one, is damage", () =>
  withStore(async (store) => {
    await addMember(store, "a");
    Deno.writeTextFileSync(store.member("a").config, JSON.stringify(CONFIG));
    assert.throws(() => store.config("a"), /it belongs to "web-1"/);
    Deno.removeSync(store.member("a").config);
    assert.equal(store.config("a"), undefined); // no disk: an interrupted start
    Deno.writeTextFileSync(store.member("a").disk, "");
    assert.throws(() => store.config("a"), /there is a disk/);
  }));

Deno.test("store: of many writers at once a reader sees one whole content", () =>
  withStore(async (_store, root) => {
    const path = join(root, "file");
    const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(50_000));
    await Promise.all(texts.map((text) => writeDurably(path, text)));
    assert.ok(texts.includes(Deno.readTextFileSync(path)));
    assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name).sort(), ["file", "s"]);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  }));

Deno.test("store: the member lock lets one in at a time, also past a removal", () =>
  withStore(async (store) => {
    await addMember(store, "a");
    let inside = 0, most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((later) => setTimeout(later, 2));
      inside--;
    };
    const removal = removeMember(store, "a");
    await Promise.all([removal, ...Array.from({ length: 10 }, () => store.withMemberLock("a", work))]);
    assert.equal(most, 1);
    // Whoever came after the removal works in a directory that is there.
    await store.withMemberLock("a", () => Promise.resolve(assert.ok(exists(store.member("a").lock))));
  }));

Deno.test("store: a removed member leaves nothing, its neighbours stay", () =>
  withStore(async (store) => {
    await addMember(store, "web-1");
    await addMember(store, "web-2");
    Deno.writeTextFileSync(store.member("web-1").disk, "disk");
    await removeMember(store, "web-1");
    assert.deepEqual(store.members().map(({ name }) => name), ["web-2"]);
    await removeMember(store, "web-2");
    assert.deepEqual([...Deno.readDirSync(store.clustersDir)], []);
  }));

Deno.test("store: damaged group records are passed over", () =>
  withStore(async (store) => {
    const record = {
      id: "0123456789ab",
      group: "a",
      members: ["a"],
      running: [],
      holder: { pid: 1, startTime: "1" },
      bound: false,
      egress: "off" as const,
      host_access: false,
      hypervisors: {},
      served: ["a"],
      ssh_ports: {},
    };
    await store.writeGroupRecord(record);
    for (const [name, text] of [["half", '{"id"'], ["other", '{"id":"../../x"}'], ["null", "null"]]) {
      Deno.writeTextFileSync(join(store.runDir, `${name}.json`), text);
    }
    assert.deepEqual(store.groupRecords(), [record]);
  }));

Deno.test("store: what a killed process left half-made is swept, what one that lives makes is left", () => {
  const root = Deno.makeTempDirSync({ prefix: "st" });
  try {
    const store = Store.at(root);
    store.ensure();
    const { dir } = store.member("a");
    Deno.mkdirSync(dir, { recursive: true });
    const dead = 2 ** 22 + 1; // more than any process id of Linux
    const mine = temporaryOf(join(dir, "config.json"));
    const gone = (path: string) => path.replace(`.${Deno.pid}-`, `.${dead}-`);
    for (const path of [mine, gone(mine), gone(temporaryOf(join(store.runDir, "x.json")))]) {
      Deno.writeTextFileSync(path, "");
    }
    Deno.mkdirSync(`${gone(temporaryOf(join(dir, "seed.img")))}.d/deep`, { recursive: true });
    const removed = temporaryOf(join(store.clustersDir, ".removed-b"));
    for (const half of [removed, gone(removed)]) Deno.mkdirSync(join(half, "deep"), { recursive: true });
    Deno.writeTextFileSync(join(dir, "disk.qcow2"), "");
    store.sweepTemporary(["a", "nobody"]);
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => join(dir, name)).sort(), [
      mine,
      join(dir, "disk.qcow2"),
    ]);
    assert.deepEqual([...Deno.readDirSync(store.runDir)], []);
    assert.deepEqual([exists(removed), exists(gone(removed))], [true, false]);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
