/**
 * `fleetbox cp`: files and directories to members, from them, and between them, by the system's `scp`.
 *
 * A member's side is given to scp as a URI, which holds the port and in which every character of a path has a spelling;
 * a side of this host always begins with `/` or `./`, so that no name can be taken for an option or for a member's.
 */

import { Command } from "../arguments/parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import { isName } from "../../core/names.ts";
import type { Store } from "../../store.ts";
import type { SshEndpoint } from "../../wire.ts";
import { reach } from "../ssh_endpoint.ts";
import { sshOptionArguments } from "../arguments/ssh_arguments.ts";
import { runClient } from "../ssh_client.ts";
import { checkPlaces, pathHere, type Place } from "../arguments/places.ts";
import { openStore, requireMember } from "../arguments/store_access.ts";

export function cpCommand(): Command {
  return new Command("cp")
    .alias("copy")
    .description("copy files and directories to a member, from it, or between members")
    .usage("[options] <from...> <to>")
    .argument("<places...>", "paths here, or NAME:PATH; the last one is where to")
    .option("-p, --preserve", "keep times and modes")
    .addHelpText(
      "after",
      `
Directories are copied with all that is in them. A path on a member is relative to its user's home; patterns in it
(NAME:'/var/log/*.log') are expanded there. A file here with a colon in its name is written with a slash: ./a:b

The exit code is scp's, or 3 for a path that is not here. Needs the guest's SSH server to speak SFTP, as all here do.

Examples:
  fleetbox cp app.tar.gz a:
  fleetbox cp -p site a:/tmp/site
  fleetbox cp a:/var/log/syslog a:/etc/hostname .
  fleetbox cp a:data b:`,
    )
    .action(async (words: string[], flags: { preserve?: boolean }) => {
      const places = words.map(parsePlace);
      if (places.length < 2) {
        const hint = `Into a member's home: fleetbox cp ${words[0]} NAME:`;
        throw new FleetboxError("misuse", "Nowhere to copy to: expected FROM and TO", { hint });
      }
      if (places.every(({ member }) => member === undefined)) {
        throw new FleetboxError("misuse", "None of these is on a member: expected NAME:PATH at one side", {
          hint: `To a member's home: fleetbox cp ${words[0]} NAME:`,
        });
      }
      const store = openStore();
      for (const { member } of places) if (member !== undefined) await requireMember(store, member);
      checkPlaces(places);
      const endpoints = new Map<string, SshEndpoint>();
      for (const { member } of places) {
        if (member === undefined || endpoints.has(member)) continue;
        endpoints.set(member, await reach(store, member));
      }
      Deno.exitCode = await runClient("scp", scpArguments(store, places, endpoints, flags), store, [
        ...endpoints.keys(),
      ]);
    });
}

/** A word as scp and people read it: `NAME:PATH` when what is before the first colon holds no slash. */
export function parsePlace(word: string): Place {
  if (word === "") throw new FleetboxError("misuse", "A path is empty; expected a path, or NAME:PATH");
  const [, member, path] = /^([^/:]*):(.*)$/s.exec(word) ?? [];
  if (member === undefined) return { path: word };
  if (isName(member)) return { member, path };
  throw new FleetboxError("misuse", `Not a member: ${JSON.stringify(member)} in ${JSON.stringify(word)}`, {
    hint: `A file here with that name is written ${JSON.stringify(`./${word}`)}.`,
  });
}

/** Arguments for `scp`, the last place being where to. */
export function scpArguments(
  store: Store,
  places: readonly Place[],
  endpoints: ReadonlyMap<string, SshEndpoint>,
  flags: { preserve?: boolean } = {},
): string[] {
  return [
    ...["-F", "/dev/null"],
    ...sshOptionArguments(store),
    ...["-r", "-3"],
    ...(flags.preserve ? ["-p"] : []),
    "--",
    ...places.map(({ member, path }) => member === undefined ? pathHere(path) : uri(endpoints.get(member)!, path)),
  ];
}

/** `scp://user@host:port/path` (scp(1)); what is behind the third slash is the path, so an absolute one has two. */
function uri({ user, host, port }: SshEndpoint, path: string): string {
  const spelled = [...new TextEncoder().encode(path)].map((byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9._~/-]/.test(char) ? char : `%${byte.toString(16).padStart(2, "0")}`;
  });
  return `scp://${user}@${host}:${port}/${spelled.join("")}`;
}
