/** The flags of commands whose members go on where a checkpoint was. */

import { collect } from "./collect.ts";
import { DEFAULTS } from "../../core/options.ts";
import type { Command } from "./parser.ts";

/** `--clock` and `--timeout`. */
export function addSavedFlags(command: Command): Command {
  return command
    .option("--clock <set|keep>", "the guests' clocks: set to this host's, or kept as they were (default: set)")
    .option(
      "--timeout <duration>",
      `limit for each stage of a start, such as 90, 90s or 2m (default: ${DEFAULTS.bootTimeoutMs / 1000}s)`,
    );
}

/** Those of new members besides. */
export function addForkFlags(command: Command): Command {
  return addSavedFlags(
    command
      .option(
        "-p, --publish <host:guest>",
        "a port of 127.0.0.1 (or ADDRESS:8080:80; 53:53/udp) that leads to the member's; PORT alone: any free one; repeatable",
        collect,
      )
      .option("--egress <on|off>", "whether it reaches the outside (default: as the saved one)")
      .option("--host-access", "let it reach services on this host's loopback, at the gateway's address")
      .option("--no-host-access", "revoke that"),
  );
}
