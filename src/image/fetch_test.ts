import * as assert from "#assert";
import { join } from "../system/path.ts";
import { replaceVariables } from "../core/environment.ts";
import { codeOf, FleetboxError, messageOf } from "../core/errors.ts";
import type { Store } from "../store.ts";
import { cachedImages, lookUp, removeImage } from "./cache.ts";
import { fetchImage, type FetchOptions, type FetchProgress, plainName } from "./fetch.ts";
import { resolveImage } from "./image.ts";
import { imagesIn, rawDisk, serve, sha256Of, temporaryStore } from "./testing.ts";

const DISK = rawDisk();
const DIGEST = sha256Of(DISK);
const ID = `disk-${DIGEST.slice(0, 16)}`;
const QUICK = { limits: { stallMs: 300, backoffMs: 10 } };

async function fails(
  code: string,
  words: RegExp,
  store: Store,
  ref: string,
  options: FetchOptions = {},
): Promise<FleetboxError> {
  let thrown: unknown;
  try {
    await fetchImage(store, ref, { ...QUICK, ...options });
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof FleetboxError, `it did not fail as it should: ${thrown}`);
  assert.match(messageOf(thrown), words);
  assert.equal(codeOf(thrown), code);
  return thrown;
}

Deno.test("an address is downloaded once, kept by its digest, and needs no network afterwards", async () => {
  using store = temporaryStore();
  const told: FetchProgress[] = [];
  {
    await using server = serve(DISK);
    const directory = await fetchImage(store, server.url, { onDownload: (progress) => told.push(progress) });
    assert.equal(directory, join(store.imagesDir, ID));
    assert.deepEqual(Deno.readFileSync(join(directory, "disk.img")), DISK);
    assert.deepEqual(told[0], { step: "downloading", bytes: 0, total: DISK.length, rate: 0 });
    assert.equal(told.at(-1)?.step, "verifying");
    assert.equal(told.at(-1)?.bytes, DISK.length);
    assert.equal(server.asked.length, 1);
    const again = await fetchImage(store, server.url);
    assert.equal(again, directory);
    assert.equal(server.asked.length, 1);
    assert.deepEqual(imagesIn(store), [ID, "refs"]);
    const image = await resolveImage(store, server.url);
    assert.equal(image.id, ID);
    assert.equal(image.format, "raw");
    assert.deepEqual(image.boot, { kind: "firmware" });
  }
});

Deno.test("an address without a digest is asked again when that is wanted, and then means the new file; the old one stays", async () => {
  using store = temporaryStore();
  await using server = serve(DISK);
  await fetchImage(store, server.url);
  const newer = DISK.map((byte) => byte ^ 0xff); // as a server in that mood has it
  server.moods = ["changed"];
  assert.equal(await fetchImage(store, server.url), join(store.imagesDir, ID));
  const directory = await fetchImage(store, server.url, { again: true });
  assert.deepEqual(Deno.readFileSync(join(directory, "disk.img")), newer);
  assert.equal(await fetchImage(store, server.url), directory);
  assert.equal(cachedImages(store).length, 2);
  const pinned = `${server.url}#sha256=${sha256Of(newer)}`;
  await fetchImage(store, pinned);
  const { length } = server.asked;
  await fetchImage(store, pinned, { again: true });
  assert.equal(server.asked.length, length, "its digest says that it is the same");
});

