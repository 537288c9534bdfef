/**
 * Deno's connections over Node's: read when asked, ended in one direction at a time, and keeping this program alive only
 * while a read, a write or a connect is waited for. Node's own keep it alive while they are open: then a test run would not
 * end before its groups, which end with it.
 */

import { type AddressInfo, connect as nodeConnect, createServer, type Socket } from "node:net";
import { denoError, errors } from "./errors.ts";

/** What our source uses of `Deno.UnixConn`. */
class Connection {
  #rest: Uint8Array = new Uint8Array();
  #failure: unknown;
  #isClosed = false;
  /** What is waited for. */
  #pending = 0;
  #wake = () => {};

  constructor(private readonly socket: Socket) {
    socket.unref();
    const wake = () => this.#wake();
    socket.on("readable", wake).on("end", wake).on("close", wake).on("error", (cause) => {
      this.#failure = denoError(cause);
      wake();
    });
  }

  async read(into: Uint8Array): Promise<number | null> {
    return await this.#held(async () => {
      for (;;) {
        if (this.#isClosed) throw new errors.BadResource("Bad resource ID");
        if (this.#rest.length === 0) this.#rest = this.socket.read() ?? this.#rest;
        if (this.#rest.length > 0) {
          const piece = this.#rest.subarray(0, into.length);
          into.set(piece);
          this.#rest = this.#rest.subarray(piece.length);
          return piece.length;
        }
        if (this.#failure !== undefined) throw this.#failure;
        if (this.socket.readableEnded || this.socket.destroyed) return null;
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    });
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#isClosed) throw new errors.BadResource("Bad resource ID");
    return await this.#held(() =>
      new Promise<number>((resolve, reject) => {
        if (this.socket.destroyed) return reject(this.#failure ?? new errors.BrokenPipe("Broken pipe (os error 32)"));
        this.socket.write(bytes, (cause) => {
          if (!cause) resolve(bytes.length);
          else reject(this.#isClosed ? new errors.BadResource("Bad resource ID") : this.#failure ?? denoError(cause));
        });
      })
    );
  }

  async closeWrite(): Promise<void> {
    await this.#held(() => new Promise<void>((resolve) => this.socket.end(() => resolve())));
  }

  /** @throws when it is closed */
  close(): void {
    if (this.#isClosed) throw new errors.BadResource("Bad resource ID");
    this.#isClosed = true;
    this.socket.destroy();
    this.#wake();
  }

  async #held<T>(work: () => Promise<T>): Promise<T> {
    if (this.#pending++ === 0) this.socket.ref();
    try {
      return await work();
    } finally {
      if (--this.#pending === 0) this.socket.unref();
    }
  }
}

function connect({ path }: { transport: "unix"; path: string }): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = nodeConnect({ path, allowHalfOpen: true });
    const fail = (cause: unknown) => reject(denoError(cause));
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.off("error", fail);
      resolve(new Connection(socket));
    });
  });
}

/** Node's server says only later whether it may listen: unlike Deno's function, this one is awaited by its callers. */
function listen(
  { hostname, port }: { hostname: string; port: number },
): Promise<{ addr: { port: number }; close(): void } & Disposable> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause) => reject(denoError(cause)));
    server.listen(port, hostname, () => {
      const close = () => void server.close();
      const { port } = server.address() as AddressInfo;
      resolve({ addr: { port }, close, [Symbol.dispose]: close });
    });
  });
}

export const sockets = { connect, listen };
