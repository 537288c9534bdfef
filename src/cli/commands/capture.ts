/** `fleetbox capture`: frames of a group as pcapng, for Wireshark and the like. */

import { writeAll } from "../../core/bytes.ts";
import { startLimit } from "../../core/deadline.ts";
import { FleetboxError, isNoSpace } from "../../core/errors.ts";
import { GATEWAY } from "../../core/faults/gateway_name.ts";
import { listed } from "../../core/names.ts";
import { type CaptureStream, openCapture } from "../../control/bytes/capture.ts";
import { statIfThere } from "../../system/files.ts";
import { parseDurationMs } from "../arguments/duration.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { checkNewFile } from "../arguments/new_file.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { memberAsked } from "../group_asked.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { warn } from "../terminal/output.ts";

interface Flags {
  write?: string;
  for?: string;
  force?: boolean;
}

export function captureCommand(): Command {
  return new Command("capture")
    .description("capture frames of members as pcapng, with what became of them")
    .argument("[names...]", `members of one group, and ${GATEWAY} (default: all of the only group that runs)`)
    .option("-w, --write <file>", "into a new file (default: standard output)")
    .option("--for <duration>", "end after this time (default: at Ctrl-C, or with the group)")
    .option("--force", "overwrite the file")
    .addHelpText(
      "after",
      `
An interface for each member. A frame is there once: outbound, on its sender's interface, when that is captured; else
inbound, on the interface of each receiver that is. Frames that the switch drops are there too, with the cause as a
comment: a fault, the guard, a full queue; comments also tell when faults begin and end. docs/capture.md has the rest.

Examples:
  fleetbox capture a,b -w out.pcapng --for 30s
  fleetbox capture a | wireshark -k -i -
  fleetbox capture | tshark -r - -Y frame.comment`,
    )
    .action(async (words: string[], flags: Flags) => {
      const forMs = flags.for === undefined ? undefined : parseDurationMs(flags.for, "--for");
      const file = flags.write === "-" ? undefined : flags.write;
      if (file === undefined) checkOutput(flags);
      else checkNewFile(file, { force: flags.force, how: "written" });
      const store = openStore();
      const names = words.length > 0 ? parseNames(words) : undefined;
      const members = names?.filter((name) => name !== GATEWAY) ?? [];
      const via = await memberAsked(store, members, (one) => `Name members of one: fleetbox capture ${one}`);
      using interrupt = new Interrupt(() => undefined);
      using stream = await openCapture(store, via, names);
      using output = await openOutput(file, flags);
      const finish = () => void stream.finish();
      interrupt.signal.addEventListener("abort", finish);
      const endLimit = forMs === undefined ? () => {} : startLimit(forMs, finish);
      warn(`capturing ${listed(stream.members)}${forMs === undefined ? "; Ctrl-C ends it" : ""}`);
      try {
        await copy(stream, output);
      } finally {
        endLimit();
      }
    });
}

/** @throws {FleetboxError} `misuse`: standard output is no place for frames */
function checkOutput({ force }: Flags): void {
  if (force) throw new FleetboxError("misuse", "--force has no effect without -w");
  if (!Deno.stdout.isTerminal()) return;
  throw new FleetboxError("misuse", "Standard output is a terminal, and frames are no text", {
    hint: "Write a file: -w out.pcapng; or give them to a program: fleetbox capture | wireshark -k -i -",
  });
}

/** Where the blocks go. */
interface Output extends Disposable {
  /** For messages. */
  name: string;
  /** Writes blocks, whole. False: nobody reads them any more. @throws {FleetboxError} what is written can be read all the same */
  write(blocks: Uint8Array): Promise<boolean>;
}

async function openOutput(path: string | undefined, { force = false }: Flags): Promise<Output> {
  if (path === undefined) {
    const name = "standard output";
    return { name, write: (blocks) => written(name, Deno.stdout, blocks), [Symbol.dispose]() {} };
  }
  const isDevice = statIfThere(path)?.isFile === false;
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, {
      write: true,
      ...(isDevice ? {} : force ? { create: true, truncate: true } : { createNew: true }),
      mode: 0o600,
    });
  } catch (cause) {
    throw new FleetboxError(isNoSpace(cause) ? "no-space" : "failed", `Cannot write ${path}`, { cause });
  }
  let size = 0;
  return {
    name: path,
    async write(blocks) {
      try {
        const isRead = await written(path, file, blocks);
        size += blocks.length;
        return isRead;
      } catch (thrown) {
        if (!isDevice) await file.truncate(size).catch(() => {}); // it ends with a whole block
        throw thrown;
      }
    },
    [Symbol.dispose]: () => file.close(),
  };
}

async function written(name: string, to: Pick<Deno.FsFile, "write">, blocks: Uint8Array): Promise<boolean> {
  try {
    await writeAll(to, blocks);
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.BrokenPipe) return false;
    const isFull = isNoSpace(cause);
    throw new FleetboxError(isFull ? "no-space" : "failed", `Cannot write frames to ${name}`, {
      cause,
      ...(isFull ? { hint: "What was captured until then can be read; make space and capture again." } : {}),
    });
  }
}

/** Copies the stream to its end, and tells what there was. @throws {FleetboxError} `failed`: the holder has ended before the capture */
async function copy(stream: CaptureStream, output: Output): Promise<void> {
  for (let blocks = await stream.read(); blocks; blocks = await stream.read()) {
    if (blocks.length > 0 && !await output.write(blocks)) return;
  }
  const { packets, missing } = stream;
  const frames = (count: number) => `${count} ${count === 1 ? "frame" : "frames"}`;
  if (missing === undefined) {
    const kept = `${frames(packets)} until then are in ${output.name}`;
    throw new FleetboxError("failed", `The capture ended, because the group's holder was killed; ${kept}`, {
      hint: "Capture again: its guardian or the next command brings the holder back.",
    });
  }
  warn(`captured ${frames(packets)} to ${output.name}`);
  if (missing > 0) warn(`${frames(missing)} more are not in it, because it was written too slowly`);
}
