import * as assert from "#assert";
import fc from "fast-check";
import { FleetboxError } from "../core/errors.ts";
import { AGE_SECONDS, MacTable, MAX_LEARNED, MAX_LEARNED_PER_PORT, NOBODY } from "./macs.ts";

const mac = (number: number) => Uint8Array.from([0x02, 0, number >>> 24, number >>> 16, number >>> 8, number]);

Deno.test("an assigned address belongs to one port and is never learned away", () => {
  const table = new MacTable();
  table.assign(mac(1), 2);
  table.assign(mac(1), 2);
  assert.throws(() => table.assign(mac(1), 3), (thrown: FleetboxError) => thrown.code === "conflict");
  table.learn(0x0200, 1, 3, 0);
  assert.equal(table.portOf(0x0200, 1), 2);
  assert.equal(table.ownerOf(0x0200, 1), 2);
  table.forget(2);
  assert.equal(table.ownerOf(0x0200, 1), 2);
  table.release(2);
  assert.equal(table.portOf(0x0200, 1), NOBODY);
});

Deno.test("a learned address moves with its frames and is forgotten with its age or its port", () => {
  const table = new MacTable();
  table.learn(1, -5, 2, 10);
  assert.equal(table.portOf(1, -5), 2);
  assert.equal(table.ownerOf(1, -5), NOBODY);
  table.learn(1, -5, 3, 11);
  assert.equal(table.portOf(1, -5), 3);
  table.forget(2);
  assert.equal(table.portOf(1, -5), 3);
  table.sweep(11 + AGE_SECONDS);
  assert.equal(table.portOf(1, -5), 3);
  assert.equal(table.sweep(12 + AGE_SECONDS), false, "swept a second ago");
  table.sweep(30 + AGE_SECONDS);
  assert.equal(table.portOf(1, -5), NOBODY);
  table.learn(1, -5, 3, 700);
  table.forget(3);
  assert.equal(table.learned, 0);
});

Deno.test("a guest that floods addresses fills its own share only", () => {
  const table = new MacTable();
  table.learn(9, 9, 3, 0);
  for (let number = 0; number < 100_000; number++) table.learn(0x0200, number, 2, 1);
  assert.equal(table.learned, MAX_LEARNED_PER_PORT + 1);
  assert.equal(table.portOf(9, 9), 3);
  table.learn(9, 9, 2, 1); // moved to a port that may not learn more: known nowhere, so flooded
  assert.equal(table.portOf(9, 9), NOBODY);
  for (let port = 3; port < 100; port++) {
    for (let number = 0; number < 100; number++) table.learn(port, number, port, 1);
  }
  assert.equal(table.learned, MAX_LEARNED);
  table.sweep(1000);
  assert.equal(table.learned, 0);
});

Deno.test("the table agrees with a plain map, whatever is assigned, learned, forgotten and released", () => {
  const step = fc.record({
    what: fc.constantFrom("learn", "learn", "learn", "forget", "release", "assign"),
    key: fc.integer({ min: 0, max: 40 }),
    port: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const table = new MacTable();
      const model = new Map<number, { port: number; assigned: boolean }>();
      for (const { what, key, port } of steps) {
        const known = model.get(key);
        if (what === "learn") {
          table.learn(0x0200, key, port, 0);
          if (!known?.assigned) model.set(key, { port, assigned: false });
        } else if (what === "assign" && (!known?.assigned || known.port === port)) {
          table.assign(mac(key), port);
          model.set(key, { port, assigned: true });
        } else if (what === "forget" || what === "release") {
          if (what === "forget") table.forget(port);
          else table.release(port);
          for (const [each, entry] of model) {
            if (entry.port === port && (what === "release" || !entry.assigned)) model.delete(each);
          }
        }
        for (let each = 0; each <= 40; each++) {
          const entry = model.get(each);
          assert.equal(table.portOf(0x0200, each), entry?.port ?? NOBODY);
          assert.equal(table.ownerOf(0x0200, each), entry?.assigned ? entry.port : NOBODY);
        }
        assert.equal(table.learned, [...model.values()].filter((entry) => !entry.assigned).length);
      }
    }),
    { numRuns: 300 },
  );
});
