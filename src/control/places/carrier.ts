/**
 * Files of this host that are needed at a place: each is brought there by its digest, once, into `brought/` of the store
 * there. A directory is brought as it is now.
 */

import { FleetboxError } from "../../core/errors.ts";
import { imageReference } from "../../core/image_reference.ts";
import { broughtDir, type Place } from "../../store/places.ts";
import { digestOfFile } from "../../system/digest.ts";
import { exists, isFile, writeDurably } from "../../system/files.ts";
import { basename, join, resolve } from "../../system/path.ts";
import { run } from "../../system/process.ts";
import { bring, cargo, digestThere } from "./bring.ts";
import type { PlaceConnection } from "./connection.ts";

/** From this size on it is told. */
const TOLD_BYTES = 8 * 1024 * 1024;

export class Carrier implements AsyncDisposable {
  #aside: string | undefined;

  /** @param onLarge called before a large file is copied */
  constructor(
    private readonly connection: PlaceConnection,
    private readonly place: Place,
    private readonly onLarge: (path: string, bytes: number) => void = () => {},
  ) {}

  /** @returns its path there @throws {FleetboxError} `not-found` */
  async file(given: string): Promise<string> {
    const path = resolve(Deno.cwd(), given);
    const load = await cargo(path);
    const there = `${this.#dir(load.digest)}/${basename(path)}`;
    if (await digestThere(this.connection, there) === load.digest) return there;
    if (load.bytes > TOLD_BYTES) this.onLarge(given, load.bytes);
    await bring(this.connection, load, there);
    return there;
  }

  /** A text, as a file of this name. */
  async text(name: string, text: string): Promise<string> {
    const path = join(await this.#here(), name);
    await writeDurably(path, text, { sync: false });
    return await this.file(path);
  }

  /** The name of an image as it is; its path there when it is a file or a directory of this host. */
  async image(given: string): Promise<string> {
    const path = imageReference(given, Deno.cwd);
    if (!path.startsWith("/")) return given;
    return exists(path) && !isFile(path) ? await this.directory(path) : await this.file(path);
  }

  async directory(given: string): Promise<string> {
    const path = resolve(Deno.cwd(), given);
    if (!exists(path) || isFile(path)) {
      throw new FleetboxError(
        "not-found",
        `There is no directory ${given}, expected one to bring to "${this.place.name}"`,
      );
    }
    const tar = join(await this.#here(), `${crypto.randomUUID()}.tar`);
    const sorted = Deno.build.os === "linux" ? ["--sort=name"] : []; // the same content, the same digest
    await run("tar", ["-cf", tar, ...sorted, "-C", path, "."]);
    const there = `${this.#dir(await digestOfFile(tar))}/${basename(path) || "root"}`;
    const script = '[ -d "$1" ] && echo there || :';
    if ((await this.connection.shell(script, [there])).includes("there")) return there;
    await bring(this.connection, await cargo(tar), `${there}.tar`);
    // Another client may have brought it meanwhile.
    const unpack = `set -e; aside=$1.$$.tmp; mkdir "$aside"; tar -xf "$1.tar" -C "$aside"
      if [ -d "$1" ]; then rm -rf "$aside"; else mv "$aside" "$1"; fi; rm -f "$1.tar"`;
    await this.connection.shell(unpack, [there]);
    return there;
  }

  #dir(digest: string): string {
    return join(broughtDir(this.place.store), digest.slice(0, 16));
  }

  async #here(): Promise<string> {
    return this.#aside ??= await Deno.makeTempDir({ prefix: "fleetbox-brought-" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#aside !== undefined) await Deno.remove(this.#aside, { recursive: true }).catch(() => {});
  }
}
