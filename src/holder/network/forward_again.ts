import { FleetboxError } from "../../core/errors.ts";
import type { Forward, Gateway } from "../../vmm/contract.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import { log } from "../log.ts";

/** The gateway that the group's last holder wrote down. */
export interface GatewayBefore {
  process?: ProcessIdentity;
  ports: ReadonlyMap<string, number>;
  restricted: boolean;
}

/** Whether a forward may be the one that fleetbox itself uses. */
export function leadsToSsh({ port, protocol, address }: Forward): boolean {
  return port === 22 && protocol === undefined && address === undefined;
}

/** The same port as before, or another one when it is taken. */
export async function forwardAgain(gateway: Gateway, ip: string, hostPort: number | undefined): Promise<number> {
  try {
    return await gateway.forward(ip, 22, hostPort);
  } catch (thrown) {
    if (!(thrown instanceof FleetboxError) || thrown.code !== "conflict") throw thrown;
    const port = await gateway.forward(ip);
    log(`gateway: port ${hostPort} of 127.0.0.1 is taken; ${port} leads to ${ip} now`);
    return port;
  }
}

export function unreachable(name: string, cause: unknown): FleetboxError {
  return new FleetboxError("unavailable", `Cannot reach "${name}": its group's gateway does not run`, {
    cause,
    hint: `Its holder starts it again, more and more seldom: fleetbox status ${name}`,
  });
}
