/**
 * Port forwards: how they are written, reserved, and who owns which port.
 *
 * A forward belongs to a member: it is in the member's `config.json` from the moment of the request, whether the member
 * runs or not, so a host port belongs to one member of the store at a time. Reserving happens under the store's claim
 * lock. Trying to listen finds out whether another program has the port, and the error names that program. The holder
 * opens the reserved forwards (`holder/network`); the commands and the library reserve for members that no holder
 * serves.
 */

import { FleetboxError } from "../core/errors.ts";
import type { ForwardWish, PortForward } from "../core/options.ts";
import { host } from "../system/os.ts";
import { isAlive } from "../system/process.ts";
import type { MemberConfig, Store } from "../store.ts";

/** The range of free ports: below the ports of outgoing connections, so that they are still free later. */
const [FIRST_FREE, LAST_FREE] = [20_000, 32_767];
const FREE_TRIES = 200;

/**
 * A forward as people write it: `8080:80` (host, guest), or `80` alone for any free port of the host.
 * @throws {FleetboxError} `misuse`
 */
export function parseForward(text: string, what = "a port forward"): ForwardWish {
  const expected = "HOST_PORT:GUEST_PORT such as 8080:80, or GUEST_PORT alone for any free port of this host";
  const bad = (why: string) =>
    new FleetboxError("misuse", `Bad value for ${what}: found ${JSON.stringify(text)}, ${why}`);
  if (/\/udp$/i.test(text)) throw bad("and only TCP is forwarded");
  const match = /^(?:(\d{1,5}):)?(\d{1,5})(?:\/tcp)?$/i.exec(text);
  const parts = text.split(",");
  if (parts.length > 1 && parts.every((part) => /^[\d:]+$/.test(part))) {
    throw new FleetboxError("misuse", `Bad value for ${what}: found ${JSON.stringify(text)}, expected one port`, {
      hint: what === "--publish"
        ? `Repeat -p for each port: ${parts.map((part) => `-p ${part}`).join(" ")}`
        : `Separate ports by spaces: ${parts.join(" ")}`,
    });
  }
  if (!match && /:.*:/.test(text)) throw bad(`and forwards are of 127.0.0.1 alone: expected ${expected}`);
  const [host, guest] = [Number(match?.[1] ?? 0), Number(match?.[2])];
  if (!match || guest < 1 || guest > 65_535 || host > 65_535) throw bad(`expected ${expected}`);
  return host === 0 ? { guest_port: guest } : { host_port: host, guest_port: guest };
}

/** The text that {@link parseForward} reads. */
export function forwardText({ host_port, guest_port }: ForwardWish): string {
  return host_port === undefined ? String(guest_port) : `${host_port}:${guest_port}`;
}

/** The member's forward that already satisfies a request. */
export function madeForward(forwards: readonly PortForward[], wish: ForwardWish): PortForward | undefined {
  return forwards.find(({ host_port, guest_port }) =>
    guest_port === wish.guest_port && (wish.host_port === undefined || wish.host_port === host_port)
  );
}

/**
 * Reserves ports for a member and writes them into its config. The caller holds the member's lock.
 * @returns the config with them.
 * @throws {FleetboxError} `conflict`: a port is another member's, or another program listens on it; `denied`: this user
 * may not listen there.
 */
export async function reserveForwards(
  store: Store,
  config: MemberConfig,
  wishes: readonly ForwardWish[],
): Promise<MemberConfig> {
  if (wishes.every((wish) => madeForward(config.forwards ?? [], wish))) return config;
  return await store.withClaimLock(async () => {
    const forwards = [...config.forwards ?? []];
    for (const wish of wishes) {
      if (madeForward(forwards, wish)) continue;
      const mine = { ...config, forwards };
      const made = { host_port: wish.host_port ?? await freePort(store, mine), guest_port: wish.guest_port };
      if (wish.host_port !== undefined) await checkFree(store, mine, made);
      forwards.push(made);
    }
    const after = { ...config, forwards };
    await store.writeConfig(after);
    return after;
  });
}

/** Reserves a port for a member that no holder serves. @throws as {@link reserveForwards}; `not-found` */
export async function forwardStopped(store: Store, name: string, wish: ForwardWish): Promise<PortForward> {
  const config = await reserveForwards(store, existing(store, name), [wish]);
  return madeForward(config.forwards!, wish)!;
}

/** Removes a forward of a member that no holder serves. The caller holds the member's lock. */
export async function dropForward(store: Store, name: string, hostPort: number): Promise<PortForward> {
  const config = existing(store, name);
  const gone = config.forwards?.find(({ host_port }) => host_port === hostPort);
  if (!gone) throw noSuchForward(name, hostPort);
  await store.writeConfig({ ...config, forwards: config.forwards!.filter((one) => one !== gone) });
  return gone;
}

