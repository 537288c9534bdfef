import * as assert from "#assert";
import { checkOptions, optionsOf } from "../../core/options.ts";
import type { Members } from "../types.ts";
import { wireOptions } from "../check.ts";
import { again, askedMembers, memberOptions } from "./members.ts";

const numbered = (count: number) => Array.from({ length: count }, (_, at) => `vm-${at}`);
const asked = (members: Members) => askedMembers(members, numbered);

Deno.test("the machines of a group: names, a number, or options for each", () => {
  assert.deepEqual(asked(["b", "a"]), [{ name: "b" }, { name: "a" }]);
  assert.deepEqual(asked(2), [{ name: "vm-0" }, { name: "vm-1" }]);
  assert.deepEqual(asked({ db: { memoryMiB: 512 }, web: {} }), [
    { name: "db", own: { memoryMiB: 512 } },
    { name: "web", own: {} },
  ]);
  for (
    const [members, words] of [
      [{ A: {} }, /"A"/],
      [{}, /name/],
      [{ a: { memory: 512 } }, /Unknown option "memory" of the machine "a".*\n.*Did you mean "memoryMiB"/s],
      [{ a: { signal: AbortSignal.abort() } }, /Unknown option "signal" of the machine "a"/],
      [{ a: 5 }, /Bad options of the machine "a": found 5, expected an object/],
      ["a", /Not a group: found string, expected names, a number of machines, or an object of names and options/],
      [0, /Not a number of machines: found 0/],
    ] as [Members, RegExp][]
  ) assert.throws(() => asked(members), { message: words });
});

Deno.test("a machine's own options go before its group's, as the holder reads them", () => {
  const wanted = asked({ db: { memoryMiB: 512, bootTimeoutMs: 5_000 }, web: {}, log: { egress: "on" } })
    .map((one) => ({ ...one, storeName: `s-${one.name}` }));
  const options = checkOptions({ ...wireOptions({ egress: "off", memoryMiB: 256 }), ...memberOptions(wanted) });
  assert.equal(options.members!.length, 2, "of those that have some");
  assert.deepEqual(optionsOf(options, "s-db"), { boot_timeout_ms: 5_000, egress: "off", mem: 0.5 });
  assert.deepEqual(optionsOf(options, "s-web"), { boot_timeout_ms: 180_000, egress: "off", mem: 0.25 });
  assert.equal(optionsOf(options, "s-log").egress, "on");
  assert.deepEqual(memberOptions(asked(["a"]).map((one) => ({ ...one, storeName: "a" }))), {});
  assert.deepEqual(
    again({ egress: "on", publish: [], boot_timeout_ms: 5, clock: "keep" }, { cold: true }),
    {
      egress: undefined,
      host_access: undefined,
      ip: undefined,
      publish: undefined,
      boot_timeout_ms: 5,
      clock: "keep",
      cold: true,
    },
  );
});
