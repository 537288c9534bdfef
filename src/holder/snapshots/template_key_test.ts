import * as assert from "#assert";
import type { Image } from "../../image/image.ts";
import { scriptDigest } from "../../store/scripts.ts";
import { configOf } from "../../store/snapshots/testing.ts";
import { differingParts, templateKey, templateParts } from "./template_key.ts";

const IMAGE = { id: "micro-1", boot: { kind: "firmware" } } as Image;
const partsOf = (name: string, ...texts: string[]) => {
  const scripts = texts.map((text) => ({ name: "x.sh", digest: scriptDigest(text) }));
  const config = { ...configOf(name), ...(texts.length > 0 && { scripts }) };
  return templateParts({ config, image: IMAGE, publicKey: "key", hypervisor: "QEMU" });
};

Deno.test("templates: scripts are a part of what a machine is, and with them its name; without them all is as it was", async () => {
  const [plain, other] = [await partsOf("a"), await partsOf("b")];
  assert.equal(templateKey(plain), templateKey(other));
  assert.equal(Object.hasOwn(plain, "scripts"), false, "templates of earlier versions fit");
  const [one, two, named] = [
    await partsOf("a", "true"),
    await partsOf("a", "true", "false"),
    await partsOf("b", "true"),
  ];
  assert.deepEqual(differingParts(plain, one), ["scripts", "host name"]);
  assert.deepEqual(differingParts(one, two), ["scripts"]);
  assert.deepEqual(differingParts(one, named), ["host name"]);
});
