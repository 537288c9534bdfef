import * as assert from "#assert";
import { createHash } from "node:crypto";
import { join } from "../src/system/path.ts";
import { replaceVariables } from "../src/core/environment.ts";
import { codeOf, type ErrorCode, FleetboxError } from "../src/core/errors.ts";
import { exists } from "../src/system/files.ts";
import { Store } from "../src/store.ts";
import { downloadHelper, type DownloadOptions, type Wanted } from "./download.ts";

const BYTES = new Uint8Array(200_000).map((_, at) => at * 7);
const SHA256 = createHash("sha256").update(BYTES).digest("hex");

interface Scene {
  url: string;
  store: Store;
  wanted: Wanted;
  /** Paths that were asked for. */
  asked: string[];
  get(options?: DownloadOptions): Promise<string>;
}

/** A server on the loopback, and a store. At the end nothing half-made is in `bin`. */
async function scene(
  serve: (path: string, times: number, request: Request) => Response | Promise<Response>,
  work: (scene: Scene) => Promise<void>,
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "hd" });
  const store = Store.at(join(root, "s"));
  const asked: string[] = [];
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError: () => new Response("", { status: 500 }),
  }, (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    return serve(pathname, asked.length, request);
  });
  const url = `http://127.0.0.1:${server.addr.port}/h`;
  const wanted = { url, sha256: SHA256, bytes: BYTES.length, version: "0.1.0", target: "x86_64-unknown-linux-gnu" };
  try {
    await work({ url, store, wanted, asked, get: (options) => downloadHelper(store, wanted, options) });
    const left = exists(store.binDir) ? [...Deno.readDirSync(store.binDir)].map(({ name }) => name) : [];
    assert.deepEqual(
      left.filter((name) => !/^(\.lock|fleetbox-helper-0\.1\.0-x86_64-unknown-linux-gnu)$/.test(name)),
      [],
    );
  } finally {
    await server.shutdown();
    Deno.removeSync(root, { recursive: true });
  }
}

const good = () => new Response(BYTES);

async function refuses(asked: Promise<unknown>, code: ErrorCode, words: RegExp): Promise<void> {
  await assert.rejects(asked, (thrown) => {
    assert.ok(thrown instanceof FleetboxError, String(thrown));
    assert.deepEqual([codeOf(thrown), words.test(thrown.message)], [code, true], thrown.message);
    if (code !== "interrupted" && code !== "no-space") assert.match(thrown.hint!, /FLEETBOX_HELPER/);
    return true;
  });
}

Deno.test("download: what is good is kept, 0700, under its version, and not asked for again", async () => {
  await scene(good, async ({ store, asked, get }) => {
    const program = await get();
    assert.equal(program, store.helper("0.1.0", "x86_64-unknown-linux-gnu"));
    assert.deepEqual(Deno.readFileSync(program), BYTES);
    assert.equal(Deno.statSync(program).mode! & 0o777, 0o700);
    assert.equal(Deno.statSync(store.binDir).mode! & 0o777, 0o700);
    assert.equal(await get(), program);
    assert.equal(await get({ offline: true }), program);
    assert.deepEqual(asked, ["/h"]);
  });
});

Deno.test("download: eight clients at once make one download", async () => {
  const slowly = async () => {
    await new Promise((later) => setTimeout(later, 200));
    return good();
  };
  await scene(slowly, async ({ asked, get }) => {
    const programs = await Promise.all(Array.from({ length: 8 }, () => get()));
    assert.equal(new Set(programs).size, 1);
    assert.deepEqual(asked, ["/h"]);
  });
});

Deno.test("download: another digest is refused at once, and nothing of it stays", async () => {
  await scene(() => new Response(BYTES.toReversed()), async ({ store, asked, get }) => {
    await refuses(get(), "damaged", new RegExp(`found SHA-256 [0-9a-f]{64}, expected ${SHA256}`));
    assert.deepEqual(asked, ["/h"]);
    assert.ok(!exists(store.helper("0.1.0", "x86_64-unknown-linux-gnu")));
  });
});

Deno.test("download: more than the catalogue says is refused before it fills the disk", async () => {
  let sent = 0;
  const endless = () =>
    new Response(new ReadableStream({ pull: (to) => void (sent++, to.enqueue(new Uint8Array(64 * 1024))) }));
  await scene(endless, async ({ get }) => {
    await refuses(get(), "damaged", /found more than 200000 bytes/);
  });
  assert.ok(sent < 1_000, `${sent}`);
});

Deno.test("download: one that is cut off is begun anew, and one that is always cut off is an error", async () => {
  const half = BYTES.subarray(0, 90_000);
  await scene((_, times) => times === 1 ? new Response(half) : good(), async ({ asked, get }) => {
    assert.deepEqual(Deno.readFileSync(await get()), BYTES);
    assert.equal(asked.length, 2);
  });
  await scene(() => new Response(half), async ({ asked, get }) => {
    await refuses(get(), "failed", /it ended after 90000 of 200000 bytes, 3 times/);
    assert.equal(asked.length, 3);
  });
  const breaks = () => {
    let sent = false;
    return new Response(
      new ReadableStream({
        async pull(to) {
          if (sent) {
            await new Promise((later) => setTimeout(later, 50));
            throw new Error("the server's own");
          }
          sent = true;
          to.enqueue(half);
        },
      }),
    );
  };
  await scene(breaks, async ({ get }) => {
    await refuses(get(), "failed", /broke off|ended after/);
  });
});

