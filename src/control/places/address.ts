/**
 * The address of a place: `ssh://[user@]host[:port]`, which OpenSSH reads with all of the user's own configuration, or
 * `slurm://[user@]login[:port]`, a cluster with that login host; `slurm://` alone is one whose commands are on this host.
 */

import { FleetboxError } from "../../core/errors.ts";

/** What follows `ssh`: its options, then the host. */
export interface Address {
  scheme: "ssh" | "slurm";
  options: string[];
  /** Absent: this host. */
  host?: string;
}

/** A user or a host: nothing that a shell or ssh reads as anything else. */
const WORD = /^[\w.%+][\w.%+-]*$|^[0-9a-f:]+(%\w+)?$/i;

/** @throws {FleetboxError} `misuse`, with what is expected */
export function parseAddress(url: string): Address {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(url) ?? [];
  const isSlurm = scheme.toLowerCase() === "slurm";
  if (isSlurm && rest === "") return { scheme: "slurm", options: [] };
  const [, user, bracketed, host] = /^(?:([^@/]+)@)?(?:\[([^\]/]+)\]|([^@:/[\]]+))(?::\d+)?\/?$/.exec(rest) ?? [];
  const name = bracketed ?? host ?? "";
  const port = /:(\d+)\/?$/.exec(rest.replace(/^.*\]/, ""))?.[1];
  const isPort = port === undefined || (Number(port) > 0 && Number(port) < 65536);
  if (
    !(isSlurm || scheme.toLowerCase() === "ssh") || !isPort || !WORD.test(name) ||
    !(user === undefined || WORD.test(user))
  ) {
    throw new FleetboxError(
      "misuse",
      `Not a place's address: ${
        JSON.stringify(url)
      }, expected ssh://[user@]host[:port], slurm://[user@]login[:port] or slurm://`,
      {
        hint: "For example ssh://me@host; what else ssh needs belongs into ~/.ssh/config",
      },
    );
  }
  return {
    scheme: isSlurm ? "slurm" : "ssh",
    options: [...(user === undefined ? [] : ["-l", user]), ...(port === undefined ? [] : ["-p", port])],
    host: name,
  };
}
