/**
 * What `sync --exclude` leaves out, in the part of gitignore's language that needs no explanation: `*`, `?`, `[abc]` within a
 * name, `**` across names. A pattern with a slash in it begins at the directory; another one is a name at any depth; one that
 * ends with a slash is a directory's.
 */

import { FleetboxError } from "../../core/errors.ts";
import { fromByteText } from "./byte_text.ts";

/** Whether a path (as bytes) is left out: itself, or a directory above it. */
export type Excludes = (path: string, isDirectory: boolean) => boolean;

/** @throws {FleetboxError} `misuse`: a pattern that would leave out nothing */
export function excludesOf(patterns: readonly string[]): Excludes {
  const rules = patterns.map(ruleOf);
  if (rules.length === 0) return () => false;
  return (path, isDirectory) => {
    const parts = fromByteText(path).split("/");
    return parts.some((name, index) => {
      const isLast = index === parts.length - 1;
      const whole = parts.slice(0, index + 1).join("/");
      return rules.some(({ pattern, isAnchored, ofDirectories }) =>
        (isDirectory || !isLast || !ofDirectories) && pattern.test(isAnchored ? whole : name)
      );
    });
  };
}

interface Rule {
  pattern: RegExp;
  isAnchored: boolean;
  ofDirectories: boolean;
}

function ruleOf(text: string): Rule {
  const refuse = (why: string, hint: string) =>
    new FleetboxError("misuse", `Bad value for --exclude: found ${JSON.stringify(text)}, ${why}`, { hint });
  if (text.startsWith("!")) {
    throw refuse("expected what is left out", "Name what is left out alone: there are no exceptions to a pattern.");
  }
  const ofDirectories = text.endsWith("/");
  const body = text.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");
  if (body === "" || body === ".") throw refuse("expected a name or a path", "Such as: --exclude node_modules");
  if (body.split("/").includes("..")) throw refuse("which is above the directory", "Write it from the directory on.");
  const isAnchored = body.includes("/") || /^\.?\//.test(text);
  return { pattern: new RegExp(`^${expression(body)}$`, "su"), isAnchored, ofDirectories };
}

function expression(glob: string): string {
  const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  return glob.replace(/\*\*\/|\*\*|\*|\?|\[(!?)([^\]/]+)\]|[^*?[]+|\[/g, (token, not?: string, set?: string) => {
    if (token === "**/") return "(?:.*\\/)?";
    if (token === "**") return ".*";
    if (token === "*") return "[^/]*";
    if (token === "?") return "[^/]";
    if (set === undefined) return literal(token);
    return `[${not ? "^/" : ""}${set.replace(/[\\\]^[&~|]/g, "\\$&").replace(/-(?=-)/g, "\\-")}]`;
  });
}
