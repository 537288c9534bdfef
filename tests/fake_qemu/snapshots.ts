/**
 * The fake QEMU's side of snapshots: a memory that is a file, a migration whose stream is a small JSON, a disk that moves.
 *
 * A memfd is not to be had here, so the memory is a file without a name whose path ends as a memfd's does; a few of its
 * bytes are used, the rest is a hole.
 */

import type { Behaviour } from "./qemu.ts";
import type { Guest, GuestState } from "./guest.ts";
import { type QmpServer, Refusal } from "./qmp_server.ts";
import { sleep } from "./qemu.ts";
import { serveDisks } from "./block_nodes.ts";
import type { WrittenDisk } from "./written_disk.ts";

const TEXT_BYTES = 4096;
/** Where what it has written is: see `written_disk.ts`. */
const WRITTEN_AT = 2 * TEXT_BYTES;
const WRITTEN_BYTES = 36;

export class FakeMemory {
  readonly #file: Deno.FsFile | undefined;
  #text = "";
  #written = "";

  /** @param place where the file has its name for a moment: a process that is killed just then leaves it there */
  constructor(isFile: boolean, sizeMiB: number, place: string) {
    if (!isFile) return;
    const dir = Deno.makeTempDirSync({ dir: place, prefix: "fake-memory-" });
    try {
      this.#file = Deno.openSync(`${dir}/memfd:memory-backend-memfd`, { read: true, write: true, createNew: true });
      this.#file.truncateSync(sizeMiB * 1024 * 1024);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
    this.text = "";
  }

  get text(): string {
    if (!this.#file) return this.#text;
    const bytes = new Uint8Array(TEXT_BYTES);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    const count = this.#file.readSync(bytes) ?? 0;
    return new TextDecoder().decode(bytes.subarray(0, count)).split("\n")[0];
  }

  set text(text: string) {
    this.#text = text;
    this.#file?.seekSync(0, Deno.SeekMode.Start);
    this.#file?.writeSync(new TextEncoder().encode(`${text.slice(0, TEXT_BYTES / 4)}\n`));
  }

  get written(): string {
    if (!this.#file) return this.#written;
    const bytes = new Uint8Array(WRITTEN_BYTES);
    this.#file.seekSync(WRITTEN_AT, Deno.SeekMode.Start);
    this.#file.readSync(bytes);
    return new TextDecoder().decode(bytes);
  }

  set written(id: string) {
    this.#written = id;
    this.#file?.seekSync(WRITTEN_AT, Deno.SeekMode.Start);
    this.#file?.writeSync(new TextEncoder().encode(id));
  }
}

export interface SnapshotOptions {
  written: WrittenDisk;
  qmp: QmpServer;
  behaviour: Behaviour;
  guest: Guest;
  memory: FakeMemory;
  disk: string;
  /** Where what is written to it is logged: here nothing is, so a log stays empty. */
  writeLog?: string;
}

export const refuse = (message: string): never => {
  throw new Refusal("GenericError", message);
};

/** Gives the control socket the commands of migration and of disks. */
export function serveSnapshots(options: SnapshotOptions): void {
  serveMigration(options);
  serveDisks(options);
}

function serveMigration({ qmp, behaviour, guest, written }: SnapshotOptions): void {
  const capabilities = new Set<string>();
  let error = "";
  let cancel = () => {};
  const tell = (status: string) => capabilities.has("events") && qmp.event("MIGRATION", { status });
  const pathOf = (args: Record<string, unknown>) => String(args.uri).replace(/^unix:/, "");

  qmp.commands.set("migrate-set-capabilities", ({ capabilities: given }) => {
    for (const { capability, state } of given as { capability: string; state: boolean }[]) {
      if (state) capabilities.add(capability);
      else capabilities.delete(capability);
    }
    return {};
  });
  qmp.commands.set("query-migrate", () => error === "" ? {} : { status: "failed", "error-desc": error });

  const send = async (path: string, before: string) => {
    const cancelled = new Promise<"cancelled">((resolve) => cancel = () => resolve("cancelled"));
    tell("setup");
    let ending: "completed" | "failed" | "cancelled";
    try {
      using target = await Deno.connect({ transport: "unix", path });
      tell("active");
      if (behaviour.saveMs) await sleep(behaviour.saveMs);
      if (behaviour.save === "fail") throw new Error("it was told to fail");
      if (behaviour.save === "hang") await cancelled;
      else await target.write(new TextEncoder().encode(JSON.stringify({ status: before, guest: guest.state() })));
      ending = behaviour.save === "hang" ? "cancelled" : "completed";
    } catch (thrown) {
      error = (thrown as Error).message;
      ending = "failed";
    }
    tell(ending);
    await sleep(1); // as in QEMU, the run state follows
    qmp.status = ending === "completed" ? "postmigrate" : before;
  };
  qmp.commands.set("migrate", (args) => {
    if (qmp.status === "postmigrate") refuse("Can't migrate the vm that was paused due to previous migration");
    if (qmp.status === "inmigrate") refuse("Guest is waiting for an incoming migration");
    const before = qmp.status;
    error = "";
    qmp.status = "finish-migrate";
    void send(pathOf(args), before);
    return {};
  });
  qmp.commands.set("migrate_cancel", () => {
    cancel();
    return {};
  });

  const receive = async (listener: Deno.UnixListener) => {
    const source = await listener.accept();
    tell("active");
    const text = await new Response(source.readable).text();
    if (behaviour.incoming === "hang") return;
    listener.close(); // which removes the socket, as in QEMU
    let state: { guest: GuestState };
    try {
      state = JSON.parse(text);
      if (behaviour.incoming === "fail") throw new Error("it was told to fail");
    } catch {
      tell("failed");
      qmp.die("load of migration failed: Invalid argument", 1);
    }
    qmp.status = "paused";
    written.check();
    const { onCont } = qmp;
    qmp.onCont = () => {
      qmp.onCont = onCont;
      guest.load(state.guest);
      onCont();
    };
    tell("completed");
  };
  qmp.commands.set("migrate-incoming", (args) => {
    if (qmp.status !== "inmigrate") refuse("'-incoming' was not specified on the command line");
    tell("setup");
    void receive(Deno.listen({ transport: "unix", path: pathOf(args) }));
    return {};
  });
}
