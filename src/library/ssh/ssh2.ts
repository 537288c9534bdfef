/**
 * The SSH library, npm's `ssh2`, with its types. Imported at the first connection, so that tests without one stay
 * quick.
 *
 * It is resolved from this file, as in Node, so that programs elsewhere that import the library need not have it.
 */

import { createRequire } from "node:module";
import type ssh2 from "./ssh2.d.ts";

export const { Client }: typeof ssh2 = createRequire(import.meta.url)("ssh2");
