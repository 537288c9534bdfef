/**
 * What downloads over HTTP have in common: the helper's (`helper/download.ts`) and the images' (`image/download.ts`).
 * What is tried again, continued or checked, and where the bytes go, is each one's own.
 */

interface FollowOptions {
  headers?: HeadersInit;
  signal: AbortSignal;
  /** How many redirects are followed. */
  redirects: number;
  /** The error for a redirect that is not followed. */
  refused: (why: string) => Error;
}

/**
 * The first response that is not a redirect. Redirects are followed here, to count them, and to check where they lead.
 * @throws what `fetch` throws; `refused`
 */
export async function follow(url: string, options: FollowOptions): Promise<Response> {
  const { headers, signal, redirects, refused } = options;
  let at = url;
  for (let hops = 0; hops <= redirects; hops++) {
    const response = await fetch(at, { headers, signal, redirect: "manual" });
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    await response.body?.cancel();
    at = nextAddress(response.headers.get("location"), at, refused);
  }
  throw refused(`it redirects more than ${redirects} times`);
}

/** Where a redirect leads: to HTTP, and from HTTPS to HTTPS alone. Pure. */
export function nextAddress(location: string | null, from: string, refused: (why: string) => Error): string {
  const next = URL.parse(location ?? "", from);
  if (location === null || next === null) {
    throw refused(`it redirects to ${JSON.stringify(location)}, expected an address`);
  }
  const isSecure = from.startsWith("https:");
  if (next.protocol === "https:" || (next.protocol === "http:" && !isSecure)) return next.href;
  throw refused(`it redirects to ${next.href}, expected ${isSecure ? "https" : "http or https"}`);
}