Deno.test("a digest in the address is checked; another file is refused, and nothing stays", async () => {
  using store = temporaryStore();
  await using server = serve(DISK);
  await fetchImage(store, `${server.url}#sha256=${DIGEST}`);
  const wrong = "0".repeat(64);
  const error = await fails(
    "damaged",
    new RegExp(`found SHA-256 ${DIGEST}, expected ${wrong}`),
    store,
    `${server.url}#sha256=${wrong}`,
  );
  assert.match(error.hint!, /#sha256=/);
  assert.deepEqual(imagesIn(store), [ID, "refs"]);
  await fails("misuse", /Bad digest/, store, `${server.url}#sha256=12`);
});

Deno.test("the same file from two addresses is there once", async () => {
  using store = temporaryStore();
  await using server = serve(DISK);
  const first = await fetchImage(store, server.url);
  const second = await fetchImage(store, `${server.url}?again`);
  assert.equal(first, second);
  assert.deepEqual(cachedImages(store).map(({ id, refs }) => [id, refs.length]), [[ID, 2]]);
});

Deno.test("a download that breaks off is resumed, by itself and by the next one", async () => {
  using store = temporaryStore();
  await using server = serve(DISK, "short", "good");
  await fetchImage(store, server.url, QUICK);
  const half = DISK.length / 2;
  assert.deepEqual(server.asked.map(({ range }) => range), [null, `bytes=${half}-`]);
  assert.match(server.asked[1].ifRange!, /^"[0-9a-f]{8}"$/);
  assert.deepEqual(Deno.readFileSync(join(store.imagesDir, ID, "disk.img")), DISK);

  await removeImage(store, ID);
  server.moods = ["short", "trouble"];
  await fails("unavailable", /503/, store, server.url);
  assert.deepEqual(imagesIn(store), ["*.part", "*.part.json", "refs"]);
  server.moods = ["good"];
  await fetchImage(store, server.url, QUICK);
  assert.equal(server.asked.at(-1)?.range, `bytes=${half}-`);
  assert.deepEqual(imagesIn(store), [ID, "refs"]);
});

Deno.test("a file that changed in between is downloaded from its beginning", async () => {
  using store = temporaryStore();
  await using server = serve(DISK, "short", "changed");
  const directory = await fetchImage(store, server.url, QUICK);
  assert.deepEqual(Deno.readFileSync(join(directory, "disk.img")), DISK.map((byte) => byte ^ 0xff));
});

Deno.test("a server that knows no ranges sends it anew; one that says no length is believed at its end", async () => {
  using store = temporaryStore();
  await using server = serve(DISK, "short", "no ranges");
  await fetchImage(store, server.url, QUICK);
  await removeImage(store, ID);
  server.moods = ["no length"];
  await fetchImage(store, server.url, QUICK);
  assert.deepEqual(Deno.readFileSync(join(store.imagesDir, ID, "disk.img")), DISK);
});

Deno.test("a part of another file is found out by the digest, and the file downloaded anew, once", async () => {
  using store = temporaryStore();
  await using server = serve(DISK, "short", "trouble");
  const ref = `${server.url}#sha256=${DIGEST}`;
  await fails("unavailable", /503/, store, ref);
  const part = [...Deno.readDirSync(store.imagesDir)].find(({ name }) => name.endsWith(".part"))!.name;
  const file = Deno.openSync(join(store.imagesDir, part), { write: true });
  file.writeSync(new Uint8Array([1, 2, 3]));
  file.close();
  server.moods = ["good"];
  await fetchImage(store, ref, QUICK);
  assert.deepEqual(server.asked.slice(-2).map(({ range }) => range), [`bytes=${DISK.length / 2}-`, null]);
});

Deno.test("a server that falls silent is given up on after the limit; what came is kept", async () => {
  using store = temporaryStore();
  await using server = serve(DISK, "silent");
  const error = await fails("timeout", /the server sent nothing for 0\.3 s/, store, server.url);
  assert.match(error.hint!, /the download resumes/);
  assert.deepEqual(imagesIn(store), ["*.part", "*.part.json"]);
  assert.equal(server.asked.length, 3);
});

for (
  const { mood, code, words, requests } of [
    { mood: "not found", code: "not-found", words: /the server answered 404/, requests: 1 },
    { mood: "trouble", code: "unavailable", words: /the server answered 503/, requests: 3 },
    { mood: "loop", code: "failed", words: /redirects more than 10 times/, requests: 11 },
  ] as const
) {
  Deno.test(`a server with "${mood}" is an error that says so, and leaves nothing`, async () => {
    using store = temporaryStore();
    await using server = serve(DISK, mood);
    await fails(code, words, store, server.url);
    assert.equal(server.asked.length, requests);
    assert.deepEqual(imagesIn(store), []);
  });
}

Deno.test("a server that is not there is an error with the reason", async () => {
  using store = temporaryStore();
  const { url } = await (async () => {
    await using server = serve(DISK);
    return { url: server.url };
  })();
  await fails("unavailable", /refused/i, store, url);
  assert.deepEqual(imagesIn(store), []);
});

Deno.test("many that want the same image at once download it once, and see its progress", async () => {
  using store = temporaryStore();
  await using server = serve(DISK, "slow");
  const told: number[][] = [[], [], [], []];
  const all = await Promise.all(
    told.map((seen) => fetchImage(store, server.url, { onDownload: ({ bytes }) => void seen.push(bytes) })),
  );
  assert.equal(new Set(all).size, 1);
  assert.equal(server.asked.length, 1);
  for (const seen of told) assert.ok(seen.some((bytes) => bytes > 0 && bytes < DISK.length), `${seen}`);
  assert.deepEqual(imagesIn(store), [ID, "refs"]);
});

Deno.test("a download that is aborted ends at once with the signal's reason, and is continued later", async () => {
  using store = temporaryStore();
  await using server = serve(DISK, "silent");
  const over = new AbortController();
  const reason = new FleetboxError("interrupted", "enough");
  const underWay = fetchImage(store, server.url, {
    signal: over.signal,
    onDownload: ({ bytes }) => bytes >= 0 && setTimeout(() => over.abort(reason), 100),
  });
  const waiter = new AbortController();
  const waits = fetchImage(store, server.url, { signal: waiter.signal, onDownload: () => waiter.abort(reason) });
  await Promise.all([assert.rejects(waits, reason), assert.rejects(underWay, reason)]);
  server.moods = ["good"];
  await fetchImage(store, server.url);
  assert.deepEqual(imagesIn(store), [ID, "refs"]);
});

Deno.test("FLEETBOX_OFFLINE=true never opens a connection; what is there is found", async () => {
  using store = temporaryStore();
  await using server = serve(DISK);
  using _offline = replaceVariables({ FLEETBOX_OFFLINE: "true" });
  await fails("unavailable", /FLEETBOX_OFFLINE forbids/, store, server.url);
  await fails("unavailable", /The image debian-12 is not in the store/, store, "debian-12");
  assert.equal(server.asked.length, 0);
  {
    using _ = replaceVariables({ FLEETBOX_OFFLINE: "" });
    await fetchImage(store, server.url);
  }
  await fetchImage(store, server.url);
  assert.equal(server.asked.length, 1);
  for (const off of ["0", "false", "no", ""]) {
    using _ = replaceVariables({ FLEETBOX_OFFLINE: off });
    await fetchImage(store, `${server.url}?${off}`);
  }
  assert.equal(server.asked.length, 5);
});

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(
    await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  );
}

