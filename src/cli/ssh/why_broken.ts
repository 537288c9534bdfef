/** Why a connection to members broke: what their holders, and their SSH servers, say now. */

import { getReport } from "../../control/members.ts";
import { silentMachine } from "../../control/observe.ts";
import { FleetboxError } from "../../core/errors.ts";
import { answersSsh } from "../../guest/ssh_probe.ts";
import type { Store } from "../../store.ts";
import type { SshEndpoint } from "../../wire.ts";
import { currentPlace } from "../places/current.ts";

/** How long an SSH server may take to identify itself. */
const PROBE_MS = 2_000;
/** How long a holder may take to answer. */
const ANSWER_MS = 2_000;

/** The members' problem now; undefined: there is none, and the client has printed the reason itself. */
export async function whyBroken(store: Store, names: readonly string[]): Promise<FleetboxError | undefined> {
  const found = await Promise.all(names.map((name) => whatIsWrong(store, name)));
  return found.find((one) => one !== undefined);
}

async function whatIsWrong(store: Store, name: string): Promise<FleetboxError | undefined> {
  try {
    const before = await getReport(store, name, ANSWER_MS);
    if (before?.ssh && await answers(before.ssh)) return undefined;
    const report = await getReport(store, name, ANSWER_MS);
    if (report?.not_answering) return silentMachine(report);
    const { state, stage, failure } = report ?? { state: "down" };
    if (stage === "paused" && failure) return isOver(name, failure.message, failure.hint ?? `fleetbox status ${name}`);
    if (state !== "running") return isOver(name, `it is ${state}`, `See its state: fleetbox status ${name}`);
    return isOver(name, "its SSH server does not answer", `Look at its console: fleetbox logs ${name}`);
  } catch (thrown) {
    return thrown instanceof FleetboxError ? thrown : undefined;
  }
}

async function answers(endpoint: SshEndpoint): Promise<boolean> {
  const place = currentPlace()?.connection;
  if (place) return await place.answersSsh(endpoint, PROBE_MS);
  return await answersSsh(endpoint, new AbortController().signal, PROBE_MS);
}

/** The error of a connection that is over. */
export function isOver(name: string, why: string, hint: string, cause?: FleetboxError): FleetboxError {
  return new FleetboxError("failed", `The connection to "${name}" is over: ${why}`, { hint, cause });
}
