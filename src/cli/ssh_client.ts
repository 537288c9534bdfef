/** Runs the system's OpenSSH programs on our own standard input, output and error. */

import { FleetboxError, isNotFound } from "../core/errors.ts";

/** The client's exit code. While it runs it decides about Ctrl-C; what ends us ends it. */
export async function runClient(program: "ssh" | "scp", args: string[]): Promise<number> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, { args, stdin: "inherit", stdout: "inherit", stderr: "inherit" }).spawn();
  } catch (cause) {
    if (!isNotFound(cause)) throw new FleetboxError("failed", `Cannot start ${program}`, { cause });
    throw new FleetboxError("unavailable", `The program ${program} is not installed, or not on PATH`, {
      cause,
      hint: "Install OpenSSH's client: apt install openssh-client",
    });
  }
  const ignore = () => {};
  const pass = (signal: Deno.Signal) => () => {
    try {
      child.kill(signal);
    } catch { /* it is gone: so are we, in a moment */ }
  };
  Deno.addSignalListener("SIGINT", ignore);
  Deno.addSignalListener("SIGTERM", pass("SIGTERM"));
  Deno.addSignalListener("SIGHUP", pass("SIGHUP"));
  return (await child.status).code;
}
