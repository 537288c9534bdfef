/** A holder that the supervisor of a job starts for a command that runs in the job: {@link startHolder} over its socket. */

import { FleetboxError } from "../../../core/errors.ts";
import { LineSplitter } from "../../../core/lines.ts";
import { jobPaths } from "../../../store/places.ts";
import { Store } from "../../../store.ts";
import type { HolderProcess } from "../../../system/process.ts";
import { connectUnix } from "../../../system/sockets.ts";
import { isError, throwIfError } from "../../../wire.ts";
import type { Answer, StartRequest } from "./supervisor.ts";

const MAX_ANSWER = 1024 * 1024;

/**
 * Lets the job of this command not end before it: it is connected until this process is gone.
 * @param isLasting whether the job also lasts while nothing is served in it
 */
export async function stayInJob(job: string, { isLasting = false }: { isLasting?: boolean } = {}): Promise<void> {
  const socket = await connectUnix(jobPaths(Store.fromEnvironment().root, job).socket);
  if (isLasting) await socket?.write('{"stays":true}\n');
}

/** @throws {FleetboxError} `unavailable`: the job is about to end */
export async function startInJob(store: Store, job: string, request: StartRequest): Promise<HolderProcess> {
  const socket = await connectUnix(jobPaths(store.root, job).socket);
  if (!socket) {
    throw new FleetboxError("unavailable", `Cannot start a holder: the job ${job} is about to end`, {
      hint: "Say it once more: it gets a job of its own then.",
    });
  }
  // The user's variables for this command are not those of the job.
  const env = { ...ownVariables(), ...request.env };
  await socket.write(JSON.stringify({ ...request, env }) + "\n");
  const pid = Promise.withResolvers<number>();
  const firstLine = Promise.withResolvers<string | undefined>();
  const exited = Promise.withResolvers<{ code: number; signal: string | null }>();
  pid.promise.catch(() => {}); // told by the await below
  void (async () => {
    const lines = new LineSplitter({ max: MAX_ANSWER });
    try {
      for (let piece = await socket.read(); piece !== ""; piece = await socket.read()) {
        for (const line of lines.push(piece)) {
          const answer = JSON.parse(line) as Answer;
          if (isError(answer)) throwIfError(answer);
          if ("pid" in answer) pid.resolve(answer.pid);
          else if ("line" in answer) firstLine.resolve(answer.line ?? undefined);
          else if ("exited" in answer) exited.resolve(answer.exited);
        }
      }
      pid.reject(new FleetboxError("unavailable", `The job ${job} has ended`));
    } catch (thrown) {
      pid.reject(thrown);
    }
    firstLine.resolve(undefined);
    exited.resolve({ code: 1, signal: "SIGKILL" }); // with the job
  })();
  return {
    pid: await pid.promise,
    firstLine: firstLine.promise,
    exited: exited.promise,
    kill: (signal) => void socket.write(JSON.stringify({ signal }) + "\n").catch(() => {}),
    // Only commands run in a job, which end when they are done.
    release() {},
    hold() {},
  };
}

function ownVariables(): Record<string, string> {
  const own = Object.entries(Deno.env.toObject()).filter(([name]) => name.startsWith("FLEETBOX_"));
  return Object.fromEntries(own.filter(([name]) => name !== "FLEETBOX_THERE"));
}
