import * as assert from "#assert";
import { join } from "../system/path.ts";
import { run } from "../system/process.ts";
import { codeOf } from "../core/errors.ts";
import { checkBootable } from "./boot_check.ts";
import { resolveImage } from "./image.ts";
import { temporaryStore } from "./testing.ts";

const refused = (thrown: Error) =>
  codeOf(thrown) === "damaged" && /cannot boot: found no boot sector/.test(thrown.message);

/** A raw disk of 1 MiB with these bytes on it, and the same as qcow2, plain and compressed. */
async function disks(dir: string, ...parts: [at: number, text: string][]) {
  const raw = join(dir, "disk.raw"), qcow2 = join(dir, "disk.qcow2"), compressed = join(dir, "small.qcow2");
  const bytes = new Uint8Array(1024 * 1024);
  for (const [at, text] of parts) bytes.set([...text].map((letter) => letter.charCodeAt(0)), at);
  Deno.writeFileSync(raw, bytes);
  await run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, qcow2]);
  await run("qemu-img", ["convert", "-c", "-f", "raw", "-O", "qcow2", raw, compressed]);
  return { raw, qcow2, compressed };
}

Deno.test("boot: a disk with a boot sector, a partition table or a file system is accepted, raw and as qcow2", async () => {
  using store = temporaryStore();
  Deno.mkdirSync(store.root, { recursive: true });
  const signs: [number, string][] = [
    [510, "\x55\xaa"],
    [512, "EFI PART"],
    [4096, "EFI PART"],
    [1080, "\x53\xef"],
    [0, "XFSB"],
    [0x10040, "_BHRfS_M"],
    [0x8001, "CD001"],
  ];
  for (const sign of signs) {
    const { raw, qcow2, compressed } = await disks(store.root, sign);
    checkBootable(raw, "raw");
    checkBootable(qcow2, "qcow2");
    checkBootable(compressed, "qcow2");
  }
});

Deno.test("boot: text, an empty disk and an empty qcow2 are refused; undecidable files are not", async () => {
  using store = temporaryStore();
  Deno.mkdirSync(store.root, { recursive: true });
  await assert.rejects(resolveImage(store, "/etc/passwd"), refused);
  const { raw, qcow2 } = await disks(store.root, [0, "root:x:0:0:root:/root:/bin/bash\n"]);
  await assert.rejects(resolveImage(store, raw), refused);
  await assert.rejects(resolveImage(store, qcow2), refused);
  await assert.rejects(resolveImage(store, qcow2, undefined, { arch: "aarch64" }), refused);
  const empty = join(store.root, "empty.qcow2"), overlay = join(store.root, "overlay.qcow2");
  await run("qemu-img", ["create", "-q", "-f", "qcow2", empty, "1G"]);
  await assert.rejects(resolveImage(store, empty), refused);
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", empty, "-F", "qcow2", overlay]);
  checkBootable(overlay, "qcow2"); // its base decides
});
