/**
 * A holder's claim to its members: the sockets `run/<h>.sock` and the pidfiles.
 *
 * A name belongs to the holder that listens on its socket; the file alone proves nothing. Of another host no socket answers, so the host is
 * written, too (`store/elsewhere.ts`). The pidfile is written with
 * the claim, before anything boots: a client that looks for it first (docs/protocol.md) finds a member that is
 * downloading, that fails, or that it wants to stop early. It is in the member's directory, which is made for it and
 * removed with it if it is empty. Claiming and releasing happen under the store's claim lock, so that of two holders
 * one gets a name and the other an error that says so; leftovers of a killed holder (a dead socket, a pidfile whose
 * number may be reused) are swept here.
 */

import { pause, startLimit } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { removeIfThere, storeError, temporaryOf } from "../../system/files.ts";
import { machineSockets, makeMemberDirectory, type Store } from "../../store.ts";
import { checkIsHere, claimedElsewhere } from "../../store/elsewhere.ts";
import { removeEmptyDirectory } from "../../store/unmade.ts";
import { connectUnix, isAnswered, readLines } from "../../system/sockets.ts";
import { thisHost } from "../../system/this_host.ts";
import { decodeReply, encodeLine, type JsonRequest, type MemberReport, REPLY_TIMEOUT_MS } from "../../wire.ts";
import { log } from "../log.ts";

export class Claims {
  readonly #listeners = new Map<string, Deno.UnixListener>();
  #isOver = false;

  /** @param onConnection gets each connection to a claimed member's socket. */
  constructor(
    private readonly store: Store,
    private readonly onConnection: (name: string, conn: Deno.UnixConn) => void,
  ) {}

  /**
   * Claims all of these names, or none.
   * @throws {FleetboxError} `conflict`: a holder serves one of them; `denied`, `no-space`: the store cannot be written.
   */
  async take(names: readonly string[]): Promise<void> {
    const taken: string[] = [];
    await this.store.withClaimLock(async () => {
      try {
        for (const name of names) {
          await this.#takeOne(name);
          taken.push(name);
        }
      } catch (thrown) {
        for (const name of taken) this.#releaseOne(name);
        throw thrown;
      }
    });
    this.#serve(taken);
  }

  /** Claims each of these names that no holder serves. @returns those. @throws {FleetboxError} as {@link take} does */
  async takeFree(names: readonly string[]): Promise<string[]> {
    const taken: string[] = [];
    await this.store.withClaimLock(async () => {
      for (const name of names) {
        if (await isAnswered(this.store.memberSocket(name)) || await claimedElsewhere(this.store, name)) continue;
        await this.#takeOne(name);
        taken.push(name);
      }
    });
    this.#serve(taken);
    return taken;
  }

  /** Ends the holders that serve these names only to report why their start failed. */
  async endLastWords(names: readonly string[]): Promise<void> {
    await Promise.all(names.map(async (name) => {
      const socket = this.store.memberSocket(name);
      const report = await ask(socket, { op: "report" }) as Partial<MemberReport> | undefined;
      if (report?.leaving) await ask(socket, { op: "stop", force: true });
    }));
  }

