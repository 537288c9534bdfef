/**
 * A group's private network in the holder: the switch, the gateway, DNS for its members, the ports to their SSH servers.
 *
 * The switch is in this process; the gateway is a child that lives as long as the group. A gateway that dies is started
 * again with the same port forwards, so addresses that a user wrote down stay valid. A member is added by {@link
 * GroupNetwork.plug} and {@link GroupNetwork.sshPort}, and removed by their counterparts.
 */

import { codeOf, FleetboxError } from "../../core/errors.ts";
import { pause, settles } from "../../core/deadline.ts";
import type { Driver, Gateway, GatewaySpec } from "../../vmm/contract.ts";
import { GATEWAY } from "../../core/faults/gateway_name.ts";
import type { Capture } from "../../network/capture/capture.ts";
import type { Tap } from "../../network/capture/tap.ts";
import type { FaultCounts, LinkConditions } from "../../network/faults/conditions.ts";
import type { GatewayRules } from "../../network/guard.ts";
import { GATEWAY_PORT, type Port, type PortOptions, Switch } from "../../network/switch.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { PortReport } from "../../wire.ts";
import { endProcesses } from "../../system/end_processes.ts";
import { connectSoon } from "./connect_soon.ts";
import { portReport } from "./port_report.ts";
import { forwardAgain, type GatewayBefore, leadsToSsh, unreachable } from "./forward_again.ts";
import { GatewayKeeper } from "./gateway_supervisor.ts";
import { LazyDns } from "./lazy_dns.ts";
import { PublishedPorts } from "./published_ports.ts";
import { describe, log } from "../log.ts";

interface NetworkOptions {
  driver: Pick<Driver, "startGateway" | "adoptGateway">;
  gateway: Omit<GatewaySpec, "forwards" | "restricted">;
  /** Whether a member of the group has egress, or access to the host: else the gateway is restricted. */
  isOpen(): boolean;
  /** The address of a booting or running member. */
  lookup(name: string): string | undefined;
  nameOf(address: string): string | undefined;
  /** The host ports of members' port forwards: none of them is a port to an SSH server. */
  publishedPorts(): ReadonlySet<number>;
  /** Called when the gateway's process or a forwarded port changed. */
  onChange(): void;
  /** Something that the users of the group should know. */
  onNote(message: string): void;
}

/** A member's link to the switch. */
interface Link {
  name: string;
  mac: string;
  ip: string;
  netSocket: string;
}

/** How often a port forward is tried, when one gateway after the other dies. */
const GATEWAY_TRIES = 3;
/** How long a disconnected gateway may take to end. */
const GATEWAY_END_MS = 2_000;
/** How long a new machine's network socket may take to appear. */
const SOCKET_LIMIT_MS = 3_000;
/** The waits before the tries to connect a broken link again. */
const RECONNECT_MS = [20, 100, 500, 2_000, 5_000];

export class GroupNetwork {
  readonly #switch: Switch;
  readonly #dns: LazyDns;
  readonly #keeper: GatewayKeeper;
  /** The gateway of the group's last holder, until it is adopted or ended. */
  #before: ProcessIdentity | undefined;
  /** Addresses whose SSH ports are forwarded as soon as there is a gateway. */
  #wanted = new Set<string>();
  #closing = false;
  /** Aborts a start when the group ends. */
  readonly #over = new AbortController();
  /** Host ports that lead to port 22 of an address. */
  readonly #sshPorts = new Map<string, number>();
  readonly ports: PublishedPorts;
  /** Members whose machines are being connected early. */
  readonly #early = new Map<string, Promise<void>>();
  /** The intended port of each member, and of the gateway. */
  readonly #links = new Map<string, Port>();
  #hasFaults = false;
  #tap: Tap | undefined;
  /** The connected members, by address. */
  readonly #nameAt = new Map<string, string>();
  /** What each member may use the gateway for. */
  readonly #rules = new Map<string, GatewayRules>();
  /** Whether the gateway that runs, or ran last, is restricted. */
  #restricted: boolean | undefined;
  /** The restart of the gateway that is under way: what wants one waits for it and looks again. */
  #adapting: Promise<void> = Promise.resolve();

