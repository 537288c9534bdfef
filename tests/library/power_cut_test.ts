/** A power cut of real machines, by the library. */

import * as assert from "#assert";
import { FleetboxError, startCluster } from "../../mod.ts";
import { test } from "../support/test.ts";
import { assertNothingLeft, testStore } from "./support.ts";

const { store, options } = testStore();

test("kill() loses what was not flushed and says how much; a machine without a log of writes is not killed", async () => {
  {
    await using cluster = await startCluster(["a"], { ...options, logWrites: true });
    const a = cluster.get("a");
    const b = await cluster.add("b", { logWrites: false });
    await a.exec("dd if=/dev/zero of=block bs=4k count=1 && echo kept > kept && sync", { check: true });
    await a.exec("printf '%4096d' 7 | dd of=block bs=4k conv=notrunc oflag=direct", { check: true });
    const cut = await a.kill({ loseUnflushed: "all", seed: 7 });
    assert.ok(cut && cut.unflushed > 0 && cut.lost === cut.unflushed && cut.seed === 7, JSON.stringify(cut));
    assert.equal(await a.kill({ loseUnflushed: "all" }), undefined, "it is down already");

    const refused = await b.kill({ loseUnflushed: "torn" }).catch((thrown) => thrown);
    assert.ok(refused instanceof FleetboxError && refused.code === "conflict", String(refused));
    assert.match(refused.message, /its writes are not logged/);
    await assert.rejects(b.kill({ loseUnflushed: "some" as "all" }), { code: "misuse" });
    assert.equal(await b.state(), "running");
    assert.equal(await b.kill(), undefined);

    await a.start();
    assert.equal(await a.readTextFile("kept"), "kept\n");
    assert.deepEqual(await a.readFile("block"), new Uint8Array(4096));
  }
  assertNothingLeft(store);
});
