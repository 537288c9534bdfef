/** Finds out whether this process may listen on a port, by trying. */

/** Where: an IPv4 address of this host, and UDP instead of TCP. */
export interface Listening {
  address: string;
  port: number;
  isUdp: boolean;
}

/** Why we cannot listen there; undefined: we can. */
export async function tryListen({ address, port, isUdp }: Listening): Promise<unknown> {
  try {
    if (isUdp) await bindUdp(address, port);
    else (await Deno.listen({ hostname: address, port })).close(); // awaited: on Node it takes a turn (src/node)
  } catch (thrown) {
    return thrown;
  }
}

/** By Node's module: Deno's own is not stable. */
async function bindUdp(address: string, port: number): Promise<void> {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address, port, exclusive: true }, resolve);
  }).finally(() => new Promise<void>((closed) => socket.close(closed)));
}

/** Whether the reason is that this user may not. */
export function isDenied(problem: unknown): boolean {
  return problem instanceof Deno.errors.PermissionDenied || codeIn(problem) === "EACCES";
}

/** Whether the reason is that this host does not have the address. */
export function isNoAddress(problem: unknown): boolean {
  return codeIn(problem) === "EADDRNOTAVAIL" || /assign requested address/.test(String(problem));
}

function codeIn(problem: unknown): unknown {
  return (problem as { code?: unknown } | undefined)?.code;
}
