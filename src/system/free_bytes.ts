/** The bytes that a user may still write on a directory's disk. Loads its part of Node when it is first asked: few need it. */
export async function freeBytes(dir: string): Promise<number> {
  const { statfs } = await import("node:fs/promises");
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
