/** `fleetbox image`: the images in the store: list, download, build, delete. */

import { Command } from "../arguments/parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import { type CachedImage, cachedImages, damagedImages, removeImage } from "../../image/cache.ts";
import { type Architecture, CATALOG, debianArchitecture, parseArchitecture } from "../../image/catalog.ts";
import { ALIASES } from "../../image/image.ts";
import type { Store } from "../../store.ts";
import { removeTemplate, snapshotsOfImage, templates } from "../../store/snapshots.ts";
import { buildable, buildCommand, tellResult } from "../image_build/command.ts";
import { paintFor } from "../terminal/colour.ts";
import { beingMade, imageUsers } from "../image_users.ts";
import { ageText } from "../arguments/duration.ts";
import { throwAll } from "../error_text.ts";
import { listed } from "../../core/names.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { imageReference } from "../../core/image_reference.ts";
import { Meter } from "../terminal/meter.ts";
import { suggestion } from "../../core/nearest.ts";
import { say, sayJson, warn } from "../terminal/output.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { tableLines } from "../terminal/table.ts";
import { atPlace } from "../places/current.ts";

export function imageCommand(): Command {
  const command = new Command("image").description("list, download, build and delete disk images");
  for (const make of [listImagesCommand, pullCommand, buildCommand, removeImagesCommand]) {
    command.addCommand(make().helpOption("-h, --help", "print help"));
  }
  return command.helpCommand(false).addHelpText(
    "after",
    `
Images that can be downloaded: ${CATALOG.map(({ alias }) => alias).join(", ")}.
Images that can be built here from Debian's packages: ${buildable().join(", ")}.

Examples:
  fleetbox image build debian-12
  fleetbox image build debian-12 --package nginx --run setup.sh --as web
  fleetbox image pull ubuntu-24.04
  fleetbox image ls`,
  );
}

/** An image in the store, for the output. */
interface ImageView {
  image?: string;
  id: string;
  arch: string;
  bytes: number;
  /** When it was added, ISO 8601. */
  since: string;
  origin: string;
  from?: string;
  members: string[];
  /** Templates of machines with it, the one that was used last first. */
  templates: { key: string; bytes: number; made_at: string; used: string }[];
}

function listImagesCommand(): Command {
  return new Command("ls")
    .alias("list")
    .description("list the images in the store, with the members that use them")
    .option("--all", "also images that can be downloaded or built")
    .option("--json", "one JSON array")
    .addHelpText(
      "after",
      `
Below them: how many templates there are for each image, from which new members start warm.

--json: [{"image"?,"id","arch","bytes","since","origin","from"?,"members","templates":[{"key",
"bytes","made_at","used"}]}], with --all also {"image","arch","available":["download","build"],
"url","date"} for what is not here.

Examples:
  fleetbox image ls
  fleetbox image ls --all`,
    )
    .action((flags: { all?: boolean; json?: boolean }) => {
      const store = openStore();
      const here = imageViews(store);
      for (const { id, why } of damagedImages(store)) warn(`the image ${id} is damaged: ${why}`);
      const absent = flags.all ? availableViews(here) : [];
      if (flags.json) return sayJson([...here, ...absent]);
      if (here.length + absent.length === 0) return warn(atPlace("no images yet: fleetbox image ls --all"));
      const rows = here.map((view) => [
        view.image ?? "-",
        view.arch,
        bytesText(view.bytes),
        ageText(Date.now() - Date.parse(view.since)),
        view.origin,
        view.members.join(" ") || "-",
        view.id,
      ]);
      const others = absent.map(({ image, arch, available, date }) => [
        image,
        arch,
        "-",
        "-",
        available.map((way) => way === "build" ? "can be built" : `can be downloaded (${date})`).join(", "),
        "-",
        "-",
      ]);
      const head = ["IMAGE", "ARCH", "SIZE", "AGE", "ORIGIN", "MEMBERS", "ID"];
      tableLines(head, [...rows, ...others].map((row) => row.map((text) => ({ text }))), paintFor()).forEach(say);
      templateLines(here).forEach(say);
    });
}

