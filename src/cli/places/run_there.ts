/**
 * A command at a place: fleetbox there does it, on the store there, and what it says comes here.
 *
 * With a terminal on all three sides it has a terminal there, of the same size: Ctrl-C, progress, colours and questions are
 * those of any SSH session. Else its output and its errors stay apart, and our standard input is its lifeline: signals go
 * through it, and its end, also by `kill -9`, ends the command there (`lifeline.ts`).
 */

import { commandThere, type PlaceConnection } from "../../control/places/connection.ts";
import { environmentFor } from "../../control/places/known.ts";
import { EXIT_CODES, FleetboxError } from "../../core/errors.ts";
import type { Place } from "../../store/places.ts";
import { removeIfThere, statIfThere } from "../../system/files.ts";
import { host } from "../../system/os.ts";
import { which } from "../../system/process.ts";
import { warn } from "../terminal/output.ts";
import { bringFiles } from "./files.ts";
import { membersHaveChanged } from "./forward.ts";
import { outputFile } from "./frames.ts";
import { traceThere } from "./traces.ts";
import { viewThere } from "./view.ts";

/** ssh's exit code when the connection failed, or the program there was ended by a signal. */
const BROKEN = 255;
/** Of `env`, when the program is not there. */
const MISSING = 127;

/** Commands that save guests. */
const SAVING = ["checkpoint", "suspend"];

/** Commands after which a member is gone, or called something else. */
const CHANGING_MEMBERS = ["rm", "delete", "remove", "destroy", "rename", "mv"];

/** Runs a command there that may name files, or ports, of this host. */
export async function runWithFiles(
  connection: PlaceConnection,
  place: Place,
  words: readonly string[],
  more: Record<string, string> = {},
): Promise<number> {
  if (words[0] === "view") {
    return await viewThere(
      connection,
      words,
      (line, env) => runAt(connection, place, line, { env: { ...more, ...env } }),
    );
  }
  const file = words[0] === "capture" ? outputFile(words) : undefined;
  if (file) {
    const output = await file.open();
    const code = await runAt(connection, place, file.words, { env: more, output });
    if (code !== 0 && statIfThere(file.path)?.size === 0) removeIfThere(file.path);
    return code;
  }
  if (words[0] === "trace" && ["stop", "show"].includes(words[1])) {
    const run = (line: readonly string[], output?: Deno.FsFile) =>
      runAt(connection, place, line, { env: more, output });
    return await traceThere(connection, place, words, run);
  }
  if (SAVING.includes(words[0])) await connection.endKept();
  tellOfPorts(place, words);
  const { words: line, env } = await bringFiles(connection, place, words);
  const code = await runAt(connection, place, line, { env: { ...more, ...env } });
  if (code === 0 && CHANGING_MEMBERS.includes(words[0])) await membersHaveChanged(connection, place, words);
  return code;
}

export function tellOfPorts({ name, engine }: Place, words: readonly string[]): void {
  if (!["up", "start", "join"].includes(words[0]) || !words.some((word) => /^(-p|--publish(=|$))/.test(word))) return;
  const where = engine ? `the host of the job` : `"${name}"`;
  warn(`the ports of --publish are of ${where}; one here: fleetbox forward NAME@${name} 8080:80`);
}

/** Commands that read what is typed or piped. */
const READING = ["console"];

interface RunOptions {
  /** Further variables. */
  env?: Record<string, string>;
  /** Where its output goes. @default here */
  output?: Deno.FsFile;
}

/** Runs a command there. @returns its exit code @throws {FleetboxError} the connection, or fleetbox there, is gone */
export async function runAt(
  connection: PlaceConnection,
  place: Place,
  words: readonly string[],
  { env = {}, output }: RunOptions = {},
): Promise<number> {
  const isLive = !output && Deno.stdin.isTerminal() && Deno.stdout.isTerminal() && Deno.stderr.isTerminal();
  const isPlain = isLive || READING.includes(words[0]);
  const variables = { ...environmentFor(place), ...env };
  const there = commandThere(place, variables, isPlain ? words : ["__there", ...words]);
  const [program, args] = dyingWithUs(...connection.session([isLive ? "-tt" : "-T"], there));
  const child = new Deno.Command(program, {
    args,
    stdin: isPlain ? "inherit" : "piped",
    stdout: output ? "piped" : "inherit",
    stderr: "inherit",
    detached: !isPlain, // Ctrl-C is for us, who pass it on
  }).spawn();
  const writer = isPlain ? undefined : child.stdin.getWriter();
  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => {
      interrupted = true;
      if (writer) void writer.write(new TextEncoder().encode(`${signal}\n`)).catch(() => {});
      else if (signal !== "SIGINT") child.kill(signal);
    });
  }
  if (output) await child.stdout.pipeTo(output.writable);
  const { code } = await child.status;
  await writer?.close().catch(() => {});
  if (code === MISSING) throw gone(place);
  if (code !== BROKEN) return code;
  if (interrupted) return EXIT_CODES.interrupted;
  throw await lost(connection, place);
}

/** ssh, which ends with this process also when that is killed: else what it carries would live on there. */
function dyingWithUs(program: string, args: string[]): [program: string, args: string[]] {
  const { deathSignal } = host();
  const found = deathSignal && which(deathSignal.program);
  return found ? [found, [...deathSignal!.args("TERM"), program, ...args]] : [program, args];
}

function gone({ name, url, program }: Place): FleetboxError {
  return new FleetboxError("not-found", `The place "${name}" has no ${program} any more`, {
    hint: `Bring it again: fleetbox place add ${name} ${url}`,
  });
}

async function lost(connection: PlaceConnection, { name }: Place): Promise<FleetboxError> {
  const why = await connection.explain().catch(() => undefined);
  if (why) return why;
  if (await connection.isOpen()) {
    return new FleetboxError("failed", `The command at the place "${name}" was ended by a signal there`);
  }
  return new FleetboxError("failed", `The connection to the place "${name}" is over; machines there run on`, {
    hint: `Look again: fleetbox ls --on ${name}`,
  });
}
