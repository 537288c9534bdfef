/**
 * Paths, for modules that only some commands load: Node's, which stand in for `@std/path` (decision 0014). Modules that
 * every command loads use `core/paths.ts` instead, because the first of Node's modules costs a process 6 ms.
 */

export { basename, dirname, isAbsolute, join, normalize, posix, relative, resolve } from "node:path";