  /** Releases a name: its socket and pidfile disappear. A name that is not ours is ignored. */
  async release(name: string): Promise<void> {
    if (!this.#listeners.has(name)) return;
    try {
      await this.store.withClaimLock(() => Promise.resolve(this.#releaseOne(name)));
    } catch (thrown) {
      // A store that was deleted meanwhile has no socket to remove, but the listener must still be closed.
      log(`${name}: cannot release it under the lock: ${thrown}`);
      this.#releaseOne(name);
    }
  }

  /** Releases every name, and claims no more. */
  async releaseAll(): Promise<void> {
    this.#isOver = true;
    try {
      await this.store.withClaimLock(() => Promise.resolve(this.abandon()));
    } catch (thrown) {
      log(`cannot release the members under the lock: ${thrown}`);
      this.abandon();
    }
  }

  /** The same, without waiting for the lock. @returns the names */
  abandon(): string[] {
    this.#isOver = true;
    const names = [...this.#listeners.keys()];
    for (const name of names) this.#releaseOne(name);
    return names;
  }

  /** Removes files of members whose group is gone, if no holder serves them meanwhile. */
  async sweep(names: readonly string[]): Promise<void> {
    await this.store.withClaimLock(async () => {
      for (const name of names) {
        const paths = this.store.member(name);
        const { socket, pid, host } = paths;
        if (await isAnswered(socket) || await claimedElsewhere(this.store, name)) continue;
        removeIfThere(pid);
        removeIfThere(host);
        removeEmptyDirectory(this.store, name);
        for (const path of [socket, this.store.controlSocket(name), ...machineSockets(paths)]) {
          if (!await isAnswered(path)) removeIfThere(path);
        }
      }
    });
  }

  async #takeOne(name: string): Promise<void> {
    const path = this.store.memberSocket(name);
    if (await isAnswered(path)) {
      throw new FleetboxError("conflict", `"${name}" is already served by another holder`, {
        hint: `See which: fleetbox status ${name}`,
      });
    }
    await checkIsHere(this.store, name, `Cannot serve "${name}"`);
    // From here on nothing else is done meanwhile: what is claimed is released, also when the group ends just now.
    if (this.#isOver) throw new FleetboxError("conflict", `The group of "${name}" is ending`);
    removeIfThere(path);
    removeIfThere(this.store.controlSocket(name)); // of a killed bound holder
    let listener: Deno.UnixListener;
    try {
      listener = Deno.listen({ transport: "unix", path });
      Deno.chmodSync(path, 0o600);
    } catch (cause) {
      throw storeError(`Cannot listen on the socket of "${name}" (${path})`, cause);
    }
    this.#listeners.set(name, listener);
    try {
      this.#writePid(name);
    } catch (thrown) {
      // A full disk must not keep a holder from adopting machines; a boot writes the pidfile again and tells the failure.
      log(`${name}: cannot write its pidfile: ${thrown}`);
    }
  }

  /**
   * Accepts connections, when all are claimed: who asks before the holder has made its members would hear that there is no such
   * member, and believe it gone. Until then connections wait.
   */
  #serve(names: readonly string[]): void {
    for (const name of names) {
      const listener = this.#listeners.get(name);
      if (listener) void this.#accept(name, listener);
    }
  }

  async #accept(name: string, listener: Deno.UnixListener): Promise<void> {
    while (this.#listeners.get(name) === listener) {
      try {
        this.onConnection(name, await listener.accept());
      } catch (thrown) {
        if (this.#listeners.get(name) !== listener) return; // closed by us
        log(`${name}: cannot accept a connection: ${thrown}`);
        await pause(50); // out of file descriptors: let others go first
      }
    }
  }

  /** Writes the pidfile of a claimed name again: its directory may have been removed since. */
  async writePid(name: string): Promise<void> {
    await this.store.withClaimLock(() => {
      if (this.#listeners.has(name)) this.#writePid(name);
      return Promise.resolve();
    });
  }

  /** In one go: see {@link #takeOne}. */
  #writePid(name: string): void {
    makeMemberDirectory(this.store, name);
    const { pid, host } = this.store.member(name);
    writeNow(host, JSON.stringify(thisHost()) + "\n");
    writeNow(pid, String(Deno.pid));
  }

  #releaseOne(name: string): void {
    const listener = this.#listeners.get(name);
    if (!listener) return;
    this.#listeners.delete(name);
    try {
      listener.close(); // Deno 2.7 and later remove the file here, earlier ones do not
      removeIfThere(this.store.memberSocket(name));
      removeIfThere(this.store.member(name).pid);
      removeIfThere(this.store.member(name).host);
      removeEmptyDirectory(this.store, name);
    } catch (thrown) {
      log(`${name}: cannot remove its socket or pidfile: ${thrown}`);
    }
  }
}

/** Replaces a small file, without a moment between in which something else is done. */
function writeNow(path: string, text: string): void {
  const aside = temporaryOf(path);
  try {
    Deno.writeTextFileSync(aside, text, { createNew: true, mode: 0o600 });
    Deno.renameSync(aside, path);
  } catch (cause) {
    removeIfThere(aside);
    throw storeError(`Cannot write ${path}`, cause);
  }
}

/** The last line of a reply; undefined when there is none. */
async function ask(socket: string, request: JsonRequest): Promise<unknown> {
  const connection = await connectUnix(socket);
  if (!connection) return undefined;
  const endLimit = startLimit(REPLY_TIMEOUT_MS, () => connection.close());
  let last: unknown;
  try {
    await connection.write(encodeLine(request));
    for await (const line of readLines(connection)) last = decodeReply(line);
  } catch {
    // It is leaving, or another version: claiming the name will show whether it is free.
  } finally {
    endLimit();
    connection.close();
  }
  return last;
}