  constructor(private readonly options: NetworkOptions) {
    const { lookup, nameOf } = options;
    this.#dns = new LazyDns({
      lookup: (word, asker) => this.#unlessCut(lookup(word), asker, (address) => address),
      nameOf: (address, asker) => this.#unlessCut(address, asker, nameOf),
    });
    this.#switch = new Switch({ dns: this.#dns });
    this.#keeper = new GatewayKeeper({ start: () => this.#run(), onChange: options.onChange, log });
    this.ports = new PublishedPorts({
      withGateway: (work) => this.#withGateway(work),
      ready: () => this.#keeper.ready(),
      running: () => this.#closing ? undefined : this.#keeper.running,
    });
  }

  /** The gateway's process, while it runs. */
  get gatewayProcess(): ProcessIdentity | undefined {
    return this.#keeper.running?.process;
  }

  /** Why the gateway does not stay up, if so. */
  get gatewayTrouble(): string | undefined {
    return this.#keeper.trouble;
  }

  /**
   * Starts the gateway, or adopts a killed holder's; returns at once, {@link sshPort} reports failures.
   * @param ips addresses whose SSH ports are forwarded from the start.
   * @param before the record of the group's last holder.
   */
  open(ips: readonly string[], before?: GatewayBefore): void {
    for (const [ip, port] of before?.ports ?? []) this.#sshPorts.set(ip, port);
    this.#wanted = new Set(ips);
    this.#before = before?.process;
    this.#restricted = before?.restricted;
    this.#keeper.open();
  }

  async #run(): Promise<Gateway> {
    const gateway = await this.#adopt() ?? await this.#start();
    try {
      await this.ports.openIn(gateway);
      const published = this.options.publishedPorts();
      for (const one of await gateway.forwards()) {
        if (leadsToSsh(one) && !published.has(one.hostPort)) this.#sshPorts.set(one.ip, one.hostPort);
      }
      await this.#connect(this.options.gateway.netSocket, { name: "gateway", role: "gateway" });
      return gateway;
    } catch (thrown) {
      await gateway.close();
      throw thrown;
    }
  }

  /** The last holder's gateway. If it does not answer it is ended: it has no state, and another gets its ports. */
  async #adopt(): Promise<Gateway | undefined> {
    const process = this.#before;
    this.#before = undefined;
    if (!process) return undefined;
    if (this.#restricted === this.options.isOpen()) {
      log("gateway: the old one does not suit its members' egress any more, starting another");
      await endProcesses([process], "The gateway of the killed holder");
      return undefined;
    }
    try {
      return await this.options.driver.adoptGateway(process, this.options.gateway);
    } catch (thrown) {
      log(`gateway: cannot adopt the old one, starting another: ${describe(thrown)}`);
      await endProcesses([process], "The gateway of the killed holder");
      return undefined;
    }
  }

  async #start(): Promise<Gateway> {
    const wanted = [...new Set([...this.#wanted, ...this.#sshPorts.keys()])];
    const forwards = wanted.map((ip) => ({ ip, hostPort: this.#sshPorts.get(ip) }));
    this.#restricted = !this.options.isOpen();
    const spec = { ...this.options.gateway, restricted: this.#restricted };
    try {
      return await this.options.driver.startGateway({ ...spec, forwards }, this.#over.signal);
    } catch (thrown) {
      if (!(thrown instanceof FleetboxError) || thrown.code !== "conflict" || this.#sshPorts.size === 0) throw thrown;
      log(`gateway: an old port is taken: ${describe(thrown)}`);
      const gateway = await this.options.driver.startGateway(spec, this.#over.signal);
      for (const { ip, hostPort } of forwards) this.#sshPorts.set(ip, await forwardAgain(gateway, ip, hostPort));
      return gateway;
    }
  }

  /** Whether the gateway is restricted: for the record. */
  get restricted(): boolean | undefined {
    return this.#restricted;
  }

  /**
   * What a member may use the gateway for, from its next frame on. A gateway that must let more through for it, or may
   * let nothing through any more, is started again with its ports: connections through them end, and that is told.
   * @throws why the new gateway does not run
   */
  async allow(name: string, rules: GatewayRules): Promise<void> {
    this.#rules.set(name, rules);
    this.#switch.setRules(name, rules);
    if (this.#restricted !== !(rules.egress || rules.hostAccess)) await this.adapt(`so that "${name}" has its way out`);
  }

  /** Starts a gateway again that does not suit its members. @throws why the new one does not run */
  async adapt(why: string): Promise<void> {
    this.#adapting = this.#adapting.catch(() => {}).then(() => this.#adapt(why));
    await this.#adapting;
  }

  /** A member that the gateway was opened for has been removed: with the last of them it is closed again. */
  settle(): void {
    if (this.#closing || this.#restricted !== false || this.options.isOpen()) return;
    this.adapt("").catch((thrown) => log(`gateway: ${describe(thrown)}`));
  }

  async #adapt(needed: string): Promise<void> {
    await this.#keeper.ready();
    const isOpen = this.options.isOpen();
    if (this.#closing || this.#restricted === !isOpen) return;
    const why = isOpen ? needed : "for no member has a way out any more";
    log(`gateway: starting it again, ${why}`);
    const others = this.#links.size > (this.#links.has(GATEWAY_PORT) ? 1 : 0);
    await this.#keeper.restart();
    if (!others) return;
    this.options.onNote(
      `the group's gateway was started again, ${why}: connections through forwarded ports, SSH sessions too, were cut; ` +
        "the ports are the same",
    );
  }

  /**
   * Returns when the port that leads to a member's SSH server is open: the gateway answers and has it. One that has died
   * is waited for until it is back.
   * @throws {FleetboxError} `unavailable`: it does not come back
   */
  async reachable(name: string, ip: string): Promise<void> {
    const look = async (gateway: Gateway) => {
      if ((await gateway.forwards()).some((one) => one.ip === ip && leadsToSsh(one))) return;
      this.#sshPorts.set(ip, await forwardAgain(gateway, ip, this.#sshPorts.get(ip)));
    };
    await this.#withGateway(look).catch((cause) => Promise.reject(unreachable(name, cause)));
  }

  /** The host port that leads to a member's SSH port, if there is one. */
  knownSshPort(ip: string): number | undefined {
    return this.#sshPorts.get(ip);
  }

  /** The host port that leads to a member's SSH port; made if missing. @throws why the gateway does not run. */
  async sshPort(ip: string): Promise<number> {
    return await this.#withGateway(async (gateway) => {
      const known = this.#sshPorts.get(ip);
      if (known !== undefined) return known;
      const port = await gateway.forward(ip);
      this.#sshPorts.set(ip, port);
      this.options.onChange();
      return port;
    });
  }

  /** Runs work with the gateway, again with the next one if the gateway dies meanwhile. */
  async #withGateway<T>(work: (gateway: Gateway) => Promise<T>): Promise<T> {
    for (let tries = 1;; tries++) {
      const gateway = await this.#keeper.ready();
      try {
        return await work(gateway);
      } catch (thrown) {
        if (tries === GATEWAY_TRIES || codeOf(thrown) === "conflict") throw thrown;
        if (!await settles(gateway.exited, GATEWAY_END_MS)) throw thrown;
      }
    }
  }

  /** Connects a machine that listens on its network socket, and connects it again when the link breaks. */
  async plug({ name, mac, ip, netSocket }: Link): Promise<void> {
    this.#dns.load();
    const early = this.#early.get(name);
    this.#early.delete(name);
    await early;
    if (early && this.#links.get(name)?.isOpen) return; // the machine takes one connection at a time
    await this.#connect(netSocket, { name, role: "member", mac, ip });
  }

  /** The same for a running machine, with its rules, before its other facts are known; {@link plug} follows, and reports failures. */
  plugEarly({ name, mac, ip, netSocket }: Link, rules: GatewayRules): void {
    this.#dns.load();
    this.#early.set(name, this.#connect(netSocket, { name, role: "member", mac, ip, rules }, 0).catch(() => {}));
  }

  async #connect(path: string, options: PortOptions, limitMs = SOCKET_LIMIT_MS): Promise<void> {
    if (options.ip !== undefined) this.#nameAt.set(options.ip, options.name);
    const conn = await connectSoon(path, limitMs);
    let port: Port;
    try {
      port = this.#switch.addPort(conn, { ...options, rules: this.#rules.get(options.name) ?? options.rules });
    } catch (thrown) {
      conn.close();
      throw thrown;
    }
    const key = options.role === "gateway" ? GATEWAY_PORT : options.name;
    this.#links.set(key, port);
    void port.closed.then(({ why, message }) => {
      if (this.#links.get(key) !== port || why === "removed" || why === "replaced" || why === "closed") return;
      void this.#reconnect(path, options, key, port, message);
    });
  }

  /** A living hypervisor accepts again. A dead one does not, and its end unplugs the member meanwhile. */
  async #reconnect(path: string, options: PortOptions, key: string, broken: Port, why: string): Promise<void> {
    for (const delayMs of RECONNECT_MS) {
      await pause(delayMs);
      if (this.#closing || this.#links.get(key) !== broken) return;
      if (delayMs === RECONNECT_MS[0]) log(`${key}: its link broke: ${why}`);
      try {
        return await this.#connect(path, options, 0);
      } catch (thrown) {
        log(`${key}: cannot connect its link again: ${describe(thrown)}`);
      }
    }
  }

  /** Removes a member's link. Its port forwards stay, because the machine may be started again. */
  unplug(name: string): void {
    for (const known of [this.#early, this.#links, this.#rules]) known.delete(name);
    for (const [ip, one] of this.#nameAt) if (one === name) this.#nameAt.delete(ip);
    this.#switch.removePort(name);
  }

  async unforward(ip: string): Promise<void> {
    await this.ports.closeAll(ip);
    this.#wanted.delete(ip);
    const port = this.#sshPorts.get(ip);
    if (port === undefined) return;
    this.#sshPorts.delete(ip);
    if (this.#closing) return;
    try {
      await this.#keeper.running?.unforward(port);
    } catch (thrown) {
      log(`gateway: cannot remove the forward to ${ip}: ${describe(thrown)}`);
    }
  }

  /** Holds every frame of the group's network until it is disposed of; see {@link Switch.hold}. */
  holdFrames(): Disposable {
    return { [Symbol.dispose]: this.#switch.hold() };
  }

  /** Loads what faults are made by: few groups have any. It comes before the first {@link setConditions}. */
  async readyForFaults(): Promise<void> {
    const { FaultEngine } = await import("../../network/faults/engine.ts");
    if (this.#hasFaults) return;
    this.#hasFaults = true;
    this.#switch.useFaults((exit) => new FaultEngine(exit));
  }

  /** Tells a capture of all frames, until the returned function is called. Few groups are ever captured: what does it is loaded then. */
  async capture(capture: Capture): Promise<() => void> {
    const { Tap } = await import("../../network/capture/tap.ts");
    if (!this.#tap) this.#switch.useTap((nameOf) => this.#tap = new Tap(nameOf));
    this.#tap!.add(capture);
    return () => {
      if (this.#tap?.remove(capture) === 0) this.#switch.useTap(this.#tap = undefined);
    };
  }

  /** What is wrong between two members, or a member and the gateway ({@link GATEWAY}); kept until it is said otherwise. */
  setConditions(from: string, to: string, conditions: LinkConditions | undefined): void {
    const port = (name: string) => name === GATEWAY ? GATEWAY_PORT : name;
    this.#switch.setConditions(port(from), port(to), conditions);
  }

  /** What is told of the member at an address, unless a fault cuts it off from the one that asks: this counts as a frame. */
  #unlessCut<T>(address: string | undefined, asker: string, tell: (address: string) => T): T | "cut-off" | undefined {
    if (address === undefined) return undefined;
    const name = this.#nameAt.get(address);
    const isCut = (from: string, to: string) => this.#switch.isCut(from, to, true);
    return name !== undefined && (isCut(asker, name) || isCut(name, asker)) ? "cut-off" : tell(address);
  }

  /** What each fault has done so far. */
  faultCounts(): ReadonlyMap<string, FaultCounts> {
    return this.#switch.faultCounts();
  }

  forgetFault(id: string): void {
    this.#switch.forgetFault(id);
  }

  /** Calls `listener` on a member's first frame and on each address that it announces; undefined ends it. */
  onActivity(name: string, listener: (() => void) | undefined): void {
    this.#switch.onActivity(name, listener);
  }

  /** The counters of a member's port, or of the gateway's when no name is given. */
  counters(name?: string): PortReport | undefined {
    const counters = this.#switch.counters().get(name ?? GATEWAY_PORT);
    return counters && portReport(counters);
  }

  /** Ends the gateway and every link. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#over.abort(new FleetboxError("interrupted", "the group has ended"));
    this.#switch.close();
    await this.#keeper.close();
  }
}
