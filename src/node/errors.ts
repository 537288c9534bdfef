/**
 * `Deno.errors` over Node: the class and the words that Deno gives an error of the system, made of Node's.
 *
 * Our source asks for classes (`instanceof Deno.errors.NotFound`) and, where an error has crossed a socket, for Deno's
 * words (`No such file or directory (os error 2)`). Node has neither, but a code (`ENOENT`) and a number.
 */

import { getSystemErrorMap } from "node:util";

/** An error class of Deno's, by its name. */
function kind(name: string): new (message?: string, options?: ErrorOptions) => Error {
  return class extends Error {
    override readonly name = name;
  };
}

export const errors = {
  NotFound: kind("NotFound"),
  PermissionDenied: kind("PermissionDenied"),
  AlreadyExists: kind("AlreadyExists"),
  NotADirectory: kind("NotADirectory"),
  IsADirectory: kind("IsADirectory"),
  WouldBlock: kind("WouldBlock"),
  BrokenPipe: kind("BrokenPipe"),
  ConnectionRefused: kind("ConnectionRefused"),
  ConnectionReset: kind("ConnectionReset"),
  AddrInUse: kind("AddrInUse"),
  BadResource: kind("BadResource"),
  /** Deno's own permissions: Node has none, so nothing throws it. */
  NotCapable: kind("NotCapable"),
};

const BY_CODE: Record<string, keyof typeof errors> = {
  ENOENT: "NotFound",
  ESRCH: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  ENOTDIR: "NotADirectory",
  EISDIR: "IsADirectory",
  EAGAIN: "WouldBlock",
  EPIPE: "BrokenPipe",
  ECONNREFUSED: "ConnectionRefused",
  ECONNRESET: "ConnectionReset",
  EADDRINUSE: "AddrInUse",
};

/** The system's words where Node has others. */
const WORDS: Record<string, string> = {
  EAGAIN: "Resource temporarily unavailable",
  EACCES: "Permission denied",
  EEXIST: "File exists",
  EROFS: "Read-only file system",
};

/** An error of Node's file system, sockets or processes. */
interface SystemError extends Error {
  code: string;
  errno: number;
  syscall?: string;
  path?: string;
}

function isSystemError(thrown: unknown): thrown is SystemError {
  const { code, errno } = thrown as Partial<SystemError>;
  return thrown instanceof Error && typeof code === "string" && typeof errno === "number";
}

/** What Node threw as what Deno throws; anything else as it is. */
export function denoError(thrown: unknown): unknown {
  if (!isSystemError(thrown)) return thrown;
  const { code, errno, syscall, path } = thrown;
  const words = WORDS[code] ?? sentence(getSystemErrorMap().get(errno)?.[1] ?? thrown.message);
  const where = [syscall, path === undefined ? undefined : `'${path}'`].filter((part) => part !== undefined).join(" ");
  const message = `${words} (os error ${-errno})${where === "" ? "" : `: ${where}`}`;
  const Kind = code === "EINVAL" ? TypeError : Object.hasOwn(BY_CODE, code) ? errors[BY_CODE[code]] : Error;
  return Object.assign(new Kind(message), { code });
}

function sentence(words: string): string {
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** Does something with Node's functions. @throws Deno's errors */
export function asDeno<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw denoError(thrown);
  }
}

/** {@link asDeno} for a promise. */
export async function asDenoLater<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw denoError(thrown);
  }
}