async function xz(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const child = new Deno.Command("xz", { args: ["-c"], stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  void writer.write(bytes).then(() => writer.close());
  return new Uint8Array(await new Response(child.stdout).arrayBuffer());
}

for (const [form, pack] of [["gzip", gzip], ["xz", xz]] as const) {
  Deno.test(`an image that is packed with ${form} is unpacked, with holes for zeros; a broken one is refused`, async () => {
    using store = temporaryStore();
    const disk = new Uint8Array(4 * 1024 * 1024);
    disk.set(DISK);
    const packed = await pack(disk);
    await using server = serve(packed);
    const directory = await fetchImage(store, server.url);
    const file = join(directory, "disk.img");
    assert.deepEqual(Deno.readFileSync(file), disk);
    assert.ok(Deno.statSync(file).blocks! * 512 < disk.length / 2, "there are no holes");

    await using other = serve(packed.slice(0, packed.length - 100));
    await fails("damaged", new RegExp(`it is not a whole ${form} file`), store, other.url);
    assert.deepEqual(imagesIn(store).filter((name) => name !== "refs").length, 1);
  });
}

Deno.test("an image that another process has made meanwhile, from another address, is the one", async () => {
  using store = temporaryStore();
  store.ensure();
  const path = join(store.root, "disk.img.gz");
  Deno.writeFileSync(path, await gzip(DISK));
  const theirs = join(store.root, "theirs");
  {
    using other = temporaryStore();
    const copied = join(other.root, "disk.img.gz");
    await Deno.copyFile(path, copied);
    await Deno.rename(await fetchImage(other, copied), theirs);
  }
  const place = join(store.imagesDir, `disk-${sha256Of(Deno.readFileSync(path)).slice(0, 16)}`);
  const before = Deno.readTextFileSync(join(theirs, "image.json"));
  const directory = await fetchImage(store, path, {
    onDownload: ({ step }) => step === "unpacking" && Deno.renameSync(theirs, place),
  });
  assert.equal(directory, place);
  assert.equal(Deno.readTextFileSync(join(place, "image.json")), before);
  assert.deepEqual(imagesIn(store), [place.slice(store.imagesDir.length + 1), "refs"]);
});

Deno.test("a local file that is packed is unpacked once, and again when it changed", async () => {
  using store = temporaryStore();
  const path = join(store.root, "my disk.img.gz");
  Deno.writeFileSync(path, await gzip(DISK));
  const image = await resolveImage(store, path);
  assert.match(image.id, /^my-disk-[0-9a-f]{16}$/);
  assert.equal((await resolveImage(store, path)).id, image.id);
  Deno.writeFileSync(path, await gzip(DISK.map((byte) => byte ^ 1)));
  const other = await resolveImage(store, path);
  assert.notEqual(other.id, image.id);
  // A member's disk is on the old one, which is there as long as nobody removes it.
  assert.equal((await resolveImage(store, path, image.id)).disk, image.disk);
  assert.ok(Deno.statSync(path).isFile);
});

Deno.test("without xz an image that needs it says what to install, and leaves nothing", async () => {
  using store = temporaryStore();
  await using server = serve(await xz(DISK));
  // In a process of its own: all test files that run side by side have the same PATH.
  const program = `
    import { fetchImage } from ${JSON.stringify(new URL("./fetch.ts", import.meta.url).href)};
    import { Store } from ${JSON.stringify(new URL("../store.ts", import.meta.url).href)};
    await fetchImage(Store.at(${JSON.stringify(store.root)}), ${JSON.stringify(server.url)}).catch(
      ({ code, message, hint }) => console.log(JSON.stringify({ code, message, hint })));`;
  const args = ["eval", "--no-check", program];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, env: { PATH: "/nowhere" }, stderr: "inherit" })
    .output();
  const error = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(error.code, "unavailable");
  assert.match(error.message, /program xz is not installed/);
  assert.match(error.hint, /apt-get install xz-utils/);
  assert.deepEqual(imagesIn(store), []);
});

