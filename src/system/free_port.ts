/** A port of this host's loopback that nobody listens at now. */

/** @param other one that it must not be */
export async function freePort(other?: number): Promise<number> {
  for (;;) {
    // Node's says it later.
    using listener = await Deno.listen({ hostname: "127.0.0.1", port: 0 });
    if (listener.addr.port !== other) return listener.addr.port;
  }
}
