/** `Deno.FileInfo` and `Deno.DirEntry`, made of what Node tells of a file. */

import type { Dirent, Stats } from "node:fs";

export function fileInfo(stats: Stats): Deno.FileInfo {
  const { size, mtime, atime, ctime, birthtime, dev, ino, mode, nlink, uid, gid, rdev, blksize, blocks } = stats;
  return {
    isFile: stats.isFile(),
    isDirectory: stats.isDirectory(),
    isSymlink: stats.isSymbolicLink(),
    isBlockDevice: stats.isBlockDevice(),
    isCharDevice: stats.isCharacterDevice(),
    isFifo: stats.isFIFO(),
    isSocket: stats.isSocket(),
    ...{ size, mtime, atime, ctime, birthtime, dev, ino, mode, nlink, uid, gid, rdev, blksize, blocks },
  };
}

export function dirEntry(entry: Dirent): Deno.DirEntry {
  return {
    name: entry.name,
    isFile: entry.isFile(),
    isDirectory: entry.isDirectory(),
    isSymlink: entry.isSymbolicLink(),
  };
}
