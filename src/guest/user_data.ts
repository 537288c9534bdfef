/**
 * A user's own user-data, checked before anything boots, because cloud-init only logs a warning about an unknown
 * format.
 *
 * The first line tells its format (cloud-init's manual, "User-data formats"). It is text: it travels in a request's
 * JSON and is kept in the member's `config.json`. The limit leaves room for both, and is twice that of the clouds.
 */

import { FleetboxError } from "../core/errors.ts";

export const MAX_USER_DATA_BYTES = 32 * 1024;
/** As JSON, in which a line break takes two bytes and another control character six. */
const MAX_JSON_BYTES = 56 * 1024;

const FIRST_WORDS = [
  "#cloud-config",
  "#!",
  "#cloud-config-archive",
  "#cloud-config-jsonp",
  "#cloud-boothook",
  "#part-handler",
  "#include",
  "#include-once",
  "## template: jinja",
];

/**
 * Checks user-data and returns its text.
 * @throws {FleetboxError} `misuse`: too long, binary, or of a format that cloud-init does not know.
 */
export function checkUserData(text: string, what = "The user-data"): string {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_USER_DATA_BYTES || new TextEncoder().encode(JSON.stringify(text)).length > MAX_JSON_BYTES) {
    throw new FleetboxError(
      "misuse",
      `${what} is too long: found ${bytes} bytes, expected at most ${MAX_USER_DATA_BYTES}`,
      { hint: "Put large files into a shared directory: --fixture HOST_DIR:GUEST_DIR" },
    );
  }
  if (text.includes("\0")) throw new FleetboxError("misuse", `${what} is binary: found a NUL in it, expected text`);
  const first = text.split(/\r?\n/, 1)[0];
  const isKnown = isMimeMessage(text) ||
    FIRST_WORDS.some((word) =>
      first === word || first.startsWith(word + " ") || (word === "#!" && first.startsWith(word))
    );
  if (!isKnown) {
    const shown = first.length > 60 ? `${first.slice(0, 59)}…` : first;
    throw new FleetboxError(
      "misuse",
      `${what} has a format that cloud-init does not know: found the first line ${JSON.stringify(shown)}, ` +
        'expected "#cloud-config", "#!" and an interpreter, or a MIME message',
      { hint: 'Begin it with the line "#cloud-config", at the very start.' },
    );
  }
  return text;
}

/**
 * Whether cloud-init may need the network for user-data before its last stage: to fetch, run or mount something. When
 * in doubt, yes. Pure.
 */
export function needsNetwork(userData: string | undefined): boolean {
  if (userData === undefined) return false;
  const first = userData.split(/\r?\n/, 1)[0].trimEnd();
  if (isMimeMessage(userData)) return true;
  if (first.startsWith("#!")) return false; // a script runs last
  return first !== "#cloud-config" || /bootcmd|mounts|include|cloud_[a-z]+_modules/.test(userData);
}

/** Whether cloud-init takes user-data for a MIME message: the header is near its start. */
export function isMimeMessage(text: string): boolean {
  return text.slice(0, 4096).toLowerCase().includes("mime-version:");
}