Deno.test("download: not found is reported at once, a server's error after three tries", async () => {
  await scene(() => new Response("no", { status: 404 }), async ({ asked, get }) => {
    await refuses(get(), "unavailable", /the server answered 404, expected 200/);
    assert.equal(asked.length, 1);
  });
  await scene((_, times) => times < 3 ? new Response("", { status: 503 }) : good(), async ({ get }) => {
    assert.deepEqual(Deno.readFileSync(await get()), BYTES);
  });
  await scene(() => new Response("", { status: 503 }), async ({ asked, get }) => {
    await refuses(get(), "failed", /the server answered 503, 3 times/);
    assert.equal(asked.length, 3);
  });
});

Deno.test("download: a server that does not listen is reported", async () => {
  await scene(good, async ({ store, wanted }) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    await refuses(downloadHelper(store, { ...wanted, url: `http://127.0.0.1:${port}/` }), "failed", /3 times/);
  });
});

Deno.test("download: a slow one continues while bytes arrive, a stalled one is ended", {
  sanitizeOps: false, // the stalled server does not end before the test
}, async () => {
  const pieces = (pauseMs: number) => () => {
    let at = 0;
    return new Response(
      new ReadableStream({
        async pull(to) {
          if (at >= BYTES.length) return to.close();
          if (at > 0) await new Promise((later) => setTimeout(later, pauseMs));
          to.enqueue(BYTES.slice(at, at + 40_000));
          at += 40_000;
        },
      }),
    );
  };
  await scene(pieces(300), async ({ get }) => {
    const started = performance.now();
    assert.deepEqual(Deno.readFileSync(await get({ stallMs: 1_100 })), BYTES);
    assert.ok(performance.now() - started > 1_100, "longer than the limit, all in all");
  });
  await scene(pieces(1_500), async ({ get }) => {
    await refuses(get({ stallMs: 200 }), "timeout", /received no bytes for 0.2 s, 3 times/);
  });
});

Deno.test("download: redirects are followed, but not round and round, nor out of http", async () => {
  const to = (location: string) => new Response(null, { status: 302, headers: { location } });
  await scene((path) => path === "/h" ? to("/a") : path === "/a" ? to("b") : good(), async ({ asked, get }) => {
    assert.deepEqual(Deno.readFileSync(await get()), BYTES);
    assert.deepEqual(asked, ["/h", "/a", "/b"]);
  });
  await scene((path) => to(path === "/h" ? "/loop" : "/h"), async ({ asked, get }) => {
    await refuses(get(), "unavailable", /redirects more than 5 times/);
    assert.equal(asked.length, 6);
  });
  await scene(() => to("file:///etc/passwd"), async ({ get }) => {
    await refuses(get(), "unavailable", /it redirects to file:\/\/\/etc\/passwd, expected http or https/);
  });
});

Deno.test("download: what an interrupted one left is no program, and the next begins anew", async () => {
  await scene(good, async ({ store, get, asked }) => {
    const program = store.helper("0.1.0", "x86_64-unknown-linux-gnu");
    Deno.mkdirSync(store.binDir, { recursive: true, mode: 0o700 });
    Deno.writeFileSync(`${program}.part`, BYTES.subarray(0, 1000), { mode: 0o700 });
    assert.deepEqual(Deno.readFileSync(await get()), BYTES);
    assert.deepEqual(asked, ["/h"]);
  });
});

Deno.test("download: a program in bin that is not the catalogue's is not used, but replaced", async () => {
  await scene(good, async ({ store, get, asked }) => {
    const program = store.helper("0.1.0", "x86_64-unknown-linux-gnu");
    Deno.mkdirSync(store.binDir, { recursive: true, mode: 0o700 });
    for (const content of [BYTES.toReversed(), BYTES.subarray(1)]) {
      Deno.writeFileSync(program, content, { mode: 0o700 });
      await refuses(get({ offline: true }), "unavailable", /FLEETBOX_OFFLINE is set/);
      assert.deepEqual(Deno.readFileSync(await get()), BYTES);
    }
    Deno.chmodSync(program, 0o600);
    await get();
    assert.equal(asked.length, 3);
  });
});

Deno.test("download: offline no connection is opened", async () => {
  await scene(good, async ({ get, asked, store }) => {
    await refuses(get({ offline: true }), "unavailable", /FLEETBOX_OFFLINE is set, and .*bin\/fleetbox-helper/);
    using _ = replaceVariables({ FLEETBOX_OFFLINE: "true" });
    await refuses(get(), "unavailable", /FLEETBOX_OFFLINE is set/);
    assert.deepEqual(asked, []);
    assert.ok(!exists(store.root));
  });
});

Deno.test("download: a signal ends it, and it can be begun again", async () => {
  const hangs = (_: string, times: number) =>
    times === 1 ? new Promise<Response>((late) => setTimeout(() => late(good()), 700)) : good();
  await scene(hangs, async ({ get }) => {
    await refuses(get({ signal: AbortSignal.timeout(100) }), "interrupted", /was interrupted/);
    assert.deepEqual(Deno.readFileSync(await get()), BYTES);
  });
});

Deno.test({
  name: "download: a full disk is told as one, and leaves room again",
  ignore: Deno.uid() !== 0,
  async fn() {
    await scene(good, async ({ store, get }) => {
      store.ensure();
      Deno.mkdirSync(store.binDir, { mode: 0o700 });
      const mount = (...args: string[]) => new Deno.Command(args[0], { args: args.slice(1) }).output();
      const { success } = await mount("mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", store.binDir);
      assert.ok(success);
      try {
        await refuses(get(), "no-space", /no space left on the device/);
        assert.deepEqual([...Deno.readDirSync(store.binDir)].map(({ name }) => name), [".lock"]);
      } finally {
        await mount("umount", store.binDir);
      }
    });
  },
});
