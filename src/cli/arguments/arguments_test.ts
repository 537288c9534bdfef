import * as assert from "#assert";
import { FleetboxError, hintOf } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import { SUBNET } from "../../network/subnet.ts";
import { parseForward } from "../../store/forwards.ts";
import { ageText, elapsedText, parseDurationMs } from "./duration.ts";
import { imageReference } from "../../core/image_reference.ts";
import { type MemberFlags, memberOptions, parseSharedDirectory } from "./member_options.ts";
import { numberedNames, parseNames } from "./name_arguments.ts";
import { editDistance, nearest, suggestion } from "../../core/nearest.ts";
import { bytesText, sizeText } from "./sizes.ts";

const misuse = (pattern: RegExp) => (thrown: unknown) => {
  assert.ok(thrown instanceof FleetboxError && thrown.code === "misuse", String(thrown));
  assert.match(thrown.message, pattern);
  return true;
};

Deno.test("names are separated by commas, spaces, or both", () => {
  assert.deepEqual(parseNames(["a,b", "c"]), ["a", "b", "c"]);
  assert.deepEqual(parseNames(["a,", "b,", "c"]), ["a", "b", "c"]);
});

Deno.test("bad names are refused: empty, twice, upper case, too long, paths, and no name at all", () => {
  for (const words of [[""], ["a,,b"], [",a"], ["a,"], ["A"], [".."], ["a/b"], ["a b"], ["-a"], ["a".repeat(64)]]) {
    assert.throws(() => parseNames(words), misuse(/Not a member name/), JSON.stringify(words));
  }
  assert.throws(() => parseNames(["a,b,a"]), misuse(/"a" is given twice/));
  assert.throws(() => parseNames([]), misuse(/No member name given/));
});

Deno.test("-n numbers one name", () => {
  assert.deepEqual(numberedNames(["node"], "3"), ["node-1", "node-2", "node-3"]);
  assert.deepEqual(numberedNames(["node"], "1"), ["node-1"]);
  assert.equal(numberedNames(["node"], "189").length, SUBNET.capacity, "a whole group");
  for (const count of ["0", "-1", "1.5", "x", "", "190", "1e2"]) {
    assert.throws(() => numberedNames(["node"], count), misuse(/Bad value for -n/), count);
  }
  assert.throws(() => numberedNames(["a,b"], "2"), misuse(/one name, found 2/));
  assert.throws(() => numberedNames(["a".repeat(62)], "2"), misuse(/Not a member name/));
});

Deno.test("durations: seconds by default, units, limits", () => {
  assert.equal(parseDurationMs("90", "x"), 90_000);
  assert.equal(parseDurationMs("90s", "x"), 90_000);
  assert.equal(parseDurationMs("1.5m", "x"), 90_000);
  assert.equal(parseDurationMs("500ms", "x"), 500);
  assert.equal(parseDurationMs("1h", "x"), 3_600_000);
  assert.equal(parseDurationMs("0", "x", { allowZero: true }), 0);
  for (const text of ["", "0", "-1", "1d", "s", "1 2", "NaN", "25h", "1e3"]) {
    assert.throws(() => parseDurationMs(text, "--timeout"), misuse(/Bad value for --timeout/), text);
  }
});

Deno.test("times and sizes have a short form", () => {
  assert.equal(elapsedText(449), "0.4 s");
  assert.equal(elapsedText(125_000), "2 min 05 s");
  assert.deepEqual([45, 720, 12_000, 180_000].map((s) => ageText(s * 1000)), ["45s", "12m", "3h 20m", "2d 2h"]);
  assert.equal(ageText(-5), "0s");
  assert.deepEqual([256, 1024, 1536, 2 * 1024 * 1024].map(sizeText), ["256M", "1G", "1.5G", "2T"]);
  assert.deepEqual([1, 200 * 1024, 5 * 1024 * 1024].map(bytesText), ["1K", "200K", "5M"]);
});

Deno.test("flags become options for the wire; what was not asked is absent", () => {
  assert.deepEqual(memberOptions({}, () => "/w", undefined), {});
  const flags: MemberFlags = {
    cpus: "2",
    memory: "1.5G",
    disk: "512M",
    timeout: "2m",
    egress: "off",
    hostAccess: true,
  };
  assert.deepEqual(memberOptions(flags, () => "/w", ""), {
    cpus: 2,
    mem: 1.5,
    disk: 0.5,
    boot_timeout_ms: 120_000,
    egress: "off",
    host_access: true,
  });
});

Deno.test("the image is the flag's, else the environment's; paths become absolute, words and URLs stay", () => {
  assert.equal(memberOptions({}, () => "/w", "debian-12").image, "debian-12");
  assert.equal(memberOptions({ image: "micro" }, () => "/w", "debian-12").image, "micro");
  const at = (image: string) => imageReference(image, () => "/w");
  assert.deepEqual(["micro", "ubuntu-24.04"].map(at), ["micro", "ubuntu-24.04"]);
  assert.deepEqual(["./x", "d/x", "disk.qcow2", "../x.raw"].map(at), ["/w/x", "/w/d/x", "/w/disk.qcow2", "/x.raw"]);
  assert.deepEqual(["/x", "https://h/x.qcow2"].map(at), ["/x", "https://h/x.qcow2"]);
});

