/** `fleetbox capture`: frames of fake guests as pcapng, in files and on standard output, and every way in which a capture ends. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import { FLEETBOX } from "../support/command.ts";
import { type CaptureFile, readPcapng, said } from "../support/pcapng.ts";
import { until } from "../support/processes.ts";
import { MAY_MOUNT, type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { Client, talkJson } from "../support/socket.ts";
import { OnTerminal } from "../support/terminal.ts";

const B = "10.88.0.12";
/** A guest that pings b when it is told to. */
const PINGS: Record<string, Behaviour> = { a: { onSignal: "ping", ping: [B] } };

const read = (path: string) => readPcapng(Deno.readFileSync(path));

/** Boots members, and waits until the ping of a's boot has its answer, or none. */
async function up(box: Sandbox, names: string): Promise<void> {
  await box.up(names);
  const log = box.store.member("a").serialLog;
  await until("the first ping is over", () => /ping .*: (ok|no answer)/.test(Deno.readTextFileSync(log)));
}

/** Lets a ping b, and waits for what a says of it. */
async function ping(box: Sandbox, result: "ok" | "no answer"): Promise<void> {
  const said = () => Deno.readTextFileSync(box.store.member("a").serialLog).split(`ping ${B}: ${result}`).length;
  const before = said();
  box.accident("a");
  await until(`the ping is told: ${result}`, () => said() > before);
}

/** `a out request`, with the comments, of the ICMP packets. */
function pings({ packets }: CaptureFile): string[] {
  return packets.filter(({ data }) => data[12] === 8 && data[13] === 0 && data[23] === 1).map((packet) => {
    const { on, direction, data, isDropped, comments } = packet;
    return [on, direction, `${data[34] === 8 ? "request" : "reply"}${isDropped ? "!" : ""}`, ...comments].join(" ");
  });
}

/** Starts a capture, and returns when it runs. */
async function begin(box: Sandbox, ...args: string[]) {
  const running = box.start(["capture", ...args]);
  await running.printed(/^capturing /m);
  return running;
}

test("a capture has frames with names, directions, drops and their fault; two at once; other programs read it without a warning", async () => {
  await using box = await sandbox({ fakeQemu: PINGS });
  await up(box, "a,b");
  const [all, ofB] = [join(box.root, "all.pcapng"), join(box.root, "b.pcapng")];
  const captures = [await begin(box, "-w", all), await begin(box, "b", "-w", ofB)];
  await ping(box, "ok");
  const { id } = JSON.parse((await box.ok("fault", "partition", "a", "b", "--json")).stdout);
  await ping(box, "no answer");
  await box.ok("heal");
  await ping(box, "ok");
  for (const one of captures) one.kill("SIGINT");
  for (const one of captures) {
    const { code, stderr } = await one.done;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^capturing .*; Ctrl-C ends it\ncaptured \d+ frames to .*\.pcapng\n$/);
  }

  const file = read(all);
  assert.match(file.application, /^fleetbox /);
  assert.deepEqual(file.interfaces.map(({ name, mac }) => [name, mac]), [
    ["a", "52:54:00:58:00:0b"],
    ["b", "52:54:00:58:00:0c"],
    ["gateway", "52:55:0a:58:00:01"],
  ]);
  assert.match(file.interfaces[0].description, /^member a of the group a, 10\.88\.0\.11$/);
  assert.deepEqual([file.names["10.88.0.11"], file.names[B], file.names["10.88.0.1"]], [["a"], ["b"], ["gateway"]]);
  const seen = pings(file);
  const cut = `dropped, to b: fault ${id} (partition)`;
  assert.deepEqual(seen.slice(0, 3), ["a out request", "b out reply", seen[2]]);
  assert.match(
    seen[2],
    new RegExp(`^a out request! fault ${id} began at \\S+: cut: a \\| b ${cut.replace(/[()]/g, "\\$&")}$`),
  );
  const healed = seen.findLastIndex((line) => line.includes(` fault ${id} ended at `));
  assert.ok(seen.slice(3, healed).every((line) => line === `a out request! ${cut}`), seen.join("\n"));
  assert.match(seen[healed], new RegExp(`^a out request fault ${id} ended at \\S+: cut: a \\| b$`));
  assert.ok(seen.includes("b out reply", healed), seen.join("\n"));
  assert.ok(seen.slice(healed + 1).every((line) => /^(a out request|b out reply)$/.test(line)), seen.join("\n"));
  const received = file.interfaces.map(({ received }) => received!);
  assert.deepEqual([received[0] + received[1] + received[2], file.interfaces[0].dropped], [file.packets.length, 0]);

  const b = read(ofB);
  assert.deepEqual(b.interfaces.map(({ name }) => name), ["b"]);
  assert.deepEqual(b.names, file.names, "names of all members");
  assert.deepEqual(pings(b).slice(0, 2), ["b in request", "b out reply"]);
  assert.match(pings(b)[2], /^b in request! fault .* began .*dropped, to b: fault/);

  assert.match(await said("tcpdump", "-n", "-r", all), /ICMP echo reply/);
  assert.match(await said("capinfos", all), /Number of interfaces in file: +3/);
  const told = await said(
    "tshark",
    "-r",
    all,
    "-N",
    "n",
    "-Y",
    "icmp && frame.verdict.ebpf_tc == 2",
    "-T",
    "fields",
    "-e",
    "frame.interface_name",
    "-e",
    "frame.comment",
    "-e",
    "ip.dst_host",
    "-e",
    "frame.packet_flags_direction",
  );
  const lines = told.trim().split("\n");
  assert.equal(lines.length, seen.filter((line) => line.includes("request!")).length);
  assert.ok(lines.at(-1)!.startsWith(`a\t${cut}\tb\t`), told);
});