/** A table of the templates, an image a line; nothing where there are none. */
function templateLines(images: readonly ImageView[]): string[] {
  const rows = images.filter(({ templates }) => templates.length > 0).map(({ image, id, templates }) => [
    image ?? id,
    String(templates.length),
    bytesText(templates.reduce((sum, { bytes }) => sum + bytes, 0)),
    ageText(Date.now() - Date.parse(templates[0].used)),
  ]);
  if (rows.length === 0) return [];
  const head = ["TEMPLATES OF", "COUNT", "SIZE", "USED"];
  return ["", ...tableLines(head, rows.map((row) => row.map((text) => ({ text }))), paintFor())];
}

function imageViews(store: Store): ImageView[] {
  const users = imageUsers(store);
  const machines = templates(store);
  return cachedImages(store).map(({ id, manifest, bytes, since, refs }) => ({
    ...(refs[0] ? { image: shownRef(refs[0].ref) } : manifest.name === "micro" ? { image: "micro" } : {}),
    id,
    arch: debianArchitecture(manifest.arch ?? Deno.build.arch),
    bytes,
    since: since.toISOString(),
    origin: manifest.origin?.kind ?? "built in",
    ...(manifest.origin?.from === undefined ? {} : { from: manifest.origin.from }),
    members: users.get(id) ?? [],
    templates: machines.flatMap((one) =>
      "manifest" in one && one.manifest.member.config.image_id === id
        ? [{ key: one.key, bytes: one.bytes, made_at: one.manifest.made_at, used: one.used.toISOString() }]
        : []
    ),
  }));
}

/** The name of a compressed file without its size and time. */
function shownRef(ref: string): string {
  return ref.startsWith("/") ? ref.replace(/ \d+ \d+$/, "") : ref;
}

function availableViews(here: readonly ImageView[]) {
  return CATALOG.flatMap(({ alias, files, build }) =>
    Object.entries(files).flatMap(([arch, file]) => {
      if (here.some((view) => view.image === alias && view.arch === arch)) return [];
      const canBuild = build && arch === debianArchitecture(Deno.build.arch);
      const available: ("download" | "build")[] = canBuild ? ["download", "build"] : ["download"];
      return [{ image: alias, arch, available, url: file.url, date: file.date }];
    })
  );
}

interface FetchFlags {
  arch?: string;
  json?: boolean;
}

function pullCommand(): Command {
  return new Command("pull")
    .description("download an image into the store")
    .argument("<image>", "an alias, or an address: https://host/disk.qcow2#sha256=…")
    .option("--arch <arch>", "amd64 or arm64 (default: this host's)")
    .option("--json", "one JSON object per event")
    .addHelpText(
      "after",
      `
An interrupted download resumes. An address without a digest is downloaded again,
and an alias that was built here is downloaded: they stand for that image
afterwards; members keep the image that they were made on.

Events of --json: {"event":"download","image","step","bytes","total"?,"rate"}, and at the end
{"event":"pull","image","id","bytes"}.

Example:
  fleetbox image pull ubuntu-24.04`,
    )
    .action(async (word: string, flags: FetchFlags) => {
      const store = openStore();
      const ref = imageReference(word, Deno.cwd);
      if (ref === "micro") throw new FleetboxError("misuse", "micro comes with fleetbox: there is nothing to download");
      requireKnown(ref);
      const { fetchImage } = await import("../../image/fetch.ts");
      const meter = new Meter(shownWord(word), flags.json ?? false);
      using interrupt = new Interrupt(() => void meter.end());
      const started = performance.now();
      try {
        const directory = await fetchImage(store, ref, {
          arch: architecture(flags.arch),
          again: true,
          signal: interrupt.signal,
          onDownload: (progress) => meter.transfer(progress),
        });
        meter.end();
        tellResult("pull", ref, directory, started, flags.json ?? false);
      } finally {
        meter.end();
      }
    });
}

