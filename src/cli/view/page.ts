/** The viewer's page as the server of `fleetbox view` gives it out: it asks this server, and nobody else. */

import { FleetboxError } from "../../core/errors.ts";
import { viewerPage } from "../trace_show/page.ts";

const POLICY = "default-src 'none'";
/** By which the page knows that it is live. */
const LIVE = '<script type="application/octet-stream" id="live"></script>';

/** What a browser may do with it, and with all other answers. */
export const HEADERS: Record<string, string> = {
  "content-security-policy": "frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
};

/** @throws {FleetboxError} `unavailable`: it is not there, and cannot be built; `damaged` */
export async function livePage(): Promise<string> {
  const { head, tail } = await viewerPage();
  const at = head.indexOf(POLICY) + POLICY.length;
  if (at < POLICY.length) throw new FleetboxError("damaged", "The viewer's page has no policy");
  return [head.slice(0, at), "; connect-src 'self'", head.slice(at), LIVE, tail].join("");
}
