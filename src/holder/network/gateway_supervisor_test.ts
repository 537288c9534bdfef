import * as assert from "#assert";
import type { Gateway, MachineExit } from "../../vmm/contract.ts";
import { backOffMs, GatewayKeeper } from "./gateway_supervisor.ts";

/** A gateway that ends when it is told to. */
function fake(): { gateway: Gateway; die: (message: string) => void } {
  const { promise, resolve } = Promise.withResolvers<MachineExit>();
  const die = (message: string) => resolve({ how: "crashed", message });
  const close = () => {
    die("closed");
    return promise;
  };
  return { gateway: { exited: promise, close } as unknown as Gateway, die };
}

/** Lets everything that can go on without a timer go on. */
async function turn(): Promise<void> {
  for (let count = 0; count < 20; count++) await Promise.resolve();
}

Deno.test("back-off: at once the first time, then from half a second up to a minute", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 99].map(backOffMs), [
    ...[0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000],
    ...[60_000, 60_000, 60_000],
  ]);
});

Deno.test("a gateway that ends soon after each start is restarted at longer and longer intervals, and that is reported", async () => {
  const waits: number[] = [], lines: string[] = [];
  let starts = 0;
  const enough = Promise.withResolvers<void>();
  const keeper = new GatewayKeeper({
    start: () => {
      if (++starts === 6) enough.resolve();
      if (starts >= 6) return Promise.resolve(fake().gateway);
      const one = fake();
      queueMicrotask(() => one.die("no luck"));
      return Promise.resolve(one.gateway);
    },
    onChange: () => {},
    log: (line) => lines.push(line),
    waitMs: (ends) => {
      waits.push(backOffMs(ends));
      return 1;
    },
  });
  assert.equal(keeper.trouble, undefined);
  keeper.open();
  await enough.promise;
  await turn();
  assert.deepEqual(waits, [0, 500, 1_000, 2_000, 4_000]);
  assert.match(keeper.trouble!, /^ended 5 times in a row soon after its start, it runs again; the last time: no luck$/);
  assert.match(lines.at(-1)!, /^gateway: no luck; starting it again in 0\.001 s$/);
  await keeper.close();
});

Deno.test("the trouble says when the next try is; a request that needs the gateway makes it at once", async () => {
  let starts = 0;
  const good = fake();
  const keeper = new GatewayKeeper({
    start: () => {
      starts++;
      return starts <= 2 ? Promise.reject(new Error(`refused ${starts}`)) : Promise.resolve(good.gateway);
    },
    onChange: () => {},
    log: () => {},
    waitMs: () => 60_000,
  });
  keeper.open();
  await turn();
  assert.equal(starts, 1);
  await assert.rejects(
    (async () => {
      const first = keeper.ready(); // the second try: refused as well, and a third one is made for whoever waits
      await first.then(() => {
        throw new Error("the third try worked");
      });
    })(),
    /the third try worked/,
  );
  assert.equal(starts, 3);
  assert.equal(keeper.running, good.gateway);
  await keeper.close();
});

Deno.test("a gateway that cannot be started: ready says why after two tries, and the trouble when the next one is", async () => {
  let starts = 0;
  const keeper = new GatewayKeeper({
    start: () => Promise.reject(new Error(`refused ${++starts}`)),
    onChange: () => {},
    log: () => {},
    waitMs: () => 60_000,
  });
  keeper.open();
  await assert.rejects(keeper.ready(), /refused 2/);
  await turn();
  assert.equal(starts, 2);
  assert.match(keeper.trouble!, /^ended 2 times .*, the next try is in 60 s; the last time: refused 2$/);
  await keeper.close();
  await assert.rejects(keeper.ready());
  assert.equal(starts, 2, "a keeper that is closed tries no more");
});

Deno.test("one that lived for a while is started again at once, and nothing is said to be wrong", async () => {
  const made: ReturnType<typeof fake>[] = [];
  const waits: number[] = [];
  const keeper = new GatewayKeeper({
    start: () => {
      made.push(fake());
      return Promise.resolve(made.at(-1)!.gateway);
    },
    onChange: () => {},
    log: () => {},
    healthyMs: 0,
    waitMs: (ends) => {
      waits.push(ends);
      return 0;
    },
  });
  keeper.open();
  for (let count = 1; count <= 3; count++) {
    await keeper.ready();
    await new Promise((later) => setTimeout(later, 1));
    made.at(-1)!.die("killed");
    await turn();
  }
  assert.deepEqual(waits, [1, 1, 1]);
  assert.equal(keeper.trouble, undefined);
  await keeper.close();
});

Deno.test("a restart ends the gateway, gives another at once, and counts for no failure", async () => {
  const lines: string[] = [];
  let starts = 0;
  const keeper = new GatewayKeeper({
    start: () => Promise.resolve(Object.assign(fake().gateway, { count: ++starts })),
    onChange: () => {},
    log: (line) => lines.push(line),
    waitMs: () => 1_000_000,
  });
  keeper.open();
  const first = await keeper.ready();
  for (let round = 0; round < 5; round++) {
    const before = await keeper.ready();
    const [next, again] = [keeper.restart(), keeper.ready()];
    assert.notEqual(await next, before);
    await again;
  }
  assert.notEqual(await keeper.ready(), first);
  assert.equal(starts, 6);
  assert.equal(keeper.trouble, undefined);
  assert.deepEqual(lines, []);
  await keeper.close();
});
