/** Two sandboxes: a client, and a host that it reaches. */

import { type Sandbox, sandbox, type SandboxOptions } from "../support/sandbox.ts";
import { type Host, hostUser, sshHost } from "./sshd.ts";

/** A client, a host, and perhaps a place named big, which is forgotten at the end. */
export interface Both extends AsyncDisposable {
  here: Sandbox;
  there: Sandbox;
  host: Host;
}

export async function both(options: SandboxOptions): Promise<Both> {
  await using stack = new AsyncDisposableStack();
  const user = stack.use(await hostUser());
  const there = stack.use(await sandbox(options));
  const here = stack.use(await sandbox({ fakeQemu: {} }));
  const host = stack.use(await sshHost(user.name, there, here));
  Object.assign(here.env, host.env);
  stack.defer(async () => {
    await here.run("place", "rm", "big"); // ends the connection, also after a failure
  });
  const all = stack.move();
  return { here, there, host, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
