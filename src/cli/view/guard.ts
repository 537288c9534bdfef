/**
 * Which requests the server of `fleetbox view` answers: a pure function. Its answers type into root's consoles, so it answers only the page
 * that it gave out itself, with the token that is in the address that the command printed.
 *
 * A page of another site cannot ask: its `Origin` and `Sec-Fetch-Site` say where it comes from, and it has no token. A name that
 * leads to 127.0.0.1 (DNS rebinding) is in `Host`. Another user of this host who has seen the token is told apart by its sockets.
 */

/** What of a request decides. */
export interface Asked {
  method: string;
  path: string;
  host: string | null;
  origin: string | null;
  /** `Sec-Fetch-Site`. */
  site: string | null;
  authorization: string | null;
  /** Whether another user's program asks, as far as this host tells. */
  isOtherUser: boolean;
}

export type Route = { to: "page" | "stream" | "run" | "end" } | { to: "console"; name: string };
export type Refusal = { status: number; why: string };

const PATHS = new Map<string, [method: string, to: "page" | "stream" | "run" | "end"]>(Object.entries({
  "/": ["GET", "page"],
  "/stream": ["GET", "stream"],
  "/run": ["POST", "run"],
  "/end": ["POST", "end"],
}));

export function judge(asked: Asked, { port, token }: { port: number; token: string }): Route | Refusal {
  const { method, path, host, origin, site } = asked;
  if (asked.isOtherUser) return { status: 403, why: "Another user asks, and the view is of the one who started it" };
  if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`) {
    return { status: 403, why: `The host is not this one, expected 127.0.0.1:${port}` };
  }
  if (origin !== null && origin !== `http://${host}`) return { status: 403, why: "Another site's page asks" };
  if (site !== null && site !== "same-origin" && site !== "none") {
    return { status: 403, why: "Another site's page asks: open the address that fleetbox view has printed" };
  }
  const isPage = path === "/" && method === "GET";
  if (!isPage && !isSame(asked.authorization ?? "", `Bearer ${token}`)) {
    return { status: 401, why: "The token is missing or wrong: open the address that fleetbox view has printed" };
  }
  const name = /^\/console\/([a-z0-9-]{1,63})$/.exec(path)?.[1];
  const [wanted, to] = name === undefined ? PATHS.get(path) ?? [] : ["POST", undefined];
  if (wanted === undefined) return { status: 404, why: "There is nothing at this path" };
  if (method !== wanted) return { status: 405, why: `Expected ${wanted}` };
  return to === undefined ? { to: "console", name: name! } : { to };
}

/** Compares in a time that does not tell how much is right. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => new TextEncoder().encode(text));
  let difference = a.length ^ b.length;
  for (let at = 0; at < b.length; at++) difference |= (a[at] ?? 0) ^ b[at];
  return difference === 0;
}