function noSuchForward(name: string, hostPort: number): FleetboxError {
  return new FleetboxError("not-found", `Port ${hostPort} of this host does not lead to "${name}"`, {
    hint: `List its port forwards: fleetbox forward ${name}`,
  });
}

function existing(store: Store, name: string): MemberConfig {
  const config = store.config(name);
  if (config) return config;
  throw new FleetboxError("not-found", `There is no member "${name}"`, { hint: "List the members: fleetbox ls" });
}

/** @throws {FleetboxError} naming the port's owner */
async function checkFree(store: Store, config: MemberConfig, { host_port, guest_port }: PortForward): Promise<void> {
  const owner = memberWith(store, config, host_port);
  if (owner) throw portTaken(config.name, { host_port, guest_port }, owner.what, owner.hint);
  const problem = await tryPort(host_port);
  if (problem) throw await portProblem(store, config.name, { host_port, guest_port }, problem);
}

/**
 * The error for a port on which the system does not let us listen.
 * @param problem the system's error.
 */
export async function portProblem(
  store: Store,
  name: string,
  forward: PortForward,
  problem: unknown,
): Promise<FleetboxError> {
  const ssh = sshPortOf(store, forward.host_port);
  if (ssh) return portTaken(name, forward, ssh);
  const owner = host().portOwner(forward.host_port);
  if (owner) {
    const { pid, program = "a program" } = owner;
    return portTaken(name, forward, `${program} listens on it (${pid ? `process ${pid}` : "another user's"})`);
  }
  const denied = problem instanceof Deno.errors.PermissionDenied ||
    await tryPort(forward.host_port) instanceof Deno.errors.PermissionDenied;
  if (denied) {
    return new FleetboxError(
      "denied",
      `${sentence(name, forward)}: this user may not listen on port ${forward.host_port}`,
      {
        cause: problem,
        hint: `Choose one above 1023, or let one be chosen: fleetbox forward ${name} ${forward.guest_port}`,
      },
    );
  }
  return portTaken(name, forward, "another program listens on it, which is not visible to this user");
}

function portTaken(name: string, forward: PortForward, what: string, hint?: string): FleetboxError {
  const other = `Choose another port, or let one be chosen: fleetbox forward ${name} ${forward.guest_port}`;
  return new FleetboxError("conflict", `${sentence(name, forward)}: ${what}`, {
    hint: hint ? `${other}; or remove that one: ${hint}` : other,
  });
}

function sentence(name: string, { host_port, guest_port }: PortForward): string {
  return `Cannot forward port ${host_port} of this host to port ${guest_port} of "${name}"`;
}

/** The member that has a host port, of any group, running or not. */
function memberWith(store: Store, config: MemberConfig, port: number): { what: string; hint: string } | undefined {
  const others = store.members().flatMap((stored) => "config" in stored ? [stored.config] : []);
  for (const { name, forwards } of [config, ...others.filter(({ name }) => name !== config.name)]) {
    const found = forwards?.find(({ host_port }) => host_port === port);
    if (!found) continue;
    const what = `it already leads to port ${found.guest_port} of "${name}"`;
    return { what, hint: `fleetbox forward ${name} ${forwardText(found)} --remove` };
  }
  return undefined;
}

function sshPortOf(store: Store, port: number): string | undefined {
  for (const { ssh_ports, gateway, holder } of store.groupRecords()) {
    if (!isAlive(holder) && !(gateway && isAlive(gateway))) continue;
    const name = Object.entries(ssh_ports).find(([, ssh]) => ssh === port)?.[0];
    if (name) return `it leads to the SSH port of "${name}"`;
  }
  return undefined;
}

/** @throws {FleetboxError} `failed` */
async function freePort(store: Store, config: MemberConfig): Promise<number> {
  const count = LAST_FREE - FIRST_FREE + 1;
  const start = crypto.getRandomValues(new Uint32Array(1))[0] % count;
  for (let tries = 0; tries < FREE_TRIES; tries++) {
    const port = FIRST_FREE + (start + tries) % count;
    if (!memberWith(store, config, port) && !await tryPort(port)) return port;
  }
  throw new FleetboxError("failed", `Found no free port of this host for "${config.name}" in ${FREE_TRIES} tries`);
}

/** Why we cannot listen on a port of 127.0.0.1; undefined: we can. */
async function tryPort(port: number): Promise<unknown> {
  try {
    (await Deno.listen({ hostname: "127.0.0.1", port })).close(); // awaited: on Node it takes a turn (src/node)
  } catch (thrown) {
    return thrown;
  }
}

/** The ports of this host that lead to any of these members, whether they run or not. */
export function publishedPorts(store: Store, names: Iterable<string>): Set<number> {
  const forwards = [...names].map((name) => store.readMember(name))
    .flatMap((stored) => stored && "config" in stored ? stored.config.forwards ?? [] : []);
  return new Set(forwards.map(({ host_port }) => host_port));
}
