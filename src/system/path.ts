/**
 * Paths, for modules that only some commands load: Node's, which stand in for `@std/path` (decision 0014). What every command
 * loads does without (`core/paths.ts`): the first of Node's modules costs a process 6 ms.
 */

export { basename, dirname, extname, isAbsolute, join, normalize, posix, relative, resolve } from "node:path";
