/**
 * flock(2), which Node does not have: another program makes the call for us.
 *
 * A lock of flock(2) belongs to the opening of a file, not to a process. A child that is given our descriptor has the same
 * opening: it takes the lock and ends, and the lock stays for as long as we have the file open. So it holds against every
 * holder and command line, which lock by the same call, and the kernel lets go of it when this process ends, however.
 */

import { spawn } from "node:child_process";

/** The descriptor under which the child has the file. */
const ITS = 3;

/** What can make the call: util-linux's program, which comes with `setpriv`; Perl, which macOS has. */
function callers(exclusive: boolean): [program: string, args: string[]][] {
  const script = `open(my $file, "<&=", ${ITS}) or die "$!\\n"; flock($file, ${exclusive ? 2 : 1}) or die "$!\\n"`;
  return [
    ["flock", [exclusive ? "--exclusive" : "--shared", String(ITS)]],
    ["perl", ["-e", script]],
  ];
}

/** Locks an open file; waits for who has it. @throws when no program here can make the call, or it failed */
export async function lockDescriptor(descriptor: number, exclusive: boolean): Promise<void> {
  for (const [program, args] of callers(exclusive)) {
    if (await locked(program, args, descriptor)) return;
  }
  throw new Error("Cannot lock a file: found neither flock (of util-linux) nor perl on PATH, expected one of them");
}

/** @returns false: there is no such program */
function locked(program: string, args: string[], descriptor: number): Promise<boolean> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe", descriptor] });
    let said = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
    child.once("error", (cause: Error & { code?: string }) => cause.code === "ENOENT" ? done(false) : fail(cause));
    child.once("close", (code, signal) => {
      if (code === 0) done(true);
      else {fail(
          new Error(`${program} ${signal ? `was killed by ${signal}` : `ended with code ${code}`}: ${said.trim()}`),
        );}
    });
  });
}