test("on standard output, for a time, until the group ends; and by whom it is left", async () => {
  await using box = await sandbox({ fakeQemu: PINGS });
  await up(box, "a,b");
  const piped = (...args: string[]) =>
    new Deno.Command(FLEETBOX, {
      args: ["capture", ...args],
      env: box.env,
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

  const short = await piped("a", "--for", "300ms").output();
  assert.deepEqual([short.code, readPcapng(short.stdout).interfaces.map(({ name }) => name)], [0, ["a"]]);
  assert.match(text(short.stderr), /^capturing a\ncaptured \d+ frames? to standard output\n$/);

  // A reader that leaves ends it with the next frame, without an error.
  const left = piped("gateway", "b", "a");
  const reader = left.stdout.getReader();
  await reader.read();
  await reader.cancel();
  await ping(box, "ok");
  assert.deepEqual([
    (await left.status).code,
    /captur.*error|cannot/i.test(text(await new Response(left.stderr).bytes())),
  ], [0, false]);

  const toTheEnd = piped();
  const errors = toTheEnd.stderr.getReader();
  assert.match(text((await errors.read()).value!), /^capturing a, b, gateway; Ctrl-C ends it$/m);
  errors.releaseLock();
  await ping(box, "ok");
  await box.up("c"); // another group, whose frames are none of these
  await box.ok("stop", "a", "b");
  const ended = await toTheEnd.output();
  assert.equal(ended.code, 0, text(ended.stderr));
  assert.deepEqual(pings(readPcapng(ended.stdout)).slice(0, 2), ["a out request", "b out reply"]);
  assert.match(text(ended.stderr), /captured \d+ frames/);
});

test("a member that joins is captured from its first frame, unless others were named", async () => {
  await using box = await sandbox({ fakeQemu: PINGS });
  await up(box, "a");
  const [all, ofA] = [join(box.root, "all.pcapng"), join(box.root, "a.pcapng")];
  const captures = [await begin(box, "-w", all), await begin(box, "a", "-w", ofA)];
  await box.up("a,b");
  await ping(box, "ok");
  for (const one of captures) one.kill("SIGTERM");
  for (const one of captures) assert.equal((await one.done).code, 0);
  const file = read(all);
  assert.deepEqual(file.interfaces.map(({ name, mac }) => [name, mac]), [
    ["a", "52:54:00:58:00:0b"],
    ["gateway", "52:55:0a:58:00:01"],
    ["b", "52:54:00:58:00:0c"],
  ]);
  assert.deepEqual(file.names[B], ["b"]);
  assert.deepEqual(pings(file), ["a out request", "b out reply"]);
  assert.deepEqual(pings(read(ofA)), ["a out request", "a in reply"]);
});

test("a killed command is let go of at once; a killed holder leaves a file that can be read", async () => {
  await using box = await sandbox({ fakeQemu: PINGS });
  await up(box, "a,b");
  const holder = box.process("holder");
  const sockets = () => [...Deno.readDirSync(`/proc/${holder.pid}/fd`)].length;
  const before = await until("what its start has opened is closed", async () => {
    const count = sockets();
    await new Promise((later) => setTimeout(later, 200));
    return sockets() === count ? count : undefined;
  });
  const out = join(box.root, "out.pcapng");
  const killed = await begin(box, "-w", out);
  assert.ok(sockets() > before);
  await ping(box, "ok");
  killed.kill("SIGKILL");
  await killed.done.catch(() => {});
  await until("the holder has let go", () => sockets() === before);
  assert.ok(read(out).packets.length > 0, "and its file can be read");

  const running = await begin(box, "-w", out, "--force");
  await ping(box, "ok");
  await until("it is in the file", () => pings(read(out)).length === 2);
  await box.killHolder("a");
  const { code, stderr } = await running.done;
  assert.equal(code, 1, stderr);
  assert.match(
    stderr,
    /The capture ended, because the group's holder was killed; \d+ frames until then are in .*out\.pcapng/,
  );
  assert.deepEqual(pings(read(out)), ["a out request", "b out reply"]);
  await said("tshark", "-r", out);
  // The next capture adopts the group.
  const again = await begin(box, "a", "-w", join(box.root, "again.pcapng"));
  again.kill("SIGINT");
  assert.match((await again.done).stderr, /adopted[^]*captured/);
});

test("what cannot be captured, or written, is refused with what to do", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const out = join(box.root, "out.pcapng");
  await box.fails(3, /There is no group that runs/, "capture", "-w", out);
  await box.up("a");
  await box.up("b");
  await box.fails(2, /Which group\? 2 run, and no member is named\n.*fleetbox capture a/, "capture", "-w", out);
  await box.fails(3, /"b" is not running in this group\n.*In it: a, and gateway/, "capture", "a", "b", "-w", out);
  await box.fails(3, /There is no member "nobody"/, "capture", "nobody", "-w", out);
  await box.fails(2, /--force has no effect without -w/, "capture", "a", "--force");
  await box.fails(2, /Bad value for --for/, "capture", "a", "--for", "soon", "-w", out);
  await box.fails(2, /Cannot write .*: it is a directory/, "capture", "a", "-w", box.root);
  await box.fails(1, /Cannot write .*no\/such/, "capture", "a", "-w", join(box.root, "no/such"));
  assert.deepEqual(
    [...Deno.readDirSync(box.root)].filter(({ name }) => name.endsWith(".pcapng")),
    [],
    "nothing was made",
  );
  Deno.writeTextFileSync(out, "precious");
  await box.fails(1, /there is such a file already\n.*--force/, "capture", "a", "-w", out);
  assert.equal(Deno.readTextFileSync(out), "precious");
  await box.ok("capture", "a", "-w", out, "--force", "--for", "50ms");
  assert.equal(read(out).interfaces.length, 1);
  const at = new OnTerminal(["capture", "a"], { env: box.env });
  assert.equal(await at.done, 2, at.output);
  assert.match(at.output, /Standard output is a terminal[^]*-w out\.pcapng/);
  await box.ok("stop", "b");
  await box.fails(
    3,
    /"b" is not running, and only what runs can be captured\n.*fleetbox up b/,
    "capture",
    "b",
    "-w",
    out,
    "--force",
  );
});

test("a full disk is told, and the file ends with a whole frame", async () => {
  if (!MAY_MOUNT) return console.log("skipped: only root can mount a small file system");
  await using box = await sandbox({ fakeQemu: PINGS });
  await up(box, "a,b");
  const small = join(box.root, "small");
  Deno.mkdirSync(small);
  await box.mount(small, "size=8k");
  const out = join(small, "out.pcapng");
  const running = await begin(box, "-w", out);
  Deno.writeFileSync(join(small, "filler"), new Uint8Array(4096));
  let isOver = false;
  const done = running.done.finally(() => isOver = true);
  while (!isOver) await Promise.race([ping(box, "ok"), done]);
  const { code, stderr } = await done;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /Cannot write frames to .*out\.pcapng[^]*(No space|os error 28)[^]*can be read/i);
  assert.ok(read(out).packets.length > 0);
});

test("the verb: names are checked, and a client that closes its writing side gets the statistics", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  for (const [names, code] of [[["b"], "not-found"], [{}, "misuse"], [[], "misuse"], [["A"], "misuse"]] as const) {
    const [error] = await talkJson(socket, { op: "capture", names });
    assert.deepEqual([error.event, error.code], ["error", code], JSON.stringify(names));
  }
  using client = await Client.connect(socket);
  await client.send('{"op":"capture"}\n');
  await client.conn.closeWrite();
  const bytes = await new Response(client.conn.readable).bytes();
  const end = bytes.indexOf(0x0a) + 1;
  assert.deepEqual(JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))), {
    event: "capture",
    members: ["a", "gateway"],
  });
  assert.deepEqual(readPcapng(bytes.slice(end)).interfaces.map(({ received }) => received !== undefined), [true, true]);
});
