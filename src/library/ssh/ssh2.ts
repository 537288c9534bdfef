/**
 * The SSH library, npm's `ssh2`, with its types. Imported at the first connection, so that tests without one stay
 * quick.
 *
 * It is resolved from this file, as in Node, so that programs elsewhere that import the library need not have it.
 */

import { createRequire } from "node:module";
import type ssh2 from "./ssh2.d.ts";

/** The package for Node has it in a file of its own, bundled (`scripts/npm.ts`). */
declare const FLEETBOX_SSH2: string | undefined;

export const { Client }: typeof ssh2 = createRequire(import.meta.url)(
  typeof FLEETBOX_SSH2 === "string" ? FLEETBOX_SSH2 : "ssh2",
);
