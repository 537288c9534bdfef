/** A real Debian 12, booted twice: its disk is whole after it was stopped, and all is there after the second boot. */

import { debianInGroup } from "../distro/debian.ts";
import { test } from "../support/sandbox.ts";

test(
  "Debian 12 in a group with two micro members boots, is reached by name, stops cleanly, and boots again",
  () => debianInGroup({ again: true }),
);
