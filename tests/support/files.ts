/** Files of a sandbox: what is below a directory, and an image that is nearly nothing. */

import { createHash } from "node:crypto";
import { join } from "../../src/system/path.ts";

/** Every file below a directory, and directories that are on their way in or out; sorted. */
export function filesBelow(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) => {
      const path = join(dir, name);
      return isDirectory ? [...(/\.d$|\.removed/.test(name) ? [path] : []), ...filesBelow(path)] : [path];
    }).sort();
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) return [];
    throw thrown;
  }
}

/** Fills a file's file system to the last byte. */
export function fillUp(path: string): void {
  using file = Deno.openSync(path, { create: true, write: true });
  const piece = new Uint8Array(64 * 1024).fill(1);
  try {
    for (;;) file.writeSync(piece); // a piece that does not fit is written in part
  } catch { /* full */ }
}

/** An image like micro, of a few bytes: the fake QEMU boots nothing. */
export function writeTinyMicro(dir: string): void {
  Deno.mkdirSync(dir);
  const sha256: Record<string, string> = {};
  for (const part of ["kernel", "initrd", "disk"]) {
    const bytes = new Uint8Array(1024).fill(part.length);
    Deno.writeFileSync(join(dir, part), bytes);
    sha256[part] = createHash("sha256").update(bytes).digest("hex");
  }
  const files = { kernel: "kernel", initrd: "initrd", disk: "disk" };
  const manifest = { name: "micro", version: "tiny", ...files, cmdline: "console=ttyS0", sha256 };
  Deno.writeTextFileSync(join(dir, "image.json"), JSON.stringify(manifest));
}

/** The images of a sandbox of fake machines have agents from now on. */
export function withAgents({ root }: { root: string }): void {
  const manifest = join(root, "micro/image.json");
  Deno.writeTextFileSync(manifest, JSON.stringify({ ...JSON.parse(Deno.readTextFileSync(manifest)), agent: 1 }));
}
