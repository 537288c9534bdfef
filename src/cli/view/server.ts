/** The server of `fleetbox view`, on 127.0.0.1 alone: the page, the stream, and what clicks do. `guard.ts` decides who may ask. */

import { settles } from "../../core/deadline.ts";
import { codeOf, type ErrorCode, FleetboxError, messageOf } from "../../core/errors.ts";
import { joined } from "../../core/bytes.ts";
import { host } from "../../system/os.ts";
import { isOtherUsers } from "../../system/tcp_peer.ts";
import { judge, type Refusal, type Route } from "./guard.ts";
import { HEADERS } from "./page.ts";
import type { Ran } from "./stream.ts";

const HOST = "127.0.0.1";
/** Of what is posted. */
const MOST_BYTES = 64 * 1024;
/** How long connections may take to end, once their answers have ended. */
const END_MS = 1_000;

/** What is shown and done. Errors are told to the page. */
export interface Viewed {
  page: string;
  stream(): ReadableStream<Uint8Array>;
  run(argv: unknown): Promise<Ran>;
  finish(id: unknown): void;
  type(name: string, bytes: Uint8Array): Promise<void>;
}

class TooLarge extends FleetboxError {
  constructor() {
    super("misuse", `At most ${MOST_BYTES / 1024} KiB can be sent at once`);
  }
}

const STATUS: Partial<Record<ErrorCode, number>> = { misuse: 400, "not-found": 404, conflict: 409, timeout: 503 };

export class ViewServer implements AsyncDisposable {
  readonly #token = crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /**
   * @param port 0: a free one @param portOfUser the one that leads here from the user's host, when that is another
   * @throws {FleetboxError} `conflict`: it is taken
   */
  constructor(port: number, private readonly viewed: Viewed, private readonly portOfUser?: number) {
    try {
      this.#server = Deno.serve({
        hostname: HOST,
        port,
        onListen: () => {},
        onError: (thrown) => refused({ status: 500, why: messageOf(thrown) }),
      }, (request, { remoteAddr }) => this.#answer(request, remoteAddr));
    } catch (cause) {
      if (!(cause instanceof Deno.errors.AddrInUse)) throw cause;
      const { program, pid } = host().portOwner(port) ?? {};
      const owner = pid === undefined ? "another program" : `${program ?? "a program"}, process ${pid}`;
      throw new FleetboxError("conflict", `Port ${port} of ${HOST} is taken by ${owner}`, {
        cause,
        hint: "Without --port a free one is taken.",
      });
    }
  }

  /** With the token, in the part that browsers keep to themselves. */
  get address(): string {
    return `http://${HOST}:${this.#shownPort}/#${this.#token}`;
  }

  get #shownPort(): number {
    return this.portOfUser ?? this.#server.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await settles(this.#server.shutdown(), END_MS);
  }

  async #answer(request: Request, { port: from }: Deno.NetAddr): Promise<Response> {
    const { headers, method } = request;
    const { port } = this.#server.addr;
    const verdict = judge({
      method,
      path: pathOf(request),
      host: headers.get("host"),
      origin: headers.get("origin"),
      site: headers.get("sec-fetch-site"),
      authorization: headers.get("authorization"),
      isOtherUser: isOtherUsers({ from, to: port }),
    }, { port: this.#shownPort, token: this.#token });
    try {
      return "status" in verdict ? refused(verdict) : await this.#do(verdict, request);
    } catch (thrown) {
      const status = thrown instanceof TooLarge ? 413 : STATUS[codeOf(thrown)] ?? 500;
      return refused({ status, why: messageOf(thrown) });
    }
  }

  async #do(route: Route, request: Request): Promise<Response> {
    switch (route.to) {
      case "page":
        return answer(this.viewed.page, "text/html; charset=utf-8");
      case "stream":
        return answer(this.viewed.stream(), "application/x-ndjson");
      case "run": {
        const { id, line } = await this.viewed.run((await jsonOf(request)).argv);
        return answer(JSON.stringify({ id, line }), "application/json");
      }
      case "end":
        this.viewed.finish((await jsonOf(request)).id);
        return answer("{}", "application/json");
      case "console":
        await this.viewed.type(route.name, await bodyOf(request));
        return new Response(null, { status: 204, headers: HEADERS });
    }
  }
}

/** A host that is none makes an address that is none. */
function pathOf(request: Request): string {
  try {
    return new URL(request.url).pathname;
  } catch {
    return "";
  }
}

function answer(body: string | ReadableStream<Uint8Array>, type: string): Response {
  return new Response(body as BodyInit, { headers: { ...HEADERS, "content-type": type } });
}

function refused({ status, why }: Refusal): Response {
  return new Response(`${why}\n`, { status, headers: { ...HEADERS, "content-type": "text/plain; charset=utf-8" } });
}

/** @throws {TooLarge} */
async function bodyOf(request: Request): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of request.body ?? []) {
    bytes += piece.length;
    if (bytes > MOST_BYTES) throw new TooLarge();
    pieces.push(piece);
  }
  return joined(pieces);
}

/** @throws {FleetboxError} `misuse` */
async function jsonOf(request: Request): Promise<Record<string, unknown>> {
  try {
    const value = JSON.parse(new TextDecoder().decode(await bodyOf(request)));
    if (typeof value === "object" && value !== null) return value;
  } catch (thrown) {
    if (thrown instanceof FleetboxError) throw thrown;
  }
  throw new FleetboxError("misuse", 'Expected JSON such as {"argv":["pause","a"]}');
}
