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
import { checkWish, type ForwardWish, type PortForward } from "../core/options.ts";
import {
  addressOf,
  checkSide,
  collides,
  endKey,
  endText,
  type HostEnd,
  isSameSide,
  LOOPBACK,
  sideOf,
} from "../core/port_forwards.ts";
import { host } from "../system/os.ts";
import { isHeldElsewhere } from "./elsewhere.ts";
import { isAlive } from "../system/process.ts";
import { isDenied, isNoAddress, tryListen } from "../system/try_listen.ts";
import type { MemberConfig, Store } from "../store.ts";

/** The range of free ports: below the ports of outgoing connections, so that they are still free later. */
const [FIRST_FREE, LAST_FREE] = [20_000, 32_767];
const FREE_TRIES = 200;

/**
 * A forward as people write it: `8080:80` (host, guest), or `80` alone for any free port of the host; both may end in
 * `/udp` and begin with an address of the host: `0.0.0.0:8080:80`, `127.0.0.2::80`.
 * @throws {FleetboxError} `misuse`
 */
export function parseForward(text: string, what = "a port forward"): ForwardWish {
  const expected = "HOST_PORT:GUEST_PORT such as 8080:80, or GUEST_PORT alone for any free port of this host; " +
    "/udp behind it and ADDRESS: before it are possible";
  const bad = (why: string) =>
    new FleetboxError("misuse", `Bad value for ${what}: found ${JSON.stringify(text)}, ${why}`);
  const [, ends, protocol] = /^(.*?)(?:\/(tcp|udp))?$/is.exec(text)!;
  const [guestText = "", hostText, ...before] = ends.split(":").toReversed();
  const address = before.length > 0 ? before.toReversed().join(":").replace(/^\[(.*)\]$/, "$1") : undefined;
  const parts = text.split(",");
  if (parts.length > 1 && parts.every((part) => /^[\d:]+(\/\w+)?$/.test(part))) {
    throw new FleetboxError("misuse", `Bad value for ${what}: found ${JSON.stringify(text)}, expected one port`, {
      hint: what === "--publish"
        ? `Repeat -p for each port: ${parts.map((part) => `-p ${part}`).join(" ")}`
        : `Separate ports by spaces: ${parts.join(" ")}`,
    });
  }
  const isHost = hostText === undefined || /^\d{1,5}$/.test(hostText) || (hostText === "" && address !== undefined);
  const [host, guest] = [Number(hostText ?? 0), Number(guestText)];
  if (!isHost || !/^\d{1,5}$/.test(guestText) || guest < 1 || guest > 65_535 || host > 65_535) {
    throw bad(`expected ${expected}`);
  }
  const side = checkSide({ protocol: protocol?.toLowerCase(), address });
  return { ...(host === 0 ? {} : { host_port: host }), guest_port: guest, ...side };
}

/** The text that {@link parseForward} reads. */
export function forwardText({ host_port, guest_port, protocol, address }: ForwardWish): string {
  const from = address ? `${address}:${host_port ?? ""}:` : host_port === undefined ? "" : `${host_port}:`;
  return `${from}${guest_port}${protocol ? "/udp" : ""}`;
}

