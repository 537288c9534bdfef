/** A client of a holder's socket under a test's control: it sends any bytes, keeps its end open, disconnects at any time. */

import { within } from "./processes.ts";

/** No answer of a test takes this long, on the slowest machine. */
const LIMIT_MS = 120_000;

/** A raw connection. */
export class Client implements Disposable {
  private constructor(readonly conn: Deno.UnixConn) {}

  static async connect(path: string): Promise<Client> {
    for (let attempt = 0;; attempt++) {
      try {
        return new Client(await Deno.connect({ transport: "unix", path }));
      } catch (thrown) {
        // EAGAIN: the listener's backlog is full: wait and try again.
        if (!/os error 11\b/.test(String(thrown)) || attempt > 1_000) throw thrown;
        await new Promise((again) => setTimeout(again, 10));
      }
    }
  }

  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** One read: what a client gets that reads a reply with one read. "" at the end. @throws after two minutes of silence */
  async readOnce(): Promise<string> {
    const buffer = new Uint8Array(64 * 1024);
    const late = () => `the holder sent nothing, and did not close, within ${LIMIT_MS / 1000} s`;
    const count = await within(this.conn.read(buffer), LIMIT_MS, late);
    return count === null ? "" : new TextDecoder().decode(buffer.subarray(0, count));
  }

  /** Everything until the holder closes. When it closes before it has read all that was sent, that is a reset. */
  async rest(): Promise<string> {
    let text = "";
    try {
      for (let piece = await this.readOnce(); piece !== ""; piece = await this.readOnce()) text += piece;
    } catch (thrown) {
      if (!(thrown instanceof Deno.errors.ConnectionReset)) throw thrown;
    }
    return text;
  }

  /** Reads until what came so far matches. @throws when the holder closes before that */
  async until(pattern: RegExp): Promise<string> {
    let text = "";
    while (!pattern.test(text)) {
      const piece = await this.readOnce();
      if (piece === "") throw new Error(`closed before it sent ${pattern}; it sent: ${text.slice(-1000)}`);
      text += piece;
    }
    return text;
  }

  [Symbol.dispose](): void {
    try {
      this.conn.close();
    } catch { /* closed */ }
  }
}

/** The first words of what listens on a port of the loopback; "" when it closes at once. */
export async function bannerOf(port: number, hostname = "127.0.0.1"): Promise<string> {
  using conn = await Deno.connect({ hostname, port });
  const buffer = new Uint8Array(128);
  const late = () => `nothing came from port ${port} within ${LIMIT_MS / 1000} s`;
  const count = await within(conn.read(buffer), LIMIT_MS, late);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

/** A promise that is awaited later: if it rejects before that, the test still ends in order. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** One request and its whole reply. `half`: closes the write side after the request; else it stays open. */
export async function talk(
  path: string,
  request: string | Uint8Array,
  options: { half?: boolean } = {},
): Promise<string> {
  using client = await Client.connect(path);
  await client.send(request);
  if (options.half) await client.conn.closeWrite();
  return await client.rest();
}

/** One JSON request and the JSON lines of its reply. */
// deno-lint-ignore no-explicit-any
export async function talkJson(path: string, request: object): Promise<any[]> {
  const text = await talk(path, JSON.stringify(request) + "\n");
  return text.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
