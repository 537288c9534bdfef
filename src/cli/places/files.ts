/**
 * Files of this host that a command for a place names: each is brought there by its digest, once, and the command gets the
 * path that it has there. A directory is brought as it is now.
 */

import { bring, cargo, digestThere } from "../../control/places/bring.ts";
import type { PlaceConnection } from "../../control/places/connection.ts";
import { variable } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";
import { imageReference } from "../../core/image_reference.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import { broughtDir, type Place } from "../../store/places.ts";
import { digestOfFile } from "../../system/digest.ts";
import { exists, isFile, writeDurably } from "../../system/files.ts";
import { basename, join, resolve } from "../../system/path.ts";
import { run } from "../../system/process.ts";
import { warn } from "../terminal/output.ts";
import type { MemberFlags } from "../arguments/member_options.ts";
import { bytesText } from "../arguments/sizes.ts";

/** From this size on it is told. */
const TOLD_BYTES = 8 * 1024 * 1024;

/** What an option's value is. */
type Kind = "file" | "directory" | "image" | "group" | "share";

const OF_MEMBERS: Record<string, Kind> = {
  ...{ "--user-data": "file", "--run": "file", "--fixture": "directory", "--share": "share", "--image": "image" },
};
const OPTIONS: Record<string, Record<string, Kind>> = {
  up: { ...OF_MEMBERS, "--file": "group", "-f": "group" },
  start: { ...OF_MEMBERS, "--file": "group", "-f": "group" },
  join: OF_MEMBERS,
  "image build": { "--run": "file" },
};
/** Commands whose first operand is a file. */
const OPERANDS = ["fault run", "trace replay"];

/** A command's words with the paths that its files have there, and variables for it. */
export interface Brought {
  words: string[];
  env: Record<string, string>;
}

/** @throws {FleetboxError} `not-found`: there is no such file; `unavailable`: such a thing cannot be brought */
export async function bringFiles(
  connection: PlaceConnection,
  place: Place,
  words: readonly string[],
): Promise<Brought> {
  await using carrier = new Carrier(connection, place);
  const [first, second] = words;
  const options = OPTIONS[first] ?? OPTIONS[`${first} ${second}`] ?? {};
  const line: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === "--") {
      line.push(...words.slice(at));
      break;
    }
    const [, flag, begun] = /^(--[a-z-]+)=(.*)$/s.exec(word) ?? /^(-f)(.+)$/s.exec(word) ?? [undefined, word];
    const kind = Object.hasOwn(options, flag) ? options[flag] : undefined;
    if (kind === undefined) {
      line.push(word);
      continue;
    }
    const next = words[at + 1];
    const isOptional = kind === "group"; // its value may be left out
    const value = begun ?? (isOptional && (next === undefined || /^-./.test(next)) ? undefined : next);
    if (value === undefined && !isOptional) return { words: [...words], env: {} }; // the parser there says so
    if (begun === undefined && value !== undefined) at++;
    line.push(flag, await carrier.value(kind, value));
  }
  if (OPERANDS.includes(`${first} ${second}`)) {
    const index = line.findIndex((word, at) => at > 1 && !word.startsWith("-") && isFile(word));
    if (index > 0) line[index] = await carrier.file(line[index]);
  }
  const image = OPTIONS[first] ? variable("FLEETBOX_IMAGE") : undefined;
  return { words: line, env: image === undefined ? {} : { FLEETBOX_IMAGE: await carrier.value("image", image) } };
}

class Carrier implements AsyncDisposable {
  #aside: string | undefined;

  constructor(private readonly connection: PlaceConnection, private readonly place: Place) {}

  /** An option's value, as it has to be there. */
  async value(kind: Kind, value: string | undefined): Promise<string> {
    switch (kind) {
      case "share":
        throw new FleetboxError(
          "unavailable",
          `--share needs a directory of the members' own host, found one of this host`,
          {
            hint: "Send what changes: fleetbox sync DIR NAME:DIR --watch; or read-only, as it is now: --fixture",
          },
        );
      case "directory": {
        const colon = value!.lastIndexOf(":/");
        return colon <= 0 ? value! : await this.#directory(value!.slice(0, colon)) + value!.slice(colon);
      }
      case "image": {
        const path = imageReference(value!, Deno.cwd);
        return path.startsWith("/") ? await this.#any(path) : value!;
      }
      case "group":
        return await this.#group(value);
      case "file":
        return await this.file(value!);
    }
  }

  /** @returns its path there */
  async file(given: string): Promise<string> {
    if (given === "-") return await this.#text("stdin", await new Response(Deno.stdin.readable).text());
    const path = resolve(Deno.cwd(), given);
    const load = await cargo(path);
    const there = `${this.#dir(load.digest)}/${basename(path)}`;
    if (await digestThere(this.connection, there) === load.digest) return there;
    if (load.bytes > TOLD_BYTES) warn(`bringing ${given} (${bytesText(load.bytes)}) to ${this.place.name}…`);
    await bring(this.connection, load, there);
    return there;
  }

  async #any(path: string): Promise<string> {
    return exists(path) && !isFile(path) ? await this.#directory(path) : await this.file(path);
  }

  async #directory(given: string): Promise<string> {
    const path = resolve(Deno.cwd(), given);
    if (!exists(path) || isFile(path)) {
      throw new FleetboxError(
        "not-found",
        `There is no directory ${given}, expected one to bring to "${this.place.name}"`,
      );
    }
    const tar = join(await this.#here(), "directory.tar");
    const sorted = Deno.build.os === "linux" ? ["--sort=name"] : []; // the same content, the same digest
    await run("tar", ["-cf", tar, ...sorted, "-C", path, "."]);
    const there = `${this.#dir(await digestOfFile(tar))}/${basename(path) || "root"}`;
    const script = '[ -d "$1" ] && echo there || :';
    if ((await this.connection.shell(script, [there])).includes("there")) return there;
    await bring(this.connection, await cargo(tar), `${there}.tar`);
    const unpack =
      'set -e; aside=$1.$$.tmp; mkdir "$aside"; tar -xf "$1.tar" -C "$aside"; mv "$aside" "$1"; rm "$1.tar"';
    await this.connection.shell(unpack, [there]);
    return there;
  }

  /** A group file with all that it stands for, and the paths that its files have there. */
  async #group(file: string | undefined): Promise<string> {
    const { groupToml, readGroup } = await lazyModule<typeof import("../group_file/config.ts")>(
      "src/cli/group_file/config.ts",
    );
    const group = await readGroup(file ?? true, [], {});
    const members = [];
    for (const member of group.members) members.push({ ...member, flags: await this.#flags(member.flags) });
    return await this.#text("fleetbox.toml", groupToml({ ...group, members }));
  }

  async #flags(flags: MemberFlags): Promise<MemberFlags> {
    const { userData, run, fixture, share, image } = flags;
    const each = async (kind: Kind, values: readonly string[] | undefined) => {
      const there = [];
      for (const value of values ?? []) there.push(await this.value(kind, value));
      return there;
    };
    if (share && share.length > 0) await this.value("share", share[0]);
    return {
      ...flags,
      ...(userData === undefined ? {} : { userData: await this.file(userData) }),
      ...(run === undefined ? {} : { run: await each("file", run) }),
      ...(fixture === undefined ? {} : { fixture: await each("directory", fixture) }),
      ...(image === undefined ? {} : { image: await this.value("image", image) }),
    };
  }

  async #text(name: string, text: string): Promise<string> {
    const path = join(await this.#here(), name);
    await writeDurably(path, text, { sync: false });
    return await this.file(path);
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
