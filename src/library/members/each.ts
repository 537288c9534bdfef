/** The same work on each machine of a group, at once. */

import { FleetboxError, messageOf } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";

/**
 * Does the work for each of them; returns the results in their order, when all have ended.
 * @throws what the work threw, with the name in its message; of several failures one that has all of them
 */
export async function each<M extends { name: string }, T>(
  machines: readonly M[],
  work: (machine: M, index: number) => T | PromiseLike<T>,
): Promise<T[]> {
  if (typeof work !== "function") {
    throw new FleetboxError("misuse", `Cannot do it on each machine: each() got ${typeof work}, expected a function`);
  }
  const results = await Promise.allSettled(machines.map(async (machine, index) => await work(machine, index)));
  const failures = results.flatMap((result, index) =>
    result.status === "rejected" ? [{ name: machines[index].name, thrown: result.reason as unknown }] : []
  );
  if (failures.length === 0) return results.map((result) => (result as PromiseFulfilledResult<T>).value);
  if (failures.length === 1) throw naming(failures[0].name, failures[0].thrown);
  const names = failures.map(({ name }) => name);
  const said = failures.map(({ name, thrown }) => `\n  "${name}": ${messageOf(thrown).replaceAll("\n", "\n    ")}`);
  throw new FleetboxError("failed", `${listed(names)} of ${machines.length} machines failed:${said.join("")}`, {
    cause: new AggregateError(failures.map(({ thrown }) => thrown), `what failed on ${listed(names)}`),
  });
}

/** The same error, which names the machine: a caller may look at its class, and a runner at what an assertion expected. */
function naming(name: string, thrown: unknown): unknown {
  const prefix = `on "${name}": `;
  if (!(thrown instanceof Error)) return new FleetboxError("failed", prefix + String(thrown), { cause: thrown });
  const { message, stack } = thrown;
  if (message.includes(`"${name}"`)) return thrown;
  try {
    thrown.message = prefix + message;
    if (stack !== undefined && stack.includes(message)) thrown.stack = stack.replace(message, () => prefix + message);
    return thrown;
  } catch { // it is frozen
    return new FleetboxError("failed", prefix + message, { cause: thrown });
  }
}
