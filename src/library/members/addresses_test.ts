import * as assert from "#assert";
import type { UserDataOf } from "../types.ts";
import { withTexts } from "./addresses.ts";

const hosts: UserDataOf = ({ members, self }) =>
  `#!/bin/sh\n# ${self.name}: ${members.map(({ name, ip }) => `${name}=${ip}`).join(" ")}`;
const wanted = (...names: string[]) => names.map((name) => ({ name, storeName: `s-${name}` }));

Deno.test("user-data of a function has the host names and addresses that the machines will have", () => {
  const all = withTexts(wanted("b", "a"), { common: { userData: hosts } });
  assert.deepEqual(all, [
    { name: "b", storeName: "s-b", ip: "10.88.0.11", own: { userData: "#!/bin/sh\n# b: b=10.88.0.11 a=10.88.0.12" } },
    { name: "a", storeName: "s-a", ip: "10.88.0.12", own: { userData: "#!/bin/sh\n# a: b=10.88.0.11 a=10.88.0.12" } },
  ]);
  const [a, b] = withTexts([{ ...wanted("a")[0], own: { userData: "#!/bin/sh", cpus: 2 } }, ...wanted("b")], {
    common: { userData: hosts },
  });
  assert.deepEqual([a.own, b.own!.userData], [
    { userData: "#!/bin/sh", cpus: 2 },
    "#!/bin/sh\n# b: a=10.88.0.11 b=10.88.0.12",
  ]);
});

Deno.test("without a function nothing is asked for", () => {
  assert.deepEqual(withTexts(wanted("a"), { common: { userData: "#!/bin/sh" } }), wanted("a"));
  assert.deepEqual(withTexts(wanted("a"), { common: { userData: undefined } }), wanted("a"));
});

Deno.test("one that comes later gets those that are there, and an address that nobody has", () => {
  const present = [{ name: "a", ip: "10.88.0.11" }, { name: "b", ip: "10.88.0.13" }];
  const [late] = withTexts(wanted("c"), { common: { userData: hosts }, present, taken: new Set(["10.88.0.12"]) });
  assert.equal(late.own!.userData, "#!/bin/sh\n# c: a=10.88.0.11 b=10.88.0.13 c=10.88.0.14");
});

Deno.test("machines that are there already keep their addresses, the first that has one", () => {
  const stored = (
    name: string,
  ) => ({ "s-b": { ip: "10.88.0.11", host_name: "old" }, "s-c": { ip: "10.88.0.11" } }[name]);
  const all = withTexts(wanted("a", "b", "c"), { common: { userData: hosts }, stored });
  assert.deepEqual(all.map(({ ip }) => ip), ["10.88.0.12", "10.88.0.11", "10.88.0.13"]);
  assert.match(all[0].own!.userData as string, /a: a=10\.88\.0\.12 old=10\.88\.0\.11 c=10\.88\.0\.13$/);
});

Deno.test("a function's mistakes are the caller's", () => {
  const none = (() => undefined) as unknown as UserDataOf;
  assert.throws(
    () => withTexts(wanted("a"), { common: { userData: none } }),
    /Bad user-data of "a": its function gave undefined, expected a text/,
  );
});

Deno.test("scripts of a function have them, too, each machine's own before its group's", () => {
  const script = hosts;
  const common = { run: ["./set-up.sh", { script, name: "join" }] };
  const [a, b] = withTexts([{ ...wanted("a")[0], own: { run: { script: "true" } } }, ...wanted("b")], { common });
  assert.deepEqual(a.own, { run: [{ script: "true" }] });
  const text = "#!/bin/sh\n# b: a=10.88.0.11 b=10.88.0.12";
  assert.deepEqual(b.own, { run: ["./set-up.sh", { script: text, name: "join" }] });
  assert.deepEqual([a.ip, b.ip], ["10.88.0.11", "10.88.0.12"]);
  const none = (() => 7) as unknown as UserDataOf;
  assert.throws(
    () => withTexts(wanted("a"), { common: { run: { script: none, name: "join" } } }),
    /Bad script "join" of "a": its function gave number, expected a text/,
  );
});
