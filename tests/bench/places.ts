/** What a place costs: a real sshd on loopback, its own user and store, and everything real in it. */

import { placeStore } from "../../src/store/places.ts";
import { dialUnix } from "../../src/system/sockets.ts";
import { join } from "../../src/system/path.ts";
import { writeAll } from "../../src/core/bytes.ts";
import { hostUser, sshHost } from "../places/sshd.ts";
import { type Sandbox, sandbox } from "../support/sandbox.ts";
import { type Bench, inTurn, msRow, type Row, timed } from "./bench.ts";

const STATUSES = 200;
const EXECS = 5;

/** Rows `places`: what goes through a place's connection, and `up` there. */
export async function overPlaces(bench: Bench): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const user = stack.use(await hostUser());
  const there = stack.use(await sandbox({ limitMs: 600_000 }));
  const here = stack.use(await sandbox({ limitMs: 600_000 }));
  const local = stack.use(await sandbox({ limitMs: 600_000 }));
  const host = stack.use(await sshHost(user.name, there, here));
  Object.assign(here.env, host.env);
  stack.defer(async () => void await here.run("place", "rm", "big"));
  host.know(host.hostKey);
  await here.ok("place", "add", "big", host.url, "--store", there.home, "--executable", host.executable, "--yes");
  const up = ["up", "a,b,c", "--egress", "off", "--memory", "128M"];
  const timedUp = async (box: Sandbox, ...on: string[]) => {
    const ms = await timed(() => box.ok(...up, ...on));
    await box.ok("rm", "a,b,c", "--force", ...on);
    return ms;
  };
  // The key is made, and what the host can do is known, on both sides.
  await timedUp(here, "--on", "big");
  await timedUp(local);
  const [ups, bareUps] = await inTurn(bench.runs, () => timedUp(here, "--on", "big"), () => timedUp(local));
  await here.ok(...up, "--on", "big");
  return [
    msRow("up a,b,c --on a place, over loopback", ups, "the same here", bareUps, 1.15),
    await statuses(bench, here, there),
    await execs(bench, here),
  ];
}

/** Requests through the place's own forward of a member's socket, beside one that `ssh -L` makes. */
async function statuses(bench: Bench, here: Sandbox, there: Sandbox): Promise<Row> {
  await here.ok("exec", "--on", "big", "a", "true"); // it makes the place's forward
  const socket = placeStore(here.store, "big").memberSocket("a");
  const bare = join(here.root, "bare.sock");
  await ssh(here, "-O", "forward", "-L", `${bare}:${there.store.memberSocket("a")}`);
  const ask = async (path: string) => {
    using conn = (await dialUnix(path))!;
    await writeAll(conn, new TextEncoder().encode("status\n"));
    const buffer = new Uint8Array(4096);
    while (await conn.read(buffer) !== null);
  };
  const many = (path: string) => () => timed(() => ask(path), STATUSES);
  const [ours, theirs] = await inTurn(bench.runs, many(socket), many(bare));
  return msRow(`${STATUSES} × status over a place`, ours, "a bare forward", theirs, 1.5);
}

/** `exec` beside `ssh` with `ssh -W` through the same connection. */
async function execs(bench: Bench, here: Sandbox): Promise<Row> {
  const config = (await here.ok("ssh-config", "--on", "big")).stdout;
  const file = join(here.root, "guests");
  Deno.writeTextFileSync(file, config);
  const host = /^Host (\S+)/m.exec(config)![1];
  const bare = async () => {
    const args = ["-F", file, host, "true"];
    const child = new Deno.Command("ssh", { args, env: here.env, stdin: "null", stdout: "null", stderr: "piped" });
    const { code, stderr } = await child.output();
    if (code !== 0) throw new Error(`ssh ended with code ${code}: ${new TextDecoder().decode(stderr)}`);
  };
  const ours = () => here.ok("exec", "--on", "big", "a", "--", "true");
  const [measured, theirs] = await inTurn(bench.runs, () => timed(ours, EXECS), () => timed(bare, EXECS));
  return msRow(`${EXECS} × exec a --on a place`, measured, "ssh through ssh -W", theirs, 1.1);
}

async function ssh(here: Sandbox, ...args: string[]): Promise<void> {
  const control = ["-S", join(here.home, "places/big/ctl"), ...args, "big"];
  const { success, stderr } = await new Deno.Command("ssh", { args: control, env: here.env }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
