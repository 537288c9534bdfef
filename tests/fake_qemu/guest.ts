/**
 * The fake QEMU's guest: a console that says a few lines, and a network card that answers ARP and ping.
 *
 * The address is searched in the bytes of the seed volume: the FAT image holds `network-config` as plain text.
 */

import { statfsSync } from "node:fs";
import { dirname } from "../../src/system/path.ts";
import { openAgentPort } from "./agent.ts";
import { arp, bytesOfMac, echo, readArp, readEcho, StreamNetdev } from "./frames.ts";
import { beHostile } from "./hostile.ts";
import { type Behaviour, sleep } from "./qemu.ts";
import type { QmpServer } from "./qmp_server.ts";
import type { FakeMemory } from "./snapshots.ts";

const GATEWAY = "10.88.0.1";

export interface GuestOptions {
  behaviour: Behaviour;
  /** The addresses that it is to ping, as that is by now. */
  pings(): string[];
  qmp: QmpServer;
  netSocket: string;
  consoleSocket: string;
  agentSocket: string | undefined;
  log: string;
  seed: string | undefined;
  disk: string;
  mac: string;
  memory: FakeMemory;
  /** It waits for a saved state. */
  isIncoming: boolean;
}

/** A guest as its saved state is made of it. */
export interface Guest {
  state(): GuestState;
  /** It is as it was, once the machine is set going. */
  load(state: GuestState): void;
}

export interface GuestState {
  isOnline: boolean;
  isUp: boolean;
}

/** Whether there is space on the host for a guest's write now. */
function hasRoom(disk: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(disk));
  return bavail * bsize >= 1024 * 1024;
}

export function runGuest(options: GuestOptions): Guest {
  const { behaviour, qmp } = options;
  const mac = bytesOfMac(options.mac);
  const ip = addressIn(options.seed);
  const say = openConsole(options.consoleSocket, options.log, {
    powerOff: () => void powerOff(),
    memory: options.memory,
  });
  if (options.agentSocket !== undefined) {
    openAgentPort(options.agentSocket, behaviour, say, () => qmp.status === "running");
  }
  const neighbours = new Map<string, number[]>();
  const answered = new Set<string>();
  let isOnline = false, isUp = false;

  const announce = () => isOnline && ip && card.send(arp(1, mac, ip, ip));
  const card: StreamNetdev = new StreamNetdev(options.netSocket, qmp, (frame) => {
    if (!isOnline || !ip || qmp.status !== "running") return;
    const asked = readArp(frame);
    if (asked) {
      neighbours.set(asked.ip, asked.mac);
      const isForSsh = asked.ip === GATEWAY;
      const answers = asked.operation === 1 && asked.target === ip &&
        (!isForSsh || (isUp && behaviour.ssh !== "never"));
      if (answers) card.send(arp(2, mac, ip, asked.ip, asked.mac));
    }
    const ping = readEcho(frame);
    if (ping?.to !== ip) return;
    if (ping.type === 8) card.send(echo(0, { from: mac, to: ping.mac }, ip, ping.from, ping.rest));
    else answered.add(ping.from);
  }, () => announce());

  const boot = async () => {
    behaviour.console?.forEach(say);
    if (behaviour.boot === "never") return;
    const stepMs = (behaviour.bootMs ?? 60) / 3;
    await sleep(stepMs);
    say("fleetbox-micro: kernel");
    await sleep(stepMs);
    say("fleetbox-micro: network");
    isOnline = true;
    announce();
    await sleep(stepMs);
    isUp = true;
    say("fleetbox-micro: ssh");
    if (behaviour.hostile !== undefined) beHostile(behaviour.hostile, qmp, card, say.raw);
    for (const address of behaviour.ping ?? []) void ping(address);
  };

  const until = async (happened: () => boolean, act: () => void) => {
    for (let tries = 0; tries < 20 && !happened(); tries++) {
      act();
      await sleep(50);
    }
    return happened();
  };
  const ping = async (address: string) => {
    const isThere = await until(() => neighbours.has(address), () => card.send(arp(1, mac, ip!, address))) &&
      await until(
        () => answered.has(address),
        () => card.send(echo(8, { from: mac, to: neighbours.get(address)! }, ip!, address, [0, 1, 0, 1, 102, 98])),
      );
    say(`ping ${address}: ${isThere ? "ok" : "no answer"}`);
  };

  const pingAll = () => {
    for (const address of options.pings()) {
      answered.delete(address);
      void ping(address);
    }
  };

  const powerOff = async () => {
    await sleep(behaviour.powerdownMs ?? 20);
    say("fleetbox-micro: down");
    await sleep(1);
    await qmp.end("guest-shutdown", true);
  };
  qmp.onPowerdown = () => {
    if (isUp && behaviour.powerdown !== "ignore") void powerOff();
  };
  const grown: Uint8Array[] = [];
  const accidents = {
    die: () => qmp.die(behaviour.message ?? "Assertion `lucky' failed.", behaviour.code ?? 134),
    powerOff,
    ping: pingAll,
    grow: () => grown.push(new Uint8Array(1024 ** 3).fill(1)),
    panic: () => {
      say("Kernel panic - not syncing: it was told to");
      qmp.event("GUEST_PANICKED", { action: "poweroff" });
      void qmp.end("guest-panic", true);
    },
    reboot: () => {
      isOnline = isUp = false;
      qmp.event("RESET", { guest: true, reason: "guest-reset" });
      void boot();
    },
    diskFull: () => {
      qmp.onCont = () => {
        if (!hasRoom(options.disk)) accidents.diskFull();
      };
      qmp.event("BLOCK_IO_ERROR", {
        device: "",
        "node-name": "disk",
        operation: "write",
        action: "stop",
        nospace: true,
        reason: "No space left on device",
      });
      qmp.status = "io-error";
      qmp.event("STOP");
    },
  };
  const after = (ms: number | undefined, act: () => void) => ms === undefined ? undefined : setTimeout(act, ms);
  after(behaviour.dieAfterMs, accidents.die);
  after(behaviour.powerOffAfterMs, accidents.powerOff);
  after(behaviour.panicAfterMs, accidents.panic);
  after(behaviour.rebootAfterMs, accidents.reboot);
  after(behaviour.diskFullAfterMs, accidents.diskFull);
  const { onSignal } = behaviour;
  if (onSignal) Deno.addSignalListener("SIGUSR1", () => void accidents[onSignal]());
  if (!options.isIncoming) void boot();
  return {
    state: () => ({ isOnline, isUp }),
    load(state) {
      ({ isOnline, isUp } = state);
      if (!isUp) void boot();
    },
  };
}

