import * as assert from "#assert";
import { PARTITION_SHAPES } from "../../core/faults.ts";
import { grudgePairs } from "./grudges.ts";

const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);

/** Whom each member hears, itself included. */
function hears(members: string[], pairs: [string, string][]): string[][] {
  return members.map((to) => members.filter((from) => !pairs.some(([a, b]) => a === from && b === to)));
}

const SEEDS = Array.from({ length: 50 }, (_, seed) => seed);

Deno.test("one: one member is cut off from the others, both ways; over the seeds it is each of them", () => {
  const ones = new Set<string>();
  for (const seed of SEEDS) {
    const pairs = grudgePairs(names(5), "one", seed);
    assert.equal(pairs.length, 8);
    const one = names(5).find((name) => pairs.every((pair) => pair.includes(name)))!;
    assert.ok(one, JSON.stringify(pairs));
    ones.add(one);
  }
  assert.equal(ones.size, 5);
});

Deno.test("majority: the members fall into a minority and a majority that do not hear each other", () => {
  for (const [count, minority] of [[2, 1], [3, 1], [4, 2], [5, 2], [20, 10]]) {
    for (const seed of SEEDS) {
      const heard = hears(names(count), grudgePairs(names(count), "majority", seed));
      const sets = new Set(heard.map((set) => set.join()));
      assert.deepEqual([...sets].map((set) => set.split(",").length).sort((a, b) => a - b), [
        minority,
        count - minority,
      ]);
    }
  }
});

Deno.test("majorities-ring: each member hears a majority, and no two the same one", () => {
  for (const count of [3, 4, 5, 6, 7, 12]) {
    for (const seed of SEEDS) {
      const members = names(count);
      const heard = hears(members, grudgePairs(members, "majorities-ring", seed));
      assert.equal(new Set(heard.map((set) => set.join())).size, count, `${count} members: different majorities`);
      for (const [index, set] of heard.entries()) {
        assert.equal(set.length, Math.floor(count / 2) + 1);
        assert.ok(set.includes(members[index]));
      }
    }
  }
});

Deno.test("bridge: two halves do not hear each other, but one member hears and reaches all", () => {
  for (const count of [3, 4, 5, 8]) {
    for (const seed of SEEDS) {
      const members = names(count);
      const pairs = grudgePairs(members, "bridge", seed);
      const bridges = members.filter((name) => !pairs.flat().includes(name));
      assert.equal(bridges.length, 1);
      const half = Math.floor(count / 2);
      assert.equal(pairs.length, 2 * half * (count - half - 1));
    }
  }
});

Deno.test("isolate: each member is alone", () => {
  assert.equal(grudgePairs(names(4), "isolate", 1).length, 12);
});

Deno.test("one way: of each pair that is cut, one direction is left; the one and the minority hear, but are not heard", () => {
  for (const shape of PARTITION_SHAPES) {
    const both = grudgePairs(names(5), shape, 3);
    const way = grudgePairs(names(5), shape, 3, true);
    assert.equal(way.length, both.length / 2, shape);
    for (const pair of way) assert.ok(both.some((other) => other.join() === pair.join()));
    for (const [from, to] of way) assert.ok(!way.some(([a, b]) => a === to && b === from), shape);
  }
  const one = grudgePairs(names(5), "one", 3, true);
  assert.equal(new Set(one.map(([from]) => from)).size, 1);
});

Deno.test("the same names and seed give the same pairs, in whatever order the names come; no member is cut off from itself", () => {
  for (const shape of PARTITION_SHAPES) {
    const pairs = grudgePairs(names(6), shape, 12);
    assert.deepEqual(grudgePairs(names(6).reverse(), shape, 12), pairs);
    assert.ok(pairs.every(([from, to]) => from !== to));
    assert.equal(new Set(pairs.map((pair) => pair.join())).size, pairs.length, "no pair twice");
  }
});

Deno.test("a group that is too small for a shape has no pairs", () => {
  for (const shape of PARTITION_SHAPES) {
    assert.deepEqual(grudgePairs([], shape, 1), []);
    assert.deepEqual(grudgePairs(["a"], shape, 1), []);
  }
  assert.deepEqual(grudgePairs(names(2), "majorities-ring", 1), []);
  assert.deepEqual(grudgePairs(names(2), "bridge", 1), []);
});
