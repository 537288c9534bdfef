import * as assert from "#assert";
import { memberOptions } from "../cli/arguments/member_options.ts";
import { wireOptions } from "../library/check.ts";

Deno.test("image: a word is the same for the command line and the library", () => {
  const expected: Record<string, string> = {
    "micro": "micro",
    "debian-12-ac830ad6ac8e5627": "debian-12-ac830ad6ac8e5627",
    "disk.qcow2": "/w/disk.qcow2",
    "disk.qcow2.xz": "/w/disk.qcow2.xz",
    "disk.img.gz": "/w/disk.img.gz",
    "./disk": "/w/disk",
    "../x.raw": "/x.raw",
    "/x": "/x",
    "https://h/x.qcow2": "https://h/x.qcow2",
  };
  for (const [image, reference] of Object.entries(expected)) {
    assert.equal(memberOptions({ image }, () => "/w", undefined).image, reference);
    assert.equal(wireOptions({ image }, () => "/w").image, reference);
  }
});