/** The address in a seed volume's `network-config`, without its prefix length. */
function addressIn(seed: string | undefined): string | undefined {
  if (seed === undefined) return undefined;
  const text = new TextDecoder("latin1").decode(Deno.readFileSync(seed));
  return /addresses: \["?(\d+\.\d+\.\d+\.\d+)\/\d+"?\]/.exec(text)?.[1];
}

/** Prints a line; `raw` prints bytes as they are, which are not logged, and lost while others wait to be written. */
type Console = ((line: string) => void) & { raw(bytes: Uint8Array): void };

/**
 * The console: all output goes to the log, and to a client that is connected. What is typed is echoed, and each line of it
 * answered with `you typed "…"`; `poweroff` powers off, `raw TEXT` says TEXT with `\\e` as ESC, `flood N` says N KiB;
 * `remember TEXT` puts TEXT into the machine's memory, and `recall` says `recalled "…"`.
 */
function openConsole(
  socket: string,
  log: string,
  { powerOff, memory }: { powerOff: () => void; memory: FakeMemory },
): Console {
  const file = Deno.openSync(log, { append: true, create: true });
  const listener = Deno.listen({ transport: "unix", path: socket });
  let client: Deno.Conn | undefined;
  let writing: Promise<unknown> = Promise.resolve();
  const put = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    try {
      file.writeSync(bytes);
    } catch { /* a full disk: QEMU passes over a log that it cannot write, too */ }
    const to = client;
    writing = writing.then(async () => {
      for (let at = 0; to && at < bytes.length;) at += await to.write(bytes.subarray(at));
    }).catch(() => {});
  };
  const say = (line: string) => put(line + "\r\n");
  const hear = (line: string) => {
    const [verb, rest] = [line.split(" ")[0], line.slice(line.indexOf(" ") + 1)];
    if (verb === "poweroff") powerOff();
    else if (verb === "remember") memory.text = rest;
    else if (verb === "recall") say(`recalled ${JSON.stringify(memory.text)}`);
    else if (verb === "raw") say(rest.replaceAll("\\e", "\x1b"));
    else if (verb === "flood") { for (let kib = 0; kib < Number(rest); kib++) say(`${kib} `.padEnd(1022, "x")); }
    else say(`you typed ${JSON.stringify(line)}`);
  };
  void (async () => {
    for await (client of listener) {
      const input = new Uint8Array(1024);
      let typed = "";
      for (;;) {
        const count = await client.read(input).catch(() => null);
        if (count === null) break;
        const text = new TextDecoder().decode(input.subarray(0, count));
        put(text.replaceAll("\r", "\r\n"));
        const lines = (typed + text).split(/[\r\n]/);
        typed = lines.pop()!;
        lines.forEach(hear);
      }
      client = undefined;
    }
  })();
  let isTyping = false;
  const raw = (bytes: Uint8Array) => {
    if (isTyping) return;
    isTyping = true;
    void client?.write(bytes).catch(() => {}).finally(() => isTyping = false);
    if (!client) isTyping = false;
  };
  return Object.assign(say, { raw });
}
