/**
 * `fleetbox cp`: files and directories to members, from them, and between them, by the system's `scp`.
 *
 * A member's path is given to scp as a URI, which has the port and can spell every character; a path of this host
 * always begins with `/` or `./`, so that scp cannot read it as an option or a remote path.
 */

import { Command } from "../arguments/parser.ts";
import { clip } from "../../core/bytes.ts";
import { FleetboxError } from "../../core/errors.ts";
import { isName } from "../../core/names.ts";
import type { Store } from "../../store.ts";
import type { SshEndpoint } from "../../wire.ts";
import { reach } from "../ssh/ssh_endpoint.ts";
import { sshOptionArguments } from "../arguments/ssh_arguments.ts";
import { INTERRUPTED, runClient } from "../ssh/ssh_client.ts";
import { checkPlaces, pathHere, type Place } from "../arguments/places.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";

export function cpCommand(): Command {
  return new Command("cp")
    .alias("copy")
    .description("copy files and directories to a member, from it, or between members")
    .usage("[options] <from...> <to>")
    .argument("<places...>", "local paths, or NAME:PATH; the last one is the target")
    .option("-p, --preserve", "keep times and modes")
    .addHelpText(
      "after",
      `
Directories are copied with their content. A path on a member is relative to its user's home; patterns in it
(NAME:'/var/log/*.log') are expanded there, and Tab completes it. Write a local file with a colon in its name with a slash: ./a:b

The exit code is scp's, 130 after Ctrl-C, or 3 for a missing local path. The guest's SSH server must speak SFTP; those of all our images do.

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
        throw new FleetboxError("misuse", "Missing target: expected FROM and TO", { hint });
      }
      if (places.every(({ member }) => member === undefined)) {
        throw new FleetboxError("misuse", "No path on a member: expected NAME:PATH as source or target", {
          hint: `To a member's home: fleetbox cp ${words[0]} NAME:`,
        });
      }
      const store = openStore();
      for (const { member } of places) if (member !== undefined) await requireMember(store, member);
      checkPlaces(places, (name) => isName(name) && store.readMember(name) !== undefined);
      const endpoints = new Map<string, SshEndpoint>();
      for (const { member } of places) {
        if (member === undefined || endpoints.has(member)) continue;
        endpoints.set(member, (await reach(store, member)).ssh);
      }
      const failure = `Cannot copy ${words.slice(0, -1).map(quoted).join(", ")} to ${quoted(words.at(-1)!)}`;
      const args = scpArguments(store, places, endpoints, flags);
      const code = await runClient("scp", args, store, [...endpoints.keys()], { failure });
      if (code === INTERRUPTED) {
        throw new FleetboxError(
          "interrupted",
          "Interrupted; what was copied stays, and the last file may be incomplete",
        );
      }
      Deno.exitCode = code;
    });
}

function quoted(word: string): string {
  return clip(JSON.stringify(word), 200);
}

/** Parses a place like scp: `NAME:PATH` when there is no slash before the first colon. */
export function parsePlace(word: string): Place {
  if (word === "") throw new FleetboxError("misuse", "A path is empty; expected a path, or NAME:PATH");
  const [, member, path] = /^([^/:]*):(.*)$/s.exec(word) ?? [];
  if (member === undefined) return { path: word };
  if (isName(member)) return { member, path };
  throw new FleetboxError("misuse", `Not a member: ${JSON.stringify(member)} in ${JSON.stringify(word)}`, {
    hint: `For a local file of that name write ${JSON.stringify(`./${word}`)}.`,
  });
}

/** Arguments for `scp`; the last place is the target. */
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

/** `scp://user@host:port/path` (scp(1)); the path comes after the third slash, so an absolute one has two. */
function uri({ user, host, port }: SshEndpoint, path: string): string {
  const spelled = [...new TextEncoder().encode(path)].map((byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9._~/-]/.test(char) ? char : `%${byte.toString(16).padStart(2, "0")}`;
  });
  return `scp://${user}@${host}:${port}/${spelled.join("")}`;
}
