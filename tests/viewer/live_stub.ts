/** A server of the page of `fleetbox view`, with a group that is made up: what its tests need to say what comes when. */

import { buildViewer, PAGE } from "../../scripts/viewer.ts";
import { MARKER } from "../../src/viewer/data/embedded.ts";
import { bundleFiles, START } from "./bundle.ts";

interface Run {
  id: number;
  argv: string[];
}

export class LiveStub implements AsyncDisposable {
  readonly token = "a-token-of-the-test";
  readonly runs: Run[] = [];
  /** Captures that were ended. */
  readonly ended: number[] = [];
  /** What was typed, request by request. */
  readonly typed: { name: string; text: string }[] = [];
  /** Seconds since the group began. */
  second = 1;
  isRefusing = false;
  readonly #history: string[] = [];
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  readonly #faults = new Map<string, Record<string, unknown>>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(private readonly page: string) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => this.#answer(request));
  }

  static async start(): Promise<LiveStub> {
    await buildViewer();
    const page = (await Deno.readTextFile(PAGE))
      .replace(MARKER, '<script type="application/octet-stream" id="live"></script>')
      .replace("default-src 'none'", "default-src 'none'; connect-src 'self'");
    return new LiveStub(page);
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  get address(): string {
    return `${this.origin}/#${this.token}`;
  }

  send(message: Record<string, unknown>, isKept = true): void {
    const line = JSON.stringify(message) + "\n";
    if (isKept) this.#history.push(line);
    for (const stream of this.#streams) stream.enqueue(new TextEncoder().encode(line));
  }

  /** Three members that run. @param says what they have in their names and consoles */
  group(says = "", names = ["a", "b", "c"]): void {
    const { ended: _, test: __, ...meta } = JSON.parse(
      new TextDecoder().decode(bundleFiles({ seconds: 1, packets: 0, consoleBytes: 0 }).get("meta.json")),
    );
    meta.members = meta.members.map((one: Record<string, unknown>, index: number) => ({ ...one, name: names[index] }));
    this.send({ file: "meta.json", text: JSON.stringify({ ...meta, group: `demo${says}` }), whole: true });
    for (const name of names) {
      this.event("state", { name, state: "starting", stage: "kernel" });
      this.send({
        file: `${name}.cast`,
        text: JSON.stringify({ version: 3, term: { cols: 80, rows: 25 }, timestamp: START / 1000 }) + "\n",
      });
    }
    this.second++;
    for (const name of names) {
      this.event("state", { name, state: "running" });
      this.output(name, `${name} login: ${says}`);
    }
    this.members = names;
  }

  members: string[] = [];

  event(event: string, more: Record<string, unknown>): void {
    this.send({ file: "events.ndjson", text: JSON.stringify({ at: this.#iso(), event, ...more }) + "\n" });
  }

  output(name: string, text: string): void {
    this.send({ file: `${name}.cast`, text: JSON.stringify([0.01, "o", text]) + "\n" });
  }

  packets(file: string, bytes: Uint8Array): void {
    this.send({ file, base64: bytes.toBase64() });
  }

  /** A second passes, with frames on each link that is not cut. */
  tick(): void {
    this.second++;
    const cut = [...this.#faults.values()].map(({ spec }) => (spec as { sets?: string[][] }).sets?.flat() ?? []);
    for (const [index, from] of this.members.entries()) {
      for (const [place, to] of [...this.members, "gateway"].entries()) {
        if (from === to) continue;
        const frames = 6 + (this.second * (index + 2) * (place + 3)) % 17;
        const isCut = cut.some((names) => names.includes(from) && names.includes(to));
        this.event("link", {
          ...{ from, to, frames, bytes: frames * 190 },
          ...(isCut ? { dropped: { partition: frames } } : {}),
        });
      }
    }
    this.send({ now: this.#iso() });
  }

  /** Ends every stream, as a server that was killed does. */
  breakStreams(): void {
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  #iso(): string {
    return new Date(START + this.second * 1000).toISOString();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (this.isRefusing) return new Response("gone", { status: 503 });
    if (request.method === "GET" && pathname === "/") {
      return new Response(this.page, { headers: { "content-type": "text/html; charset=utf-8" } });
    }
    if (pathname === "/plain") {
      return new Response("a page of another site", { headers: { "content-type": "text/html" } });
    }
    if (pathname === "/favicon.ico") return new Response(null, { status: 204 });
    if (request.headers.get("authorization") !== `Bearer ${this.token}`) {
      return new Response("no token", { status: 401 });
    }
    if (pathname === "/stream") return new Response(this.#stream());
    if (pathname === "/run") return this.#run((await request.json()).argv);
    if (pathname === "/end") {
      const { id } = await request.json();
      this.ended.push(id);
      this.send({ ran: { ...this.#ran(this.runs.find((one) => one.id === id)!), code: 0, output: "12 frames\n" } });
      return Response.json({});
    }
    const name = decodeURIComponent(pathname.replace("/console/", ""));
    const text = await request.text();
    this.typed.push({ name, text });
    this.output(name, text.replaceAll("\r", "\r\n"));
    return new Response(null, { status: 204 });
  }

  #stream(): ReadableStream<Uint8Array> {
    let its: ReadableStreamDefaultController<Uint8Array>;
    return new ReadableStream({
      start: (stream) => {
        its = stream;
        stream.enqueue(new TextEncoder().encode([...this.#history, '{"ready":true}\n'].join("")));
        this.#streams.add(stream);
      },
      cancel: () => void this.#streams.delete(its),
    });
  }

  #ran({ id, argv }: Run) {
    return { id, line: `fleetbox ${argv.join(" ")}${argv[0] === "capture" ? " -w demo-1.pcapng" : ""}` };
  }

  #run(argv: string[]): Response {
    if (argv.some((word) => !/^(--[a-z-]+|[a-z0-9][a-z0-9.,%-]*)$/.test(word))) {
      return new Response(`"${argv.join(" ")}" has a word that is not allowed`, { status: 400 });
    }
    const run = { id: this.runs.length + 1, argv };
    this.runs.push(run);
    this.send({ ran: this.#ran(run) });
    if (argv[0] === "capture") return Response.json(this.#ran(run));
    const id = `f${run.id}`;
    const began = (kind: string, what: string, members: string[], spec: Record<string, unknown>) => {
      const fault = { id, kind, what, members, spec: { kind, ...spec } };
      this.#faults.set(id, fault);
      this.event("fault-began", fault);
    };
    if (argv[1] === "partition") {
      const sets = argv.slice(2).map((set) => set.split(","));
      began("partition", `cut: ${argv.slice(2).join(" | ")}`, sets.flat(), { sets });
    } else if (argv[1] === "shape") {
      const [from, to] = [argv[3].split(","), argv[5].split(",")];
      began("shape", `${from} to ${to}: delay 50 ms`, [...new Set([...from, ...to])], {
        from,
        to,
        shape: { delayMs: 50 },
      });
    } else if (argv[0] === "heal") {
      for (const [healed, { kind, what, members }] of this.#faults) {
        if (argv.length > 1 && !argv.includes(healed)) continue;
        this.event("fault-ended", { id: healed, kind, what, members });
        this.#faults.delete(healed);
      }
    } else if (argv[0] === "stop") this.event("state", { name: argv[1], state: "stopped" });
    this.send({ ran: { ...this.#ran(run), code: 0, output: `done: ${argv.join(" ")}\n` } });
    return Response.json(this.#ran(run));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.breakStreams();
    await this.#server.shutdown();
  }
}
