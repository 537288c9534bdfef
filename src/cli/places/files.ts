/**
 * Files of this host that a command for a place names: each is brought there by its digest, once, and the command gets the
 * path that it has there. A directory is brought as it is now.
 */

import { Carrier } from "../../control/places/carrier.ts";
import type { PlaceConnection } from "../../control/places/connection.ts";
import { variable } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import type { Place } from "../../store/places.ts";
import { isFile } from "../../system/files.ts";
import { warn } from "../terminal/output.ts";
import type { MemberFlags } from "../arguments/member_options.ts";
import { bytesText } from "../arguments/sizes.ts";

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
  await using carrier = new Carrier(connection, place, (path, bytes) => {
    warn(`bringing ${path} (${bytesText(bytes)}) to ${place.name}…`);
  });
  const values = new Values(carrier);
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
    line.push(flag, await values.value(kind, value));
  }
  if (OPERANDS.includes(`${first} ${second}`)) {
    const index = line.findIndex((word, at) => at > 1 && !word.startsWith("-") && isFile(word));
    if (index > 0) line[index] = await values.value("file", line[index]);
  }
  const image = OPTIONS[first] ? variable("FLEETBOX_IMAGE") : undefined;
  return { words: line, env: image === undefined ? {} : { FLEETBOX_IMAGE: await values.value("image", image) } };
}

/** Values of options, as they have to be there. */
class Values {
  constructor(private readonly carrier: Carrier) {}

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
        return colon <= 0 ? value! : await this.carrier.directory(value!.slice(0, colon)) + value!.slice(colon);
      }
      case "image":
        return await this.carrier.image(value!);
      case "group":
        return await this.#group(value);
      case "file":
        if (value !== "-") return await this.carrier.file(value!);
        return await this.carrier.text("stdin", await new Response(Deno.stdin.readable).text());
    }
  }

  /** A group file with all that it stands for, and the paths that its files have there. */
  async #group(file: string | undefined): Promise<string> {
    const { groupToml, readGroup } = await lazyModule<typeof import("../group_file/config.ts")>(
      "src/cli/group_file/config.ts",
    );
    const group = await readGroup(file ?? true, [], {});
    const members = [];
    for (const member of group.members) members.push({ ...member, flags: await this.#flags(member.flags) });
    return await this.carrier.text("fleetbox.toml", groupToml({ ...group, members }));
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
      ...(userData === undefined ? {} : { userData: await this.value("file", userData) }),
      ...(run === undefined ? {} : { run: await each("file", run) }),
      ...(fixture === undefined ? {} : { fixture: await each("directory", fixture) }),
      ...(image === undefined ? {} : { image: await this.value("image", image) }),
    };
  }
}
