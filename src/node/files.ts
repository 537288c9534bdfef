/** Deno's functions for files and directories, over Node's. */

import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { asDeno, asDenoLater } from "./errors.ts";
import { dirEntry, fileInfo } from "./file_info.ts";
import { open, openSync, SeekMode } from "./open_file.ts";

type Path = string | URL;

const { promises } = fs;

/** Node removes a file, an empty directory and a tree by three functions. */
function removeSync(path: Path, { recursive = false }: Deno.RemoveOptions = {}): void {
  asDeno(() => {
    if (!fs.lstatSync(path).isDirectory()) fs.unlinkSync(path);
    else if (recursive) fs.rmSync(path, { recursive });
    else fs.rmdirSync(path);
  });
}

async function remove(path: Path, { recursive = false }: Deno.RemoveOptions = {}): Promise<void> {
  await asDenoLater(async () => {
    if (!(await promises.lstat(path)).isDirectory()) await promises.unlink(path);
    else if (recursive) await promises.rm(path, { recursive });
    else await promises.rmdir(path);
  });
}

/** Deno sets the mode also of a file that was there. */
function writeFileSync(path: Path, content: string | Uint8Array, { mode }: { mode?: number } = {}): void {
  asDeno(() => {
    fs.writeFileSync(path, content, { mode });
    if (mode !== undefined) fs.chmodSync(path, mode);
  });
}

async function writeFile(path: Path, content: string | Uint8Array, { mode }: { mode?: number } = {}): Promise<void> {
  await asDenoLater(async () => {
    await promises.writeFile(path, content, { mode });
    if (mode !== undefined) await promises.chmod(path, mode);
  });
}

async function* readDir(path: Path): AsyncGenerator<Deno.DirEntry> {
  yield* (await asDenoLater(() => promises.readdir(path, { withFileTypes: true }))).map(dirEntry);
}

function watchFs(path: string): Deno.FsWatcher {
  const paths = [path];
  const waiting: { changed: boolean; isClosed: boolean; wake: () => void } = {
    changed: false,
    isClosed: false,
    wake: () => {},
  };
  const watcher = asDeno(() => fs.watch(path));
  watcher.on("change", () => {
    waiting.changed = true;
    waiting.wake();
  });
  const close = () => {
    waiting.isClosed = true;
    watcher.close();
    waiting.wake();
  };
  watcher.on("error", close);
  /** Changes that came while nobody looked are one. */
  async function* events(): AsyncGenerator<Deno.FsEvent> {
    while (!waiting.isClosed) {
      if (!waiting.changed) await new Promise<void>((resolve) => waiting.wake = resolve);
      if (waiting.isClosed) return;
      waiting.changed = false;
      yield { kind: "any", paths };
    }
  }
  return Object.assign(events(), { close, [Symbol.dispose]: close }) as unknown as Deno.FsWatcher;
}

export const files = {
  SeekMode,
  open,
  openSync,
  remove,
  removeSync,
  writeFile,
  writeTextFileSync: writeFileSync,
  readDir,
  watchFs,
  readDirSync: (path: Path) => asDeno(() => fs.readdirSync(path, { withFileTypes: true })).map(dirEntry),
  readFileSync: (path: Path) => new Uint8Array(asDeno(() => fs.readFileSync(path))),
  readTextFileSync: (path: Path) => asDeno(() => fs.readFileSync(path, "utf8")),
  readTextFile: (path: Path) => asDenoLater(() => promises.readFile(path, "utf8")),
  stat: async (path: Path) => fileInfo(await asDenoLater(() => promises.stat(path))),
  statSync: (path: Path) => fileInfo(asDeno(() => fs.statSync(path))),
  lstat: async (path: Path) => fileInfo(await asDenoLater(() => promises.lstat(path))),
  lstatSync: (path: Path) => fileInfo(asDeno(() => fs.lstatSync(path))),
  mkdir: async (path: Path, options: Deno.MkdirOptions = {}) =>
    void await asDenoLater(() => promises.mkdir(path, options)),
  mkdirSync: (path: Path, options: Deno.MkdirOptions = {}) => void asDeno(() => fs.mkdirSync(path, options)),
  chmod: (path: Path, mode: number) => asDenoLater(() => promises.chmod(path, mode)),
  chmodSync: (path: Path, mode: number) => asDeno(() => fs.chmodSync(path, mode)),
  rename: (from: Path, to: Path) => asDenoLater(() => promises.rename(from, to)),
  renameSync: (from: Path, to: Path) => asDeno(() => fs.renameSync(from, to)),
  symlink: (target: Path, path: Path) => asDenoLater(() => promises.symlink(target, path)),
  symlinkSync: (target: Path, path: Path) => asDeno(() => fs.symlinkSync(target, path)),
  utimeSync: (path: Path, atime: number | Date, mtime: number | Date) =>
    asDeno(() => fs.utimesSync(path, atime, mtime)),
  /** @returns its path */
  makeTempDir: ({ prefix = "" }: Deno.MakeTempOptions = {}) =>
    asDenoLater(() => promises.mkdtemp(`${tmpdir()}/${prefix}`)),
  readLink: (path: Path) => asDenoLater(() => promises.readlink(path)),
  readLinkSync: (path: Path) => asDeno(() => fs.readlinkSync(path)),
};