/** The member's forward that already satisfies a request. */
export function madeForward(forwards: readonly PortForward[], wish: ForwardWish): PortForward | undefined {
  return forwards.find((one) =>
    one.guest_port === wish.guest_port && (wish.host_port === undefined || wish.host_port === one.host_port) &&
    isSameSide(one, wish)
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
  unchecked: readonly ForwardWish[],
): Promise<MemberConfig> {
  const wishes = unchecked.map(checkWish);
  if (wishes.every((wish) => madeForward(config.forwards ?? [], wish))) return config;
  return await store.withClaimLock(async () => {
    const forwards = [...config.forwards ?? []];
    for (const wish of wishes) {
      if (madeForward(forwards, wish)) continue;
      const mine = { ...config, forwards };
      checkOneByUdp(mine, wish);
      const made = { ...wish, host_port: wish.host_port ?? await freePort(store, mine, wish) };
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
export async function dropForward(store: Store, name: string, end: HostEnd): Promise<PortForward> {
  const config = existing(store, name);
  const gone = config.forwards?.find((one) => endKey(one) === endKey(end));
  if (!gone) throw noSuchForward(name, end);
  await store.writeConfig({ ...config, forwards: config.forwards!.filter((one) => one !== gone) });
  return gone;
}

function noSuchForward(name: string, end: HostEnd): FleetboxError {
  return new FleetboxError("not-found", `${sentencePort(end)} does not lead to "${name}"`.replace(/^p/, "P"), {
    hint: `List its port forwards: fleetbox forward ${name}`,
  });
}

function existing(store: Store, name: string): MemberConfig {
  const config = store.config(name);
  if (config) return config;
  throw new FleetboxError("not-found", `There is no member "${name}"`, { hint: "List the members: fleetbox ls" });
}

/**
 * A guest's answer by UDP leaves by one socket of the gateway, whichever was asked: with two, some askers get it from
 * the wrong port. @throws {FleetboxError} `conflict`
 */
function checkOneByUdp({ name, forwards = [] }: MemberConfig, wish: ForwardWish): void {
  const other = wish.protocol && forwards.find((one) => one.protocol && one.guest_port === wish.guest_port);
  if (!other) return;
  const message = `UDP port ${wish.guest_port} of "${name}" has a forward already: ${
    endText(other)
  }; expected one at most`;
  throw new FleetboxError("conflict", message, {
    hint: `Use that one, or remove it: fleetbox forward ${name} ${forwardText(other)} --remove`,
  });
}

/** @throws {FleetboxError} naming the port's owner */
async function checkFree(store: Store, config: MemberConfig, forward: PortForward): Promise<void> {
  const owner = memberWith(store, config, forward);
  if (owner) throw portTaken(config.name, forward, owner.what, owner.hint);
  const problem = await tryPort(forward);
  if (problem) throw await portProblem(store, config.name, forward, problem);
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
  const now = isNoAddress(problem) ? problem : await tryPort(forward);
  if (isNoAddress(now)) return noAddress(forward, now);
  const ssh = sshPortOf(store, forward);
  if (ssh) return portTaken(name, forward, ssh);
  const owner = host().portOwner(forward.host_port, listening(forward));
  if (owner) {
    const { pid, program = "a program" } = owner;
    return portTaken(name, forward, `${program} listens on it (${pid ? `process ${pid}` : "another user's"})`);
  }
  if (isDenied(problem) || isDenied(now)) {
    return new FleetboxError(
      "denied",
      `${sentence(name, forward)}: this user may not listen on port ${forward.host_port}`,
      {
        cause: problem,
        hint: `Choose one above 1023, or let one be chosen: ${anyPort(name, forward)}`,
      },
    );
  }
  return portTaken(name, forward, "another program listens on it, which is not visible to this user");
}

/** The error for an address that this host does not have. */
function noAddress(side: HostEnd | ForwardWish, cause: unknown): FleetboxError {
  return new FleetboxError("not-found", `This host has no address ${addressOf(side)}`, {
    cause,
    hint: "Use one that it has, 127.0.0.1, or 0.0.0.0 for all of them.",
  });
}

function anyPort(name: string, { guest_port, ...forward }: PortForward): string {
  return `fleetbox forward ${name} ${forwardText({ guest_port, ...sideOf(forward) })}`;
}

function portTaken(name: string, forward: PortForward, what: string, hint?: string): FleetboxError {
  const other = `Choose another port, or let one be chosen: ${anyPort(name, forward)}`;
  return new FleetboxError("conflict", `${sentence(name, forward)}: ${what}`, {
    hint: hint ? `${other}; or remove that one: ${hint}` : other,
  });
}

function sentence(name: string, forward: PortForward): string {
  return `Cannot forward ${sentencePort(forward)} to port ${forward.guest_port} of "${name}"`;
}

/** `port 8080 of this host`, `UDP port 53 of 127.0.0.2`. */
function sentencePort({ host_port, protocol, address }: HostEnd): string {
  return `${protocol ? "UDP port" : "port"} ${host_port} of ${address ?? "this host"}`;
}

/** The member that has a host port, of any group, running or not. */
function memberWith(store: Store, config: MemberConfig, end: HostEnd): { what: string; hint: string } | undefined {
  const others = store.members().flatMap((stored) => "config" in stored ? [stored.config] : []);
  for (const { name, forwards } of [config, ...others.filter(({ name }) => name !== config.name)]) {
    const found = forwards?.find((one) => collides(one, end));
    if (!found) continue;
    const at = isSameSide(found, end) ? "it" : `${found.address ?? LOOPBACK}:${found.host_port}`;
    const what = `${at} already leads to port ${found.guest_port} of "${name}"`;
    return { what, hint: `fleetbox forward ${name} ${forwardText(found)} --remove` };
  }
  return undefined;
}

function sshPortOf(store: Store, end: HostEnd): string | undefined {
  for (const record of store.groupRecords()) {
    const { ssh_ports, gateway, holder } = record;
    if (isHeldElsewhere(record)) continue; // a port of another host
    if (!isAlive(holder) && !(gateway && isAlive(gateway))) continue;
    const name = Object.entries(ssh_ports).find(([, ssh]) => collides({ host_port: ssh }, end))?.[0];
    if (name) return `it leads to the SSH port of "${name}"`;
  }
  return undefined;
}

/** @throws {FleetboxError} `failed` */
async function freePort(store: Store, config: MemberConfig, wish: ForwardWish): Promise<number> {
  const count = LAST_FREE - FIRST_FREE + 1;
  const start = crypto.getRandomValues(new Uint32Array(1))[0] % count;
  for (let tries = 0; tries < FREE_TRIES; tries++) {
    const end = { ...sideOf(wish), host_port: FIRST_FREE + (start + tries) % count };
    if (memberWith(store, config, end)) continue;
    const problem = await tryPort(end);
    if (!problem) return end.host_port;
    if (isNoAddress(problem)) throw noAddress(wish, problem);
  }
  throw new FleetboxError("failed", `Found no free port of this host for "${config.name}" in ${FREE_TRIES} tries`);
}

/** Why we cannot listen on a port; undefined: we can. */
async function tryPort(end: HostEnd): Promise<unknown> {
  return await tryListen({ ...listening(end), port: end.host_port });
}

function listening(end: HostEnd): { address: string; isUdp: boolean } {
  return { address: addressOf(end), isUdp: end.protocol === "udp" };
}

/** The TCP ports of 127.0.0.1 that lead to any of these members, whether they run or not. */
export function publishedPorts(store: Store, names: Iterable<string>): Set<number> {
  const forwards = [...names].map((name) => store.readMember(name))
    .flatMap((stored) => stored && "config" in stored ? stored.config.forwards ?? [] : []);
  return new Set(forwards.filter((one) => isSameSide(one, {})).map(({ host_port }) => host_port));
}
