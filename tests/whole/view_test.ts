/** `fleetbox view`: its server, asked as the page asks it, and as others would. What the page does is in tests/viewer. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import type { Running } from "../support/command.ts";
import { readPcapng } from "../support/pcapng.ts";
import { signal, until, within } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

const LIMIT_MS = 30_000;
/** Guests that ping each other when they are told to. */
const PINGS: Record<string, Behaviour> = { a: { onSignal: "ping", ping: ["10.88.0.12"] } };

/** The processes beside holders and machines, but for the `ssh` by which a holder still tries to reach a guest for its journal. */
const helpers = (box: Sandbox) => box.processes("other").filter(({ command }) => !/\/ssh -T /.test(command));

type Line = Record<string, unknown> & { ran?: { id: number; line: string; code?: number; output?: string } };

/** A view, and what is asked of it with its token. */
class View {
  private constructor(readonly command: Running, readonly origin: string, readonly token: string) {}

  static async start(box: Sandbox, ...args: string[]): Promise<View> {
    const command = box.start(["view", ...args], { cwd: box.root });
    await command.printed(/Ctrl-C ends this/);
    const [, origin, token] = /^(http:\/\/127\.0\.0\.1:\d+)\/#([\w-]{43})\n/.exec(command.stdout)!;
    return new View(command, origin, token);
  }

  get port(): number {
    return Number(new URL(this.origin).port);
  }

