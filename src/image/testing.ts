/** For tests: an HTTP server on the loopback that serves one file in whatever way goes wrong, and a store to put it in. */

import { createHash } from "node:crypto";
import { Store } from "../store.ts";

/** How a request is answered. */
export type Mood =
  | "good"
  | "no ranges" // the whole file, whatever was asked for
  | "no length" // chunked
  | "silent" // half of the file, and nothing ever after
  | "short" // the connection breaks in the middle
  | "slow" // in pieces, over a second
  | "changed" // another file, with another validator
  | "loop"
  | "not found"
  | "trouble"; // 503

export interface Asked {
  path: string;
  range: string | null;
  ifRange: string | null;
}

export interface TestServer extends AsyncDisposable {
  url: string;
  asked: Asked[];
  /** The moods of the requests to come; the last one stays. */
  moods: Mood[];
}

export function serve(content: Uint8Array<ArrayBuffer>, ...moods: Mood[]): TestServer {
  const asked: Asked[] = [];
  const state = { moods: moods.length > 0 ? moods : ["good" as Mood] };
  const over = new AbortController();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: over.signal }, (request) => {
    const { headers } = request;
    const { pathname } = new URL(request.url);
    asked.push({ path: pathname, range: headers.get("range"), ifRange: headers.get("if-range") });
    const mood = state.moods.length > 1 ? state.moods.shift()! : state.moods[0];
    return answer(request, content, mood);
  });
  const { port } = server.addr as Deno.NetAddr;
  return {
    url: `http://127.0.0.1:${port}/disk.img`,
    asked,
    get moods() {
      return state.moods;
    },
    set moods(moods) {
      state.moods = moods;
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await server.finished;
    },
  };
}

function answer(request: Request, file: Uint8Array<ArrayBuffer>, mood: Mood): Response {
  switch (mood) {
    case "not found":
      return new Response("no such file", { status: 404 });
    case "trouble":
      return new Response("not now", { status: 503 });
    case "loop":
      return new Response(null, { status: 302, headers: { location: request.url } });
  }
  const content = mood === "changed" ? file.map((byte) => byte ^ 0xff) : file;
  const validator = `"${createHash("sha256").update(content).digest("hex").slice(0, 8)}"`;
  const asked = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1];
  const isSame = (request.headers.get("if-range") ?? validator) === validator;
  const from = asked === undefined || !isSame || mood === "no ranges" ? 0 : Number(asked);
  if (from >= content.length) {
    return new Response(null, { status: 416, headers: { "content-range": `bytes */${content.length}` } });
  }
  const rest = content.subarray(from);
  const headers: Record<string, string> = {
    etag: validator,
    ...(mood === "no length" ? {} : { "content-length": String(rest.length) }),
    ...(from > 0 ? { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
  };
  return new Response(body(rest, mood, from === 0), { status: from > 0 ? 206 : 200, headers });
}

function body(content: Uint8Array<ArrayBuffer>, mood: Mood, isWhole: boolean): BodyInit {
  const half = content.subarray(0, content.length >> 1);
  switch (mood) {
    case "silent":
      return new ReadableStream({
        start(controller) {
          if (isWhole) controller.enqueue(half);
        },
      });
    case "short":
      return new ReadableStream({
        async start(controller) {
          controller.enqueue(half);
          await new Promise((later) => setTimeout(later, 100));
          controller.close(); // with less than it has promised
        },
      });
    case "slow": {
      const size = Math.ceil(content.length / 10);
      let at = 0;
      return new ReadableStream({
        async pull(controller) {
          await new Promise((later) => setTimeout(later, 100));
          controller.enqueue(content.subarray(at, at += size));
          if (at >= content.length) controller.close();
        },
      });
    }
    case "no length":
      return new ReadableStream({
        start(controller) {
          controller.enqueue(content);
          controller.close();
        },
      });
    default:
      return content;
  }
}

/** A disk image of so many bytes: raw, with something in it and zeros behind. */
export function rawDisk(bytes = 256 * 1024): Uint8Array<ArrayBuffer> {
  const disk = new Uint8Array(bytes);
  for (let at = 0; at < bytes / 2; at++) disk[at] = (at * 7 + (at >> 8)) & 0xff;
  return disk;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A store that is gone at the end. */
export function temporaryStore(): Store & Disposable {
  const dir = Deno.makeTempDirSync({ prefix: "im" });
  const store = Store.at(`${dir}/h`);
  store.ensure();
  return Object.assign(store, { [Symbol.dispose]: () => Deno.removeSync(dir, { recursive: true }) });
}

/** What is in the store's images, temporary things and all, sorted; parts of downloads by their ending alone. */
export function imagesIn(store: Store): string[] {
  return [...Deno.readDirSync(store.imagesDir)].map(({ name }) => name.replace(/^[0-9a-f]{16}\./, "*.")).sort();
}