function qcow2(change: (view: DataView) => void): Uint8Array<ArrayBuffer> {
  const disk = new Uint8Array(64 * 1024);
  const view = new DataView(disk.buffer);
  view.setUint32(0, 0x514649fb);
  view.setUint32(4, 3);
  view.setBigUint64(24, 1024n * 1024n);
  change(view);
  return disk;
}

for (
  const { what, content, code, words } of [
    {
      what: "a web page",
      content: new TextEncoder().encode("<!DOCTYPE html>" + " ".repeat(600)),
      code: "damaged",
      words: /found a web page/,
    },
    { what: "something cut off", content: rawDisk(1000), code: "damaged", words: /not a multiple of 512/ },
    {
      what: "a VMDK",
      content: new TextEncoder().encode("KDMV".padEnd(1024)),
      code: "damaged",
      words: /found a VMDK disk/,
    },
    {
      what: "a qcow2 with a backing file",
      content: qcow2((view) => view.setBigUint64(8, 512n)),
      code: "denied",
      words: /refers to another file/,
    },
    {
      what: "a qcow2 with its data elsewhere",
      content: qcow2((view) => view.setBigUint64(72, 4n)),
      code: "denied",
      words: /refers to another file/,
    },
  ]
) {
  Deno.test(`${what} is no image, and is not kept`, async () => {
    using store = temporaryStore();
    await using server = serve(content as Uint8Array<ArrayBuffer>);
    await fails(code, words, store, server.url);
    assert.deepEqual(imagesIn(store), []);
  });
}

Deno.test("a plain qcow2 from elsewhere is accepted", async () => {
  using store = temporaryStore();
  await using server = serve(qcow2(() => {}));
  const image = await resolveImage(store, server.url);
  assert.deepEqual([image.format, image.virtualBytes], ["qcow2", 1024 * 1024]);
});

Deno.test("the address's file name becomes a plain directory's name", () => {
  for (
    const [name, plain] of [
      ["debian-12-generic-amd64.qcow2", "debian-12-generic-amd64"],
      ["disk.img.xz", "disk"],
      ["..%2f..", "2f"],
      ["", "disk"],
      ["ä ö.raw", "disk"],
      ["x".repeat(100), "x".repeat(48)],
    ]
  ) assert.equal(plainName(name), plain);
});

Deno.test("no space: the error says so, and no part takes up what is left", { ignore: Deno.uid() !== 0 }, async () => {
  const dir = Deno.makeTempDirSync({ prefix: "im" });
  const mount = (...args: string[]) => new Deno.Command("mount", { args }).output();
  await mount("-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", dir);
  try {
    const { Store } = await import("../store.ts");
    const store = Store.at(dir);
    const full = rawDisk(1024 * 1024).map((byte) => byte | 1);
    await using server = serve(full);
    const error = await fails("no-space", /no space left/, store, server.url);
    assert.match(error.hint!, /Free some space/);
    assert.deepEqual(imagesIn(store), []);
  } finally {
    await new Deno.Command("umount", { args: [dir] }).output();
    Deno.removeSync(dir);
  }
});

Deno.test("an alias means the image that was fetched or built last; a member keeps its own", async () => {
  using store = temporaryStore();
  await using server = serve(DISK);
  await fetchImage(store, server.url);
  const { point } = await import("./cache.ts");
  await point(store, { ref: "debian-12", arch: Deno.build.arch, id: ID });
  assert.equal(lookUp(store, "debian-12", Deno.build.arch), ID);
  assert.equal((await resolveImage(store, "debian-12")).id, ID);
  await point(store, { ref: "debian-12", arch: Deno.build.arch, id: "gone-1" });
  assert.equal(lookUp(store, "debian-12", Deno.build.arch), undefined);
  assert.equal((await resolveImage(store, "debian-12", ID)).id, ID);
});
