/**
 * The part of npm's `ssh2` that the library uses, as its README and SFTP.md describe it.
 *
 * `@types/ssh2` would bring a second set of types for Node's built-ins into every program that imports the library.
 */

import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";

type Callback<T> = (error: Error | undefined | null, value: T) => void;

export interface ConnectConfig {
  sock: Socket;
  username: string;
  privateKey: string;
  readyTimeout: number;
  keepaliveInterval: number;
  keepaliveCountMax: number;
}

export class Client {
  connect(config: ConnectConfig): this;
  exec(command: string, callback: Callback<ClientChannel>): this;
  forwardOut(
    fromHost: string,
    fromPort: number,
    toHost: string,
    toPort: number,
    callback: Callback<ClientChannel>,
  ): this;
  sftp(callback: Callback<SFTPWrapper>): this;
  destroy(): this;
  on(event: "error", listener: (error: Error) => void): this;
  once(event: "ready" | "close", listener: () => void): this;
  off(event: "close", listener: () => void): this;
}

/** Emits `exit` with a code, or with null and the name of a signal, before `close`. */
export interface ClientChannel extends Duplex {
  stderr: Readable;
  close(): void;
}

export interface Stats {
  mode: number;
  size: number;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/** One SFTP session. The error of a callback has the protocol's status code as `code`. */
export interface SFTPWrapper {
  /** False once it is closed: then no callback is called any more. */
  readonly readable: boolean;
  end(): void;
  /** The end of what the server sends. */
  push(data: null): void;
  open(path: string, flags: "r" | "w", callback: Callback<Buffer>): void;
  open(path: string, flags: "r" | "w", attributes: { mode: number }, callback: Callback<Buffer>): void;
  close(handle: Buffer, callback: Callback<void>): void;
  read(
    handle: Buffer,
    into: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | undefined | null, bytesRead: number) => void,
  ): void;
  write(
    handle: Buffer,
    from: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: Callback<void>,
  ): void;
  fstat(handle: Buffer, callback: Callback<Stats>): void;
  fchmod(handle: Buffer, mode: number, callback: Callback<void>): void;
  stat(path: string, callback: Callback<Stats>): void;
  lstat(path: string, callback: Callback<Stats>): void;
  readdir(path: string, callback: Callback<{ filename: string; attrs: Stats }[]>): void;
  readlink(path: string, callback: Callback<string>): void;
  symlink(target: string, path: string, callback: Callback<void>): void;
  unlink(path: string, callback: Callback<void>): void;
  mkdir(path: string, attributes: { mode: number }, callback: Callback<void>): void;
  chmod(path: string, mode: number, callback: Callback<void>): void;
  on(event: "error", listener: (error: Error) => void): this;
  once(event: "close", listener: () => void): this;
}

declare const ssh2: { Client: typeof Client };
export default ssh2;
