/**
 * The SSH library, npm's `ssh2`, with its types. Imported when the first connection is made, for a test that needs none
 * is as quick.
 *
 * It is found the way Node does, from this file: a program elsewhere that imports the library need not know of it.
 */

import { createRequire } from "node:module";
import type ssh2 from "./ssh2.d.ts";

export const { Client }: typeof ssh2 = createRequire(import.meta.url)("ssh2");
