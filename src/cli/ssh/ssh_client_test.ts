import * as assert from "#assert";
import { Store } from "../../store.ts";
import { runClient } from "./ssh_client.ts";

Deno.test("signals are heard before ssh is started, so that none ends fleetbox and leaves ssh", async () => {
  const { addSignalListener, Command } = Deno;
  const heard: string[] = [];
  let atStart: string[] | undefined;
  class Absent {
    constructor() {
      atStart = [...heard];
      throw new Deno.errors.NotFound();
    }
  }
  Object.assign(Deno, {
    addSignalListener: (signal: string) => heard.push(signal),
    Command: Absent,
  });
  try {
    await assert.rejects(runClient("ssh", [], Store.at("/nowhere"), []), /ssh is not installed/);
  } finally {
    Object.assign(Deno, { addSignalListener, Command });
  }
  assert.deepEqual(atStart, ["SIGINT", "SIGTERM", "SIGHUP"]);
});
