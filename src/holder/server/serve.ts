/**
 * The server half of the protocol: one connection, one request, one reply.
 *
 * The text requests are answered here, the JSON verbs by their handlers (`verbs.ts`). A connection has its own buffer
 * and time limits, and a client's faults (silence, garbage, megabytes, leaving in the middle) end only its own
 * connection. Replies are written in one piece; a client that does not read one within {@link wire.REPLY_TIMEOUT_MS}
 * loses it.
 */

import { startLimit } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import * as wire from "../../wire.ts";
import type { Group } from "../group/group.ts";
import { describe, log } from "../log.ts";
import { Client } from "./client.ts";
import { readRequest } from "./read_request.ts";
import { statusOf } from "./status.ts";
import { answerVerb } from "./verbs.ts";

/**
 * How long a guest may take to shut down after the text request: its clients wait 30 s for the pidfile to disappear. What
 * follows (the hypervisor is told to quit, then killed) takes a few seconds, so 25 s are not exceeded.
 */
const TEXT_GRACE_MS = 18_000;

/** Serves one connection to a member's socket. Never rejects. */
export async function serve(group: Group, name: string, conn: Deno.UnixConn): Promise<void> {
  const client = new Client(conn);
  try {
    const text = await readRequest(conn);
    if (text !== undefined) await answer(group, name, wire.decodeRequest(text), client);
  } catch (thrown) {
    if (thrown instanceof FleetboxError) await client.write(`err: ${thrown.message}`).catch(() => {});
    // anything else: the client left
  } finally {
    client.close();
  }
}

async function answer(group: Group, name: string, request: wire.Request, client: Client): Promise<void> {
  switch (request.kind) {
    case "status": {
      // A member that has just left is reported in its present state.
      const report = group.member(name)?.report();
      const { name: _, ...status } = report ?? { pid: Deno.pid, running: false, ip: "", state: "stopped" as const };
      await client.write(wire.encodeStatus(statusOf({ name, ...status })));
      if (status.state === "error") group.firstBoot.told(name);
      return;
    }
    case "stop":
      await client.write("ok");
      client.close();
      return await stopInTime(group, name);
    case "addmember":
      try {
        await group.add(checkName(request.name));
        return await client.write(wire.addReply());
      } catch (thrown) {
        return await client.write(wire.addReply(thrown));
      }
    case "bind":
    case "unknown":
    case "bad-json":
      return await client.write(wire.refusalOf(request));
    case "json":
      return await answerVerb(group, name, request.request, client);
    default:
      return request satisfies never;
  }
}

/** The text request `stop`: a stop that is under way already, with a longer grace, is made to hurry as well. */
async function stopInTime(group: Group, name: string): Promise<void> {
  const complain = (thrown: unknown) => log(`${name}: cannot stop it: ${describe(thrown)}`);
  const endLimit = startLimit(TEXT_GRACE_MS, () => {
    group.stop(name, { force: true, graceMs: 0 }).catch(complain);
  });
  await group.stop(name, { force: false, graceMs: TEXT_GRACE_MS }).catch(complain);
  endLimit();
}
