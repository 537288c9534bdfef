/** A real Debian 12, booted once: `tests/slow` boots it again, and looks at its disk. */

import { test } from "../support/sandbox.ts";
import { debianInGroup } from "./debian.ts";

test(
  "Debian 12 in a group with two micro members boots, is reached by name, and stops cleanly",
  () => debianInGroup({ again: false }),
);