Deno.test("bad flags are refused by name", () => {
  const bad: [MemberFlags, RegExp][] = [
    [{ cpus: "0" }, /--cpus/],
    [{ cpus: "65" }, /--cpus/],
    [{ cpus: "1.5" }, /--cpus/],
    [{ memory: "1M" }, /--memory/],
    [{ memory: "lots" }, /--memory/],
    [{ disk: "-5G" }, /--disk/],
    [{ disk: "100T" }, /--disk/],
    [{ timeout: "soon" }, /--timeout/],
    [{ egress: "maybe" }, /--egress/],
    [{ image: "" }, /--image/],
  ];
  for (const [flags, pattern] of bad) {
    assert.throws(() => memberOptions(flags, () => "/w", undefined), misuse(pattern), JSON.stringify(flags));
  }
});

Deno.test("the error for a value out of range has its unit, and what was probably meant", () => {
  const refused = (read: () => unknown) => {
    try {
      read();
    } catch (thrown) {
      if (thrown instanceof FleetboxError) return `${thrown.message} -> ${thrown.hint}`;
    }
    return undefined;
  };
  const flags = (one: MemberFlags) => refused(() => memberOptions(one, () => "/w", undefined));
  const cases: [MemberFlags, string][] = [
    [{ memory: "1" }, '--memory: "1" is 1 MiB; the least is 64M -> Did you mean 1G?'],
    [{ memory: "1.5" }, '--memory: "1.5" is 1.5 MiB; the least is 64M -> Did you mean 1.5G?'],
    [{ memory: "32M" }, '--memory: "32M" is too little; the least is 64M -> Did you mean 32G?'],
    [{ memory: "4294967296" }, '--memory: "4294967296" is 4294967296 MiB; the most is 16T -> Did you mean 4G?'],
    [{ disk: "10" }, '--disk: "10" is 10 MiB; the least is 64M -> Did you mean 10G?'],
    [{ disk: "100T" }, '--disk: "100T" is too much; the most is 64T -> undefined'],
    [{ memory: "1K" }, '--memory: found "1K", expected a size such as 512M or 2G -> undefined'],
    [{ cpus: "0" }, '--cpus: "0" is too few; the least is 1 -> undefined'],
    [{ cpus: "65" }, '--cpus: "65" is too many; the most is 64 -> undefined'],
    [{ cpus: "2G" }, '--cpus: found "2G", expected a whole number from 1 to 64 -> undefined'],
    [{ timeout: "180000" }, '--timeout: "180000" is 2d 2h; the most is 24h -> Did you mean 180000ms?'],
    [{ timeout: "25h" }, '--timeout: "25h" is 1d 1h; the most is 24h -> Did you mean 24h?'],
    [{ timeout: "0" }, '--timeout: "0" is too short; the least is 1ms -> undefined'],
    [{
      timeout: "2min",
    }, '--timeout: found "2min", expected a duration such as 90, 90s or 2m, at most 24h -> Did you mean 2m?'],
    [{
      publish: ["80:80,443:443"],
    }, '--publish: found "80:80,443:443", expected one port -> Repeat -p for each port: -p 80:80 -p 443:443'],
    [
      { fixture: ["a:/x,b:/y"] },
      '--fixture: found "a:/x,b:/y", expected one directory -> ' +
      "Repeat --fixture for each directory: --fixture a:/x --fixture b:/y",
    ],
  ];
  for (const [given, said] of cases) assert.equal(flags(given), `Bad value for ${said}`);
  assert.equal(memberOptions({ disk: "10M" }, () => "/w", undefined).disk, 10 / 1024, "who names the unit means it");
  assert.match(refused(() => parseForward("80:80,443:443"))!, /-> Separate ports by spaces: 80:80 443:443$/);
});

Deno.test("a list where one name is expected is no name with a typing mistake", () => {
  assert.throws(() => checkName("a,b"), (thrown) => hintOf(thrown) === "Name one of them: a or b");
});

Deno.test("a typing mistake finds the nearest word, and nonsense finds nothing", () => {
  assert.equal(editDistance("stauts", "status"), 1);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(nearest("wbe-1", ["web-1", "db-1"]), "web-1");
  assert.equal(nearest("stauts", ["stop", "status"]), "status");
  assert.equal(nearest("nonsense", ["up", "stop"]), undefined);
});

Deno.test("a short name, and one that differs in its number alone, is no typing mistake: what there is is listed", () => {
  assert.equal(nearest("b", ["a", "c"]), undefined);
  assert.equal(nearest("wen", ["web"]), undefined);
  assert.equal(nearest("web-11", ["web-1", "db-1"]), undefined);
  assert.equal(suggestion("b", ["a", "c"], true), "There are: a, c");
  assert.equal(suggestion("web-servr", ["a", "web-server"], true), 'Did you mean "web-server"?');
  assert.equal(suggestion("b", []), undefined);
  const many = Array.from({ length: 26 }, (_, index) => `m-${index}`);
  assert.equal(suggestion("b", many), `There are: ${many.slice(0, 9).join(", ")} and 17 more`);
});

Deno.test("--fixture is split where the guest's absolute path begins", () => {
  const cwd = () => "/here";
  const shared = (text: string) => {
    const { host_path, guest_path } = parseSharedDirectory(text, cwd);
    return [host_path, guest_path];
  };
  assert.deepEqual(shared("data:/srv/data"), ["/here/data", "/srv/data"]);
  assert.deepEqual(shared("/a:b:/c:d"), ["/a:b", "/c:d"]);
  assert.deepEqual(shared("./a b/:/x y/"), ["/here/a b", "/x y"]);
  assert.deepEqual(shared("/a:/"), ["/a", "/"]);
  assert.deepEqual(shared("/a:/b:/c"), ["/a:/b", "/c"]);
  for (const text of ["", ":", "/a", "/a:", "a:b", ":/b"]) {
    assert.throws(() => parseSharedDirectory(text, cwd), /HOST_DIR:GUEST_DIR/);
  }
});
