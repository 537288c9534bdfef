import * as assert from "#assert";
import { createHash } from "node:crypto";
import { join } from "../src/system/path.ts";
import { replaceVariables } from "../src/core/environment.ts";
import { FleetboxError } from "../src/core/errors.ts";
import { selfExecutable } from "../src/system/program_info.ts";
import { Store } from "../src/store.ts";
import { ask, resolveHelper, type ResolveOptions } from "./resolve.ts";

const catalog = { version: "0.1.0", protocol: 1, helpers: {} };

async function inStore(work: (store: Store, root: string) => Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "hr" });
  try {
    await work(Store.at(join(root, "s")), root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

/** A program that answers `version --json` like this. */
function program(path: string, answer: string): string {
  Deno.writeTextFileSync(path, `#!/bin/sh\n${answer}\n`, { mode: 0o755 });
  return path;
}

/** A user's compiled program: nothing is at hand, whatever this machine has. */
const bare = { isCompiled: true, isFleetbox: false, source: undefined, onPath: undefined };

Deno.test("resolve: from this checkout it is the same Deno with our main module", async () => {
  await inStore(async (store) => {
    using _ = replaceVariables({ FLEETBOX_HELPER: "" });
    assert.deepEqual(await resolveHelper(store), selfExecutable());
  });
});

Deno.test("resolve: FLEETBOX_HELPER is used, and refused when it is not a program; nothing is made in the store", async () => {
  await inStore(async (store, root) => {
    {
      using _ = replaceVariables({ FLEETBOX_HELPER: "/bin/true" });
      assert.deepEqual(await resolveHelper(store), { program: "/bin/true", args: [] });
    }
    {
      using _ = replaceVariables({ FLEETBOX_HELPER: root });
      await assert.rejects(resolveHelper(store), /FLEETBOX_HELPER is ".*", which is not a program/);
    }
    assert.deepEqual([...Deno.readDirSync(root)], []);
  });
});

Deno.test("resolve: a fleetbox on PATH is asked which protocol it speaks; what is silent, slow or babbles is passed over", async () => {
  await inStore(async (store, root) => {
    const resolved = (onPath: string, options: ResolveOptions = {}) =>
      resolveHelper(store, { facts: { ...bare, onPath }, catalog, ...options });
    const ours = program(join(root, "ours"), `test "$*" = "version --json" && echo '{"protocol":1}'`);
    assert.deepEqual(await resolved(ours), { program: ours, args: [] });
    const others: [name: string, answer: string, words: RegExp][] = [
      ["newer", `echo '{"protocol":2}'`, /speaks version 2, expected 1/],
      ["old", `echo 'error: unknown command' >&2; exit 2`, /says no protocol version/],
      ["babbles", `echo protocol 1`, /says no protocol version/],
      ["lies", `echo '{"protocol":"1"}'`, /says no protocol version/],
    ];
    for (const [name, answer, words] of others) {
      await assert.rejects(resolved(program(join(root, name), answer)), (thrown) => {
        return thrown instanceof FleetboxError && thrown.code === "unavailable" && words.test(thrown.message);
      });
    }
    const hangs = program(join(root, "hangs"), "exec sleep 60");
    assert.deepEqual(await ask(hangs, 200), { program: hangs });
  });
});

Deno.test("resolve: what main.ts and helper/main.ts say of themselves is what is asked for", async () => {
  const { program, args } = selfExecutable();
  for (const main of [args.at(-1)!, join(import.meta.dirname!, "main.ts")]) {
    const child = new Deno.Command(program, { args: [...args.slice(0, -1), main, "version", "--json"] });
    const { stdout } = await child.output();
    assert.equal(JSON.parse(new TextDecoder().decode(stdout)).protocol, 1, main);
  }
});

Deno.test("resolve: where nothing else is, the catalogue's helper is downloaded, and it is what runs", async () => {
  await inStore(async (store) => {
    const text = "#!/bin/sh\necho '{\"protocol\":1}'\n";
    const bytes = new TextEncoder().encode(text);
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response(bytes));
    try {
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const entry = { url: `http://127.0.0.1:${server.addr.port}/`, sha256, bytes: bytes.length };
      const filled = { ...catalog, helpers: { [Deno.build.target]: entry } };
      const options = { facts: bare, catalog: filled };
      await assert.rejects(resolveHelper(store, { ...options, offline: true }), /FLEETBOX_OFFLINE/);
      const { program, args } = await resolveHelper(store, options);
      assert.deepEqual([program.startsWith(store.binDir), args], [true, []]);
      assert.deepEqual(await ask(program), { program, protocol: 1 });
    } finally {
      await server.shutdown();
    }
    await assert.rejects(
      resolveHelper(store, { facts: bare, catalog }),
      /Cannot find a fleetbox executable to start the holder/,
    );
  });
});
