/**
 * The options of `fleetbox exec`, as a command line for the guest: the directory, the variables and the user of the
 * program. A small script in the guest's `sh` sets them and becomes the program; the program's words are the script's
 * arguments, so that they stay exactly as they are.
 */

import { FleetboxError } from "../../core/errors.ts";
import { quoted, shellCommand } from "../../core/quoting.ts";

/** What `exec` may be asked for, besides the program. */
export interface ExecFlags {
  tty?: boolean;
  interactive?: boolean;
  workdir?: string;
  env?: string[];
  user?: string;
}

/** The exit code when the guest has no such directory or user: that of `env` and `timeout` when they fail themselves. */
export const NOT_STARTED = 125;

/**
 * A command line for the guest's shell.
 * @param name the member, for the messages
 * @param login the user of the SSH session
 * @throws {FleetboxError} `misuse`
 */
export function execCommandLine(
  name: string,
  login: string,
  words: readonly string[],
  flags: ExecFlags,
  variables: (name: string) => string | undefined = (one) => Deno.env.toObject()[one],
): string {
  const user = flags.user === undefined ? undefined : checkUser(flags.user);
  const settings = [
    ...(flags.workdir === undefined ? [] : enter(name, checkDirectory(flags.workdir))),
    ...(flags.env ?? []).map((text) => `export ${assignment(text, variables)}`),
  ];
  const changesUser = user !== undefined && user !== login;
  if (!changesUser && settings.length === 0) return shellCommand(words);
  const home = changesUser ? ["cd 2>/dev/null || cd /"] : [];
  const script = [...home, ...settings, `exec "$@"`].join("\n");
  if (!changesUser) return shellCommand(["sh", "-c", script, "sh", ...words]);
  return shellCommand(["sh", "-c", asUser(name, user, script), "sh", ...words]);
}

/** Runs a script as another user, if there is that one. A number is a user id, also that of no name in `/etc/passwd`. */
function asUser(name: string, user: string, script: string): string {
  const isNumber = /^\d+$/.test(user);
  const who = quoted(isNumber ? `#${user}` : user);
  const exists = isNumber ? `sudo -n -u ${who} -- true` : `id -u ${who}`;
  const on = `on ${JSON.stringify(name)}`;
  return [
    ...unless("command -v sudo", `Cannot run as ${JSON.stringify(user)} ${on}: it has no sudo`),
    ...unless(exists, `There is no user ${JSON.stringify(user)} ${on}`),
    `exec sudo -n -H -u ${who} -- sh -c ${quoted(script)} sh "$@"`,
  ].join("\n");
}

/** A path that begins with `/` or `./` is no option of `cd`, and not looked for in CDPATH. */
function enter(name: string, path: string): string[] {
  const directory = quoted(path.startsWith("/") ? path : `./${path}`);
  const told = `${JSON.stringify(path)} on ${JSON.stringify(name)}`;
  return [
    ...unless(`[ -d ${directory} ]`, `There is no directory ${told}`),
    ...unless(`cd ${directory}`, `Cannot enter the directory ${told}: permission denied`),
  ];
}

/** Ends the script with a message if a command fails. */
function unless(command: string, message: string): string[] {
  return [`${command} >/dev/null 2>&1 || { echo ${quoted(`fleetbox: ${message}`)} >&2; exit ${NOT_STARTED}; }`];
}

function checkDirectory(path: string): string {
  if (path !== "" && !path.includes("\0")) return path;
  throw new FleetboxError("misuse", `Bad value for --workdir: found ${JSON.stringify(path)}, expected a directory`);
}

function checkUser(user: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/.test(user)) return user;
  const group = /^([^:]+):/.exec(user)?.[1];
  throw new FleetboxError(
    "misuse",
    `Bad value for --user: found ${JSON.stringify(user)}, expected a user's name or id`,
    {
      hint: group === undefined ? undefined : `Without a group: --user ${group}; the program has the user's groups`,
    },
  );
}

/** `K=V`, or `K` for the value that it has here. */
function assignment(text: string, variables: (name: string) => string | undefined): string {
  const [, name, given] = /^([A-Za-z_][A-Za-z0-9_]*)(?:=(.*))?$/s.exec(text) ?? [];
  if (name === undefined) {
    throw new FleetboxError(
      "misuse",
      `Bad value for --env: found ${
        JSON.stringify(text)
      }, expected NAME=VALUE, or NAME for its value here; a name has letters, digits and _`,
    );
  }
  const value = given ?? variables(name);
  if (value !== undefined) return `${name}=${quoted(value)}`;
  throw new FleetboxError("misuse", `--env ${name}: the environment here has no ${name}`, {
    hint: `Give a value: --env ${name}=VALUE`,
  });
}
