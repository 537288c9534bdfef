/** What a campaign knows of faults: which commands make them, and what must be true when they were healed. */

import { PACKAGES } from "../../src/core/faults/packages.ts";
import { readEnd, sizeOf } from "../../src/system/files.ts";
import type { MemberReport } from "../../src/wire.ts";
import { signal, standsStill, until } from "../support/processes.ts";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import type { Sandbox } from "../support/sandbox.ts";
import type { Random } from "./random.ts";

/** What the campaign's fake guests do: {@link framesPass} asks them to ping. */
export function fakeGuests(bootMs: number): Behaviour {
  return { bootMs, onSignal: "ping" };
}

/** A command that makes a fault, or several, or ends some. */
export function drawFault(random: Random, names: readonly string[]): string[] {
  const [one, ...others] = random.some(names);
  const other = others[0] ?? names.find((name) => name !== one)!;
  const times = random.chance(0.5) ? ["--for", random.pick(["100ms", "1s", "10s"])] : [];
  switch (random.pick(["partition", "drop", "hold", "shape", "cpu", "cpu", "pause", "clock", "random"] as const)) {
    case "partition":
      return ["fault", "partition", one, other, ...times];
    case "drop":
      return ["fault", "drop", "--from", one, ...times];
    case "hold":
      return ["fault", "hold", one, other, ...times];
    case "shape":
      return ["fault", "shape", "--to", one, "--delay", "20ms", "--loss", "30%", ...times];
    case "cpu":
      return ["fault", "cpu", one, "--share", random.pick(["1%", "20%", "80%"]), ...times];
    case "pause":
      return ["pause", one, ...times];
    case "clock":
      return [
        "fault",
        "clock",
        one,
        ...random.pick([["--bump", "-30s"], ["--rate", "1.05"], ["--strobe", "200ms"]]),
        ...times,
      ];
    case "random": {
      const plan = ["--interval", "200ms", "--for", "1s", "--quiet-after", "0", "--seed", String(random.whole(1, 999))];
      return ["fault", "random", "--via", one, "--faults", PACKAGES.join(","), ...plan];
    }
  }
}

/** Whether a fault holds it. */
export function isPausedByFault({ stage, faults = [] }: MemberReport): boolean {
  return stage === "paused" && faults.some(({ what }) => what.startsWith("pause:"));
}

/** After `heal`, of what is served: there is no fault, nothing stands still, and frames pass. @param fake of fake guests */
export async function faultsAreOver(box: Sandbox, fake?: Behaviour): Promise<string[]> {
  const faults = JSON.parse((await box.ok("fault", "ls", "--json")).stdout) as { id: string; what: string }[];
  const views = Object.values(await box.ls());
  const running = views.filter(({ state }) => state === "running");
  const machines = box.processes("machine").filter(({ name }) => running.some((one) => one.name === name));
  return [
    ...faults.map(({ id, what }) => `a fault is left after heal: ${id}: ${what}`),
    ...running.flatMap(({ name, stage, faults, failure }) =>
      stage === "paused" || faults
        ? [`${name} after heal: ${stage}, ${failure?.message}, ${JSON.stringify(faults)}`]
        : []
    ),
    ...machines.filter(standsStill).map(({ name, pid }) =>
      `the machine of ${name} (process ${pid}) stands still after heal`
    ),
    ...await framesPass(box, running, fake),
  ];
}

/** Each running member hears from each other one of its group. */
async function framesPass(box: Sandbox, running: readonly MemberReport[], fake?: Behaviour): Promise<string[]> {
  const groups = Map.groupBy(running, ({ group_id }) => group_id);
  const others = (one: MemberReport) => groups.get(one.group_id)!.filter(({ name }) => name !== one.name);
  const asking = running.filter((one) => others(one).length > 0);
  if (fake) {
    const pings = asking.map((one) => [one.name, { ...fake, ping: others(one).map(({ ip }) => ip) }] as const);
    box.behave({ "*": fake, ...Object.fromEntries(pings) });
  }
  const problems = await Promise.all(asking.map(async (one) => {
    const lost = await (fake ? lostByFake : lostByReal)(box, one, others(one));
    return lost.map(({ name, ip }) => `${one.name} does not hear from ${name} (${ip}) after heal`);
  }));
  if (fake) box.behave({ "*": fake });
  return problems.flat();
}

async function lostByReal(box: Sandbox, { name }: MemberReport, others: MemberReport[]): Promise<MemberReport[]> {
  const lost = await Promise.all(others.map(async (other) => {
    const { code } = await box.run("exec", name, "--", "ping", "-c", "1", "-W", "10", other.ip);
    return code === 0 ? [] : [other];
  }));
  return lost.flat();
}

async function lostByFake(box: Sandbox, { name }: MemberReport, others: MemberReport[]): Promise<MemberReport[]> {
  const { serialLog } = box.store.member(name);
  const from = sizeOf(serialLog);
  signal(box.process("machine", name), "SIGUSR1");
  const said = () => new TextDecoder().decode(readEnd(serialLog, from, 1024 * 1024));
  const says = ({ ip }: MemberReport, what: string) => said().includes(`ping ${ip}: ${what}`);
  await until(`${name} has pinged all others`, () => others.every((one) => says(one, "")));
  return others.filter((one) => !says(one, "ok"));
}
