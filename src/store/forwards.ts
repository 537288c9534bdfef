/**
 * Ports of this host's loopback that lead to ports of members: how they are written, and who has which.
 *
 * A forward is the member's: it stands in its `config.json` from the moment in which it was asked for, whether the member
 * runs or not, and so a host port belongs to one member of the store at a time. Reserving happens under the store's claim
 * lock. That somebody else listens there is found by trying, and told with the name of the program. The holder opens what
 * is reserved (`holder/network.ts`); the commands and the library reserve for members that nobody serves.
 */

import { FleetboxError } from "../core/errors.ts";
import type { ForwardWish, PortForward } from "../core/options.ts";
import { host } from "../system/os.ts";
import { isAlive } from "../system/process.ts";
import type { MemberConfig, Store } from "../store.ts";

/** Free ports are taken from here: below what systems give to outgoing connections, so that they are free again later. */
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

/** As {@link parseForward} reads it. */
export function forwardText({ host_port, guest_port }: ForwardWish): string {
  return host_port === undefined ? String(guest_port) : `${host_port}:${guest_port}`;
}

/** The forward of a member that a wish is met by already. */
export function madeForward(forwards: readonly PortForward[], wish: ForwardWish): PortForward | undefined {
  return forwards.find(({ host_port, guest_port }) =>
    guest_port === wish.guest_port && (wish.host_port === undefined || wish.host_port === host_port)
  );
}

/**
 * Reserves ports for a member and writes them into its config. The caller holds the member's lock.
 * @returns the config as it is then.
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
      const made = { host_port: wish.host_port ?? freePort(store, mine), guest_port: wish.guest_port };
      if (wish.host_port !== undefined) checkFree(store, mine, made);
      forwards.push(made);
    }
    const after = { ...config, forwards };
    await store.writeConfig(after);
    return after;
  });
}

/** Reserves a port for a member that nobody serves. @throws as {@link reserveForwards}; `not-found` */
export async function forwardStopped(store: Store, name: string, wish: ForwardWish): Promise<PortForward> {
  const config = await reserveForwards(store, existing(store, name), [wish]);
  return madeForward(config.forwards!, wish)!;
}

/** Takes a forward of a member that nobody serves away. The caller holds the member's lock. */
export async function dropForward(store: Store, name: string, hostPort: number): Promise<PortForward> {
  const config = existing(store, name);
  const gone = config.forwards?.find(({ host_port }) => host_port === hostPort);
  if (!gone) throw noSuchForward(name, hostPort);
  await store.writeConfig({ ...config, forwards: config.forwards!.filter((one) => one !== gone) });
  return gone;
}

export function noSuchForward(name: string, hostPort: number): FleetboxError {
  return new FleetboxError("not-found", `Port ${hostPort} of this host does not lead to "${name}"`, {
    hint: `See what does: fleetbox forward ${name}`,
  });
}

function existing(store: Store, name: string): MemberConfig {
  const config = store.config(name);
  if (config) return config;
  throw new FleetboxError("not-found", `There is no member "${name}"`, { hint: "See what there is: fleetbox ls" });
}

/** @throws {FleetboxError} who has it */
function checkFree(store: Store, config: MemberConfig, { host_port, guest_port }: PortForward): void {
  const owner = memberWith(store, config, host_port);
  if (owner) throw portTaken(config.name, { host_port, guest_port }, owner.what, owner.hint);
  const problem = tryPort(host_port);
  if (problem) throw portProblem(store, config.name, { host_port, guest_port }, problem);
}

/**
 * Why a port cannot be had, of which the system says that it cannot.
 * @param problem what it says.
 */
export function portProblem(store: Store, name: string, forward: PortForward, problem: unknown): FleetboxError {
  const ssh = sshPortOf(store, forward.host_port);
  if (ssh) return portTaken(name, forward, ssh);
  const owner = host().portOwner(forward.host_port);
  if (owner) {
    const { pid, program = "a program" } = owner;
    return portTaken(name, forward, `${program} listens on it (${pid ? `process ${pid}` : "another user's"})`);
  }
  const denied = problem instanceof Deno.errors.PermissionDenied || tryPort(forward.host_port) instanceof
      Deno.errors.PermissionDenied;
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
  return portTaken(name, forward, "another program listens on it, which cannot be seen from here");
}

function portTaken(name: string, forward: PortForward, what: string, hint?: string): FleetboxError {
  const other = `Choose another port, or let one be chosen: fleetbox forward ${name} ${forward.guest_port}`;
  return new FleetboxError("conflict", `${sentence(name, forward)}: ${what}`, {
    hint: hint ? `${other}; or take that one away: ${hint}` : other,
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
    const what = `it leads to port ${found.guest_port} of "${name}" already`;
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
function freePort(store: Store, config: MemberConfig): number {
  const count = LAST_FREE - FIRST_FREE + 1;
  const start = crypto.getRandomValues(new Uint32Array(1))[0] % count;
  for (let tries = 0; tries < FREE_TRIES; tries++) {
    const port = FIRST_FREE + (start + tries) % count;
    if (!memberWith(store, config, port) && !tryPort(port)) return port;
  }
  throw new FleetboxError("failed", `Found no free port of this host for "${config.name}" in ${FREE_TRIES} tries`);
}

/** What keeps us from listening on a port of 127.0.0.1, if anything. */
function tryPort(port: number): unknown {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
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
