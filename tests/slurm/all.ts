/** A client, a cluster, and the store of a place that is that cluster. */

import { join } from "../../src/system/path.ts";
import { FLEETBOX } from "../support/command.ts";
import { type Sandbox, sandbox, type SandboxOptions } from "../support/sandbox.ts";
import { type Cluster, cluster } from "./slurm.ts";

/** A client, the store of a place named lab, and its cluster. */
export interface All extends AsyncDisposable {
  here: Sandbox;
  there: Sandbox;
  slurm: Cluster;
  /** Words that add the place. */
  place(url: string): string[];
  add(...options: string[]): Promise<void>;
}

export async function all(options: SandboxOptions): Promise<All> {
  await using stack = new AsyncDisposableStack();
  const slurm = stack.use(await cluster());
  const there = stack.use(await sandbox(options));
  const here = stack.use(await sandbox({ fakeQemu: {} }));
  Object.assign(here.env, slurm.env);
  Deno.mkdirSync("/run/sshd", { recursive: true }); // of an sshd that root starts
  const executable = join(there.root, "fleetbox");
  const exports = Object.entries(there.env).map(([name, value]) => `export ${name}='${value}'`);
  Deno.writeTextFileSync(executable, `#!/bin/sh\n${exports.join("\n")}\nexec '${FLEETBOX}' "$@"\n`, { mode: 0o755 });
  stack.defer(async () => {
    await here.run("place", "rm", "lab"); // ends the connections, also after a failure
  });
  const place = (url: string) => ["place", "add", "lab", url, "--store", there.home, "--executable", executable];
  const add = async (...options: string[]) => {
    await here.ok(...place("slurm://"), "--yes", ...options);
  };
  const moved = stack.move();
  return { here, there, slurm, place, add, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}
