/** The duration of commands that boot nothing. */

import { SUBNET } from "../../src/network/subnet.ts";
import { GUEST_USER } from "../../src/holder/member/member_config.ts";
import { sandbox } from "../support/sandbox.ts";
import { type Bench, DENO, inTurn, median, round, type Row, timeFleetbox } from "./bench.ts";

const RUNS = 30;
const MEMBERS = 50;

/** Row `version`. */
export async function version(bench: Bench): Promise<Row[]> {
  const store = await bench.store();
  const empty = `${bench.directory}/empty.ts`;
  await Deno.writeTextFile(empty, "");
  const [ours, bare] = await inTurn(RUNS, () => timeFleetbox(store, ["version"]), () => timeDeno(empty));
  return [{
    what: "fleetbox version",
    measured: round(median(ours)),
    unit: "ms",
    against: { what: "deno run of an empty file", value: round(median(bare)) },
    limit: { kind: "ratio", value: 2 },
    runs: { measured: ours.map((ms) => round(ms)), against: bare.map((ms) => round(ms)) },
  }];
}

/** Row `ls` of 50 stopped members, start-up and all. */
export async function list(bench: Bench): Promise<Row[]> {
  const store = await bench.store();
  for (let index = 1; index <= MEMBERS; index++) {
    const name = `node-${index}`;
    const ip = SUBNET.address(10 + index);
    await store.withMemberLock(name, () =>
      store.writeConfig({
        name,
        mac: SUBNET.macOf(ip),
        cpus: 1,
        memory_mb: 256,
        disk_mb: 10240,
        image: "micro",
        image_id: "micro-0",
        created_at: new Date().toISOString(),
        instance_id: `${name}-0`,
        fixtures: [],
        ip,
        user: GUEST_USER,
      }));
  }
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) times.push(round(await timeFleetbox(store, ["ls"])));
  return [{
    what: `ls of ${MEMBERS} stopped members`,
    measured: median(times),
    unit: "ms",
    limit: { kind: "at most", value: 100 },
    runs: { measured: times },
  }];
}

/** Rows `ls-running`: what is told of 50 running members of one group, whose machines are the tests' fake QEMU. */
export async function listRunning(bench: Bench): Promise<Row[]> {
  await using box = await sandbox({ fakeQemu: {}, limitMs: 600_000 });
  await box.up("node", "-n", String(MEMBERS));
  const empty = `${bench.directory}/empty.ts`;
  await Deno.writeTextFile(empty, "");
  const commands = [["ls"], ["ls", "--json"], ["status", "node-25"]];
  const rows: Row[] = [];
  for (const args of commands) {
    const [ours, bare] = await inTurn(RUNS, () => timeFleetbox(box.store, args), () => timeDeno(empty));
    rows.push({
      what: `${args.join(" ")}, 50 running members`,
      measured: round(median(ours)),
      unit: "ms",
      against: { what: "deno run of an empty file", value: round(median(bare)) },
      limit: { kind: "ratio", value: 6 },
      runs: { measured: ours.map((ms) => round(ms)), against: bare.map((ms) => round(ms)) },
    });
  }
  return rows;
}

async function timeDeno(file: string): Promise<number> {
  const began = performance.now();
  const child = new Deno.Command(DENO, { args: ["run", file], stdin: "null", stdout: "piped", stderr: "piped" });
  const { success } = await child.output();
  if (!success) throw new Error("deno run of an empty file failed");
  return performance.now() - began;
}
