import * as assert from "#assert";
import { until } from "../../../tests/support/processes.ts";
import { Store } from "../../store.ts";
import { Claims } from "./claims.ts";

Deno.test("who connects while members are being claimed is heard when all are: until then the holder has made none of them", async () => {
  const root = Deno.makeTempDirSync({ prefix: "c" });
  const store = Store.at(root);
  store.ensure();
  const order: string[] = [];
  const lock = store.withClaimLock.bind(store);
  const clients: Deno.Conn[] = [];
  store.withClaimLock = async <T>(work: () => Promise<T>) => {
    const result = await lock(work);
    clients.push(await Deno.connect({ transport: "unix", path: store.memberSocket("a") }));
    await new Promise((resolve) => setTimeout(resolve, 20)); // an accepted connection would be told by now
    order.push("claimed");
    return result;
  };
  const claims = new Claims(store, (name, conn) => {
    order.push(`${name} is asked`);
    conn.close();
  });
  await claims.take(["a", "b"]);
  await until("it is heard", () => order.length === 2);
  assert.deepEqual(order, ["claimed", "a is asked"]);
  clients.forEach((client) => client.close());
  claims.abandon();
  Deno.removeSync(root, { recursive: true });
});

Deno.test("a group that ends at any moment of its claim leaves no file of it", async () => {
  const root = Deno.makeTempDirSync({ prefix: "c" });
  const store = Store.at(root);
  store.ensure();
  let claimed = 0;
  for (let turns = 0; turns < 15; turns++) {
    const claims = new Claims(store, (_, conn) => conn.close());
    const taking = claims.take(["a"]).then(() => claimed++, () => {});
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
    claims.abandon();
    await taking;
    const left = [store.runDir, store.clustersDir].flatMap((dir) => [...Deno.readDirSync(dir)].map(({ name }) => name));
    assert.deepEqual(left.filter((name) => name !== ".lock"), [], `after ${turns} turns`);
  }
  assert.ok(claimed > 0, "none of them was claimed in time");
  Deno.removeSync(root, { recursive: true });
});