  ask(path: string, method = "GET", body?: unknown): Promise<Response> {
    return fetch(this.origin + path, {
      method,
      headers: { authorization: `Bearer ${this.token}` },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  }

  async run(line: string): Promise<number> {
    const answer = await this.ask("/run", "POST", { argv: line.split(" ") });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return JSON.parse(text).id;
  }

  async stream(): Promise<Stream> {
    const { body } = await this.ask("/stream");
    return new Stream(body!);
  }
}

/** The stream of a page, and the files that it makes. */
class Stream {
  readonly lines: Line[] = [];
  readonly files: Record<string, string> = {};
  readonly #reader;
  #rest = "";

  constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads on until something is so. @throws when the stream ends without */
  async until(what: string, isSo: () => unknown): Promise<void> {
    const seen = () => `${what}: ${JSON.stringify(this.lines.slice(-10))}`;
    const read = async () => {
      while (!isSo()) {
        const { value, done } = await this.#reader.read();
        assert.ok(!done, `the stream ended without ${seen()}`);
        const lines = (this.#rest + value).split("\n");
        this.#rest = lines.pop()!;
        for (const line of lines) this.#take(JSON.parse(line));
      }
    };
    await within(read(), LIMIT_MS, seen);
  }

  /** A command's end. */
  async ended(id: number): Promise<NonNullable<Line["ran"]>> {
    const found = () => this.lines.find(({ ran }) => ran?.id === id && ran.code !== undefined);
    await this.until(`the end of ${id}`, found);
    return found()!.ran!;
  }

  /** What is left, to its end. */
  async rest(): Promise<Line[]> {
    await this.until("an end", () => this.lines.at(-1)?.end !== undefined);
    assert.equal((await this.#reader.read()).done, true);
    return this.lines;
  }

  cancel = () => this.#reader.cancel();

  #take(line: Line): void {
    this.lines.push(line);
    const { file, text, base64 } = line as Record<string, string>;
    if (line.whole) this.files[file] = text;
    else if (file !== undefined) this.files[file] = (this.files[file] ?? "") + (text ?? base64 ?? "");
  }
}

/** What a server answers to bytes as they are. */
async function raw(port: number, lines: string[]): Promise<{ status: number; body: string }> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode(["GET / HTTP/1.1", ...lines, "Connection: close", "", ""].join("\r\n")));
  const text = await new Response(conn.readable).text();
  return { status: Number(text.split(" ")[1]), body: text.slice(text.indexOf("\r\n\r\n") + 4) };
}

test("a page comes with its policy, hears what was and what comes; clicks run commands; consoles are typed into; frames go to a file", async () => {
  await using box = await sandbox({ fakeQemu: PINGS });
  await box.up("a,b");
  const view = await View.start(box);
  assert.match(view.command.stdout, /shows a, b as they run/);

  const page = await fetch(view.origin);
  const html = await page.text();
  assert.match(html, /default-src 'none'; connect-src 'self'; script-src 'sha256-/);
  assert.match(html, /<script type="application\/octet-stream" id="live"><\/script>/);
  assert.equal(html.includes(view.token), false);
  const headers = {
    "content-security-policy": "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
  };
  for (const [name, value] of Object.entries(headers)) assert.equal(page.headers.get(name), value, name);

  const live = await view.stream();
  await live.until("what there is", () => live.lines.some(({ ready }) => ready));
  const { files } = live;
  assert.equal(JSON.parse(files["meta.json"]).members.length, 2);
  await live.until(
    "both run",
    () => /"a","state":"running"[^]*"b","state":"running"/.test(files["events.ndjson"] ?? ""),
  );
  await live.until("the consoles", () => /ssh/.test(files["a.cast"] ?? "") && /ssh/.test(files["b.cast"] ?? ""));
  await live.until("the time", () => live.lines.some(({ now }) => now !== undefined));

  const cut = await live.ended(await view.run("fault partition a b"));
  assert.deepEqual([cut.line, cut.code], ["fleetbox fault partition a b", 0]);
  assert.match(cut.output!, /cut: a \| b/);
  await live.until("the fault", () => /"fault-began"/.test(files["events.ndjson"]));
  box.accident("a");
  await live.until("a drop", () => /"dropped":\{"partition"/.test(files["events.ndjson"]));
  const frames = () => live.lines.filter(({ base64 }) => base64 !== undefined).length;
  assert.ok(frames() > 0);
  const healed = await live.ended(await view.run("heal"));
  assert.deepEqual([healed.line, healed.code], ["fleetbox heal --via a", 0]);

  const failed = await live.ended(await view.run("pause a --for tomorrow"));
  assert.equal(failed.code, 2);
  assert.match(failed.output!, /^fleetbox: Bad value for --for: found "tomorrow"/);
  await view.command.printed(/fleetbox: Bad value for --for/);
  const printed = view.command.stdout.split("\n").slice(2, -1);
  assert.deepEqual(printed, [cut.line, healed.line, failed.line]);

  for (const keys of ["hel", "lo\r"]) {
    const typed = await view.ask("/console/a", "POST", keys);
    assert.equal(typed.status, 204, await typed.text());
  }
  await live.until("what was typed", () => /you typed \\"hello\\"|you typed \\\\"hello/.test(files["a.cast"]));
  assert.equal(view.command.stdout.split("fleetbox console a\n").length, 2);

  const id = await view.run("capture");
  const file = await until(
    "its file",
    () => [...Deno.readDirSync(box.root)].find(({ name }) => /\.pcapng$/.test(name)),
  );
  const path = join(box.root, file.name);
  await until("it captures", () => Deno.statSync(path).size > 0);
  const ended = await view.ask("/end", "POST", { id });
  assert.deepEqual([ended.status, await ended.text()], [200, "{}"]);
  const captured = await live.ended(id);
  assert.deepEqual([captured.line, captured.code], [`fleetbox capture a,b,gateway -w ${file.name}`, 0]);
  assert.deepEqual(readPcapng(Deno.readFileSync(path)).interfaces.map(({ name }) => name), ["a", "b", "gateway"]);
  for (const [other, status] of [[99, 404], [healed.id, 400]]) {
    const answer = await view.ask("/end", "POST", { id: other });
    assert.equal(answer.status, status, await answer.text());
  }

  // A second page hears all of it. Ctrl-C ends a capture in order, and leaves nothing.
  const second = await view.stream();
  await second.until("what was before", () => second.lines.at(-1)?.ready);
  assert.deepEqual(second.lines.flatMap(({ ran }) => ran ?? []), [cut, healed, failed, captured]);
  assert.match(second.files["events.ndjson"], /"fault-began"[^]*"fault-ended"/);
  assert.match(second.files["a.cast"], /hello/);
  Deno.removeSync(path);
  const last = await view.run("capture a");
  await until(
    "it captures",
    () =>
      [...Deno.readDirSync(box.root)].some(({ name }) =>
        /\.pcapng$/.test(name) && Deno.statSync(join(box.root, name)).size > 0
      ),
  );
  view.command.kill("SIGINT");
  assert.equal((await view.command.done).code, 0);
  for (const stream of [live, second]) {
    const all = await stream.rest();
    assert.deepEqual(all.at(-1), { end: "fleetbox view was ended" });
    assert.equal((await stream.ended(last)).code, 0);
  }
  assert.deepEqual(helpers(box), []);
  assert.deepEqual([...Deno.readDirSync(box.store.root)].filter(({ name }) => name === "traces"), []);
  assert.equal(await box.states(), "a=running b=running");
});

test.source("the view's server refuses other hosts, sites and users of no token, other methods and commands, and what is too large", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.up("other");
  await box.fails(2, [/Which group\? 2 run/, /fleetbox view a/], "view");
  await box.fails(3, /There is no member "nobody"/, "view", "nobody");
  await box.fails(2, /Bad value for --port: found "http"/, "view", "a", "--port", "http");
  const view = await View.start(box, "a", "--no-open");
  const { port, token } = view;
  await box.fails(1, [/Port \d+ of 127\.0\.0\.1 is taken/, /Without --port/], "view", "a", "--port", String(port));

  const host = `Host: 127.0.0.1:${port}`, authorization = `Authorization: Bearer ${token}`;
  assert.equal((await raw(port, [`Host: localhost:${port}`, authorization])).status, 200);
  for (
    const [lines, status] of [
      [["Host: evil.example", authorization], 403],
      [[`Host: evil.example:${port}`, authorization], 403],
      [["Host: [", authorization], 403],
      [[host, authorization, "Origin: http://evil.example"], 403],
      [[host, authorization, "Origin: null"], 403],
      [[host, authorization, "Sec-Fetch-Site: cross-site"], 403],
      [[host, authorization, "Sec-Fetch-Site: same-site"], 403],
    ] as [string[], number][]
  ) {
    const answer = await raw(port, lines);
    assert.equal(answer.status, status, `${lines.join(", ")}: ${answer.body}`);
    assert.match(answer.body, /^[^\n]*\n$/);
    assert.equal(answer.body.includes(token), false);
  }
  for (const wrong of [{}, { authorization: "Bearer wrong" }, { authorization: `Basic ${token}` }]) {
    for (
      const [path, method] of [["/stream", "GET"], ["/run", "POST"], ["/console/a", "POST"], ["/end", "POST"], [
        "/x",
        "GET",
      ]]
    ) {
      const answer = await fetch(view.origin + path, { method, headers: wrong as Record<string, string> });
      assert.equal(answer.status, 401, await answer.text());
    }
  }
  if (Deno.uid() === 0) {
    const as = async (uid: number) => {
      const ask =
        `exec 3<>/dev/tcp/127.0.0.1/${port}; printf 'GET / HTTP/1.1\\r\\n${host}\\r\\n\\r\\n' >&3; read -r line <&3; echo "$line"`;
      const { stdout } = await new Deno.Command("/bin/bash", { args: ["-c", ask], uid, cwd: "/" }).output();
      return new TextDecoder().decode(stdout);
    };
    assert.match(await as(0), /^HTTP\/1.1 200 /);
    assert.match(await as(65_534), /^HTTP\/1.1 403 /);
  }
  const large = "x".repeat(64 * 1024 + 1);
  for (
    const [path, method, body, status, why] of [
      ["/x", "GET", undefined, 404, /nothing at this path/],
      ["/run", "GET", undefined, 405, /Expected POST/],
      ["/", "POST", "", 405, /Expected GET/],
      ["/run", "POST", "no JSON", 400, /Expected JSON/],
      ["/run", "POST", "null", 400, /Expected JSON/],
      ["/run", "POST", { argv: ["rm", "a"] }, 400, /"rm" is not for clicks/],
      ["/run", "POST", { argv: ["stop", "other"] }, 400, /"other" is not in the group: it has a/],
      ["/run", "POST", { argv: ["capture", "-w", "x"] }, 400, /"-w" is not for clicks/],
      ["/run", "POST", { argv: ["up", "a".repeat(70_000)] }, 413, /At most 64 KiB/],
      ["/console/a", "POST", large, 413, /At most 64 KiB/],
      ["/console/other", "POST", "x", 404, /"other" is not in the group/],
    ] as [string, string, unknown, number, RegExp][]
  ) {
    const answer = await view.ask(path, method, body);
    assert.match(await answer.text(), why);
    assert.equal(answer.status, status, path);
  }
  assert.equal(view.command.stdout.split("\n").length, 3, view.command.stdout); // nothing ran
  // A holder that stands still does not keep it.
  const holder = box.process("holder", "a");
  signal(holder, "SIGSTOP");
  view.command.kill("SIGTERM");
  const { code, stderr } = await view.command.done.finally(() => signal(holder, "SIGCONT"));
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual(helpers(box), []);
});

test.source("a view goes on when the group is adopted, and ends with the group", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const view = await View.start(box, "a");
  const live = await view.stream();
  await live.until("it runs", () => /"running"/.test(live.files["events.ndjson"] ?? ""));
  assert.equal((await view.ask("/console/a", "POST", "before\r")).status, 204);
  await live.until("what was typed", () => /you typed [^]*before/.test(live.files["a.cast"]));
  await box.killHolder("a");
  await box.ok("up", "a");
  await live.until("it is adopted", () => /"adopted"/.test(live.files["events.ndjson"]));
  const typed = await view.ask("/console/a", "POST", "after\r");
  assert.equal(typed.status, 204, await typed.text());
  await live.until("what was typed to the next holder", () => /you typed [^]*after/.test(live.files["a.cast"]));

  // A view that is killed leaves no capture behind.
  const killed = await View.start(box);
  await killed.run("capture");
  await until("it captures", () => box.processes("other").some(({ command }) => / capture a,gateway /.test(command)));
  killed.command.kill("SIGKILL");
  await until("only the other view is left", () => helpers(box).length === 1);

  const stopped = await view.run("stop a");
  const { code, stdout, stderr } = await view.command.done;
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^fleetbox stop a\nthe group of a has ended\n$/m);
  assert.deepEqual((await live.rest()).at(-1), { end: "the group of a has ended" });
  assert.equal((await live.ended(stopped)).code, 0);
});