function requireKnown(ref: string): void {
  if (/^https?:\/\//i.test(ref) || ref.startsWith("/") || ALIASES.includes(ref)) return;
  throw new FleetboxError("not-found", `There is no image "${ref}" in the catalogue`, {
    hint: suggestion(ref, ALIASES.filter((one) => one !== "micro")),
  });
}

/** The label before the bar: an address is too long for it. */
function shownWord(word: string): string {
  return word.replace(/#.*$/, "").replace(/^https?:\/\/.*\//i, "") || word;
}

function removeImagesCommand(): Command {
  return new Command("rm")
    .aliases(["delete", "remove"])
    .description("delete images that no member and no checkpoint uses")
    .argument("<images...>", "what ls shows under IMAGE or ID")
    .option("--json", 'one JSON object: {"event":"image-rm","removed":["…"]}')
    .addHelpText("after", "\nExample:\n  fleetbox image rm debian-12")
    .action(async (words: string[], flags: { json?: boolean }) => {
      const store = openStore();
      const [failures, removed]: [unknown[], string[]] = [[], []];
      for (const word of words) {
        try {
          for (const image of imagesOf(store, word)) {
            await removeUnused(store, image);
            removed.push(image.id);
            if (!flags.json) say(`${image.id} removed`);
          }
        } catch (thrown) {
          failures.push(thrown);
        }
      }
      if (flags.json) sayJson({ event: "image-rm", removed });
      throwAll(failures);
    });
}

function imagesOf(store: Store, word: string): CachedImage[] {
  const all = cachedImages(store);
  const found = all.filter(({ id, manifest, refs }) =>
    id === word || refs.some(({ ref }) => shownRef(ref) === word) || (word === "micro" && manifest.name === "micro")
  );
  if (found.length > 0) return found;
  const words = all.flatMap(({ id, manifest, refs }) => {
    const names = [...refs.map(({ ref }) => shownRef(ref)), ...(manifest.name === "micro" ? ["micro"] : [])];
    return names.length > 0 ? names : [id];
  });
  const parts = word.split(",");
  const isList = parts.length > 1 && parts.every((part) => words.includes(part));
  throw new FleetboxError("not-found", `There is no image "${word}" in the store`, {
    hint: isList
      ? `Separate images by spaces: fleetbox image rm ${parts.join(" ")}`
      : suggestion(word, [...new Set(words)]) ?? "List all images: fleetbox image ls --all",
  });
}

async function removeUnused(store: Store, { id }: CachedImage): Promise<void> {
  const members = imageUsers(store).get(id);
  if (members !== undefined) {
    throw new FleetboxError(
      "conflict",
      `Cannot remove the image ${id}: the disks of ${members.join(", ")} are based on it`,
      {
        hint: `Remove its members first: fleetbox rm ${members.join(" ")}`,
      },
    );
  }
  const { checkpoints, templates, unsure } = snapshotsOfImage(store, id);
  if (checkpoints.length > 0) {
    throw new FleetboxError(
      "conflict",
      `Cannot remove the image ${id}: the checkpoints ${checkpoints.join(", ")} are based on it`,
      {
        hint: `Remove them first: fleetbox checkpoint rm ${checkpoints.join(" ")}`,
      },
    );
  }
  if (unsure.length > 0) {
    throw new FleetboxError("conflict", `Cannot remove the image ${id}: what cannot be read may be based on it`, {
      cause: new Error(unsure.join("\n")),
      hint: "Correct that, or remove it: fleetbox rm, for a member; fleetbox checkpoint rm, for a checkpoint",
    });
  }
  const made = beingMade(store);
  if (made.length > 0) {
    throw new FleetboxError("conflict", `Cannot remove the image ${id}: ${listed(made)} may be made on it just now`, {
      hint: `Wait until that is over: fleetbox wait ${made.join(" ")}`,
    });
  }
  await removeImage(store, id);
  for (const key of templates) await removeTemplate(store, key); // of no use without it
}

/** @throws {FleetboxError} `misuse` */
function architecture(text: string | undefined): Architecture | undefined {
  if (text === undefined) return undefined;
  const arch = parseArchitecture(text);
  if (arch) return arch;
  throw new FleetboxError("misuse", `Bad value for --arch: found ${JSON.stringify(text)}, expected amd64 or arm64`);
}
