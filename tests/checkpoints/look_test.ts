import * as assert from "#assert";
import {
  type Look,
  parseLook,
  parseRecords,
  problemsBetween,
  problemsOf,
  problemsSince,
  type Records,
} from "./look.ts";

const records = (first: number, end: number, word = "w"): Records =>
  new Map(Array.from({ length: end - first + 1 }, (_, index) => [first + index, `${word}${first + index}`]));

const good: Look = {
  member: "b",
  begin: 10,
  got: records(1, 60),
  synced: 7,
  count: records(1, 8),
  n: 9,
  bad: [],
  kernel: [],
  random: "0f".repeat(32),
};

const without = (all: Records, number: number) => new Map([...all].filter(([one]) => one !== number));

Deno.test("what a load tells is read, and half of it is refused", () => {
  const text = [
    ..."== begin|10|== got|9 aa|10 bb|== synced|7|== count|7 cc|8 dd|== n|9|== bad|== kernel|[1.0] BUG: x".split("|"),
    `== random|${"0f".repeat(32)}|== time|1 2 3 end`,
  ].join("\n").replaceAll("|", "\n");
  assert.deepEqual(parseLook("b", text), {
    ...good,
    got: new Map([[9, "aa"], [10, "bb"]]),
    count: new Map([[7, "cc"], [8, "dd"]]),
    kernel: ["[1.0] BUG: x"],
  });
  assert.throws(() => parseLook("b", text.split("== n")[0]), /b tells nothing of "time"/);
  assert.deepEqual(parseRecords(["1 a", "", "no record"]), new Map([[1, "a"]]));
});

Deno.test("each way in which a member does not go on is found", () => {
  assert.deepEqual(problemsOf(good, 40), []);
  const cases: [Partial<Look>, RegExp][] = [
    [{ got: without(good.got, 30) }, /^b: the record 30 did not come$/],
    [{ begin: 30 }, /stands still: 30, and later 60/],
    [{ count: without(good.count, 3) }, /the line 3 of its count is not there/],
    [{ synced: 9 }, /has synced 9, and its file ends with 8/],
    [{ n: 7 }, /its file ends with 8, and it has counted to 7/],
    [{ bad: ["the stream has 9 after 7"] }, /its load: the stream has 9 after 7/],
    [{ kernel: ["BUG: soft lockup"] }, /its kernel: BUG/],
    [{ random: "" }, /its random bytes/],
  ];
  for (const [change, words] of cases) {
    const found = problemsOf({ ...good, ...change }, 40);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0], words);
  }
});

Deno.test("a record from another future is found: by its number, which was not sent yet, or by its word", () => {
  assert.deepEqual(problemsBetween(good, "a", records(20, 60)), []);
  assert.match(problemsBetween(good, "a", records(20, 58)).join(), /^b: it got 59, 60, and a has sent up to 58$/);
  const other = new Map([...records(20, 59), [60, "other"]]) as Records;
  assert.match(problemsBetween(good, "a", other).join(), /^b: it got "60 w60", and a sent "60 other"$/);
  assert.match(problemsBetween(good, "a", records(100, 200)).join(), /no record of b can be compared/);
});

Deno.test("a count must go on from the earlier one: not from less, and not from another", () => {
  const since = (before: Records) => problemsSince("b", good.count, { before, what: "the layer" }).join();
  assert.equal(since(records(1, 5)), "");
  assert.match(since(new Map([...records(1, 4), [5, "other"]])), /line 5 of its count is w5, and in the layer other/);
  assert.match(since(records(1, 9)), /its count ends at 8, and in the layer at 9/);
  assert.match(since(new Map()), /the layer has no count/);
});
