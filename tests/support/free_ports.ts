/** Ports of 127.0.0.1 that nobody listens on, just now: for what is told a port, instead of telling one. */

export function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  for (const listener of listeners) listener.close();
  return listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
}

export function freePort(): number {
  return freePorts(1)[0];
}
