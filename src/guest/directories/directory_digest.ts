/**
 * The digest of a directory's content, as a guest would see it: names, kinds, owners, modes, times, targets of links, and
 * the bytes of files. Two directories of the same digest make the same shared directory.
 */

import { createHash, type Hash } from "node:crypto";
import { join } from "../../core/paths.ts";
import { digestOfFile } from "../../system/digest.ts";

/** In hexadecimal. @throws what reading it throws */
export async function digestOfDirectory(path: string): Promise<string> {
  const hash = createHash("sha256");
  const root = await Deno.realPath(path);
  add(hash, "", await Deno.lstat(root));
  await addEntries(hash, root, "");
  return hash.digest("hex");
}

async function addEntries(hash: Hash, root: string, within: string): Promise<void> {
  const dir = join(root, within);
  for (const name of [...Deno.readDirSync(dir)].map(({ name }) => name).sort()) {
    const inner = `${within}/${name}`;
    const path = join(root, inner);
    const info = await Deno.lstat(path);
    add(hash, inner, info);
    if (info.isSymlink) hash.update(JSON.stringify(await Deno.readLink(path)));
    if (info.isFile) hash.update(await digestOfFile(path));
    if (info.isDirectory) await addEntries(hash, root, inner);
  }
}

function add(hash: Hash, name: string, info: Deno.FileInfo): void {
  const { mode, uid, gid, mtime, size, isFile, rdev } = info;
  hash.update(JSON.stringify([name, mode, uid, gid, mtime?.getTime(), isFile ? size : rdev]));
}
