/**
 * The fake QEMU's block nodes: a disk that moves, the log of its writes, and the layers of its faults, of which it has the names and
 * what leads where. As in QEMU, a device that is given the node that it has is the end of the process.
 */

import { refuse, type SnapshotOptions } from "./snapshots.ts";

type Json = Record<string, unknown>;

/** How many requests the guest has made, for `query-blockstats`: each time that it is asked, some more, of which some failed. */
const STATS = { rd_operations: 10, failed_rd_operations: 1, wr_operations: 20, flush_operations: 5 };

export function serveDisks({ qmp, behaviour, disk, writeLog, written }: SnapshotOptions): void {
  const nodes = new Map([["disk", disk]]);
  /** Nodes that lead to others, and what leads to them inside of others. */
  const links = new Map<string, string>();
  const inside = new Map<string, string>();
  const objects = new Set<string>();
  const locked: Deno.FsFile[] = [];
  // The guest's disk, and what it reaches first: the same, or what logs its writes.
  let [own, top] = ["disk", "disk"];
  if (writeLog !== undefined) nodes.set(top = "disk-log", writeLog);
  let asked = 0;

  qmp.commands.set("query-block", () => [{
    device: "",
    qdev: "/machine/peripheral/disk-device/virtio-backend",
    "io-status": qmp.status === "io-error" ? "nospace" : "ok",
    inserted: { "node-name": top, image: { "virtual-size": 2 ** 30 } },
  }]);
  qmp.commands.set("query-blockstats", () => {
    asked++;
    const stats = Object.fromEntries(Object.entries(STATS).map(([key, value]) => [key, value * asked]));
    return [{ qdev: "/machine/peripheral/disk-device/virtio-backend", stats }];
  });
  qmp.commands.set(
    "query-named-block-nodes",
    () => [...nodes].flatMap(([name, file]) => [{ "node-name": name, file }, { "node-name": `${name}-file`, file }]),
  );
  qmp.commands.set("x-debug-query-block-graph", () => ({
    nodes: [...nodes.keys()].map((name) => ({ id: name, type: "block-driver", name })),
    edges: [...links].map(([parent, child]) => ({ parent, child, name: "file" })),
  }));
  qmp.commands.set("block-set-write-threshold", () => ({}));
  qmp.commands.set("qom-set", ({ value }) => {
    const node = String(value);
    if (!nodes.has(node)) refuse(`Cannot find device='' nor node-name='${node}'`);
    if (node === top) qmp.die("block.c: bdrv_replace_child_noperm: assertion failed", 134);
    top = node;
    return {};
  });
  qmp.commands.set("object-add", ({ id }) => {
    if (objects.has(String(id))) refuse(`attempt to add duplicate property '${id}' to object (type 'container')`);
    objects.add(String(id));
    return {};
  });
  qmp.commands.set("object-del", ({ id }) => objects.delete(String(id)) ? {} : refuse(`object '${id}' not found`));

  /** The named nodes of a node: itself, and those that are made with it. */
  const named = (options: Json): Json[] => {
    const below = Object.values(options).flat().filter((value): value is Json => typeof value === "object" && !!value);
    return [...(typeof options["node-name"] === "string" ? [options] : []), ...below.flatMap(named)];
  };
  qmp.commands.set("blockdev-add", (args) => {
    const name = String(args["node-name"]);
    if (nodes.has(name)) refuse(`Duplicate nodes with node-name='${name}'`);
    if (args.driver === "qcow2") {
      const { filename } = args.file as { filename: string };
      try {
        const file = Deno.openSync(filename, { read: true, write: true });
        locked.push(file);
        void file.lock(true).catch(() => {});
      } catch {
        refuse(`Could not open '${filename}': No such file or directory`);
      }
      nodes.set(name, filename);
      return {};
    }
    if (behaviour.faults === "fail" && name.startsWith("disk-fault-")) refuse("it was told to fail");
    const config = (args.file as Json | undefined)?.config;
    if (typeof config === "string") Deno.readTextFileSync(config);
    for (const one of named(args)) {
      const inner = String(one["node-name"]);
      nodes.set(inner, (one.log as { filename?: string } | undefined)?.filename ?? "");
      if (inner !== name) inside.set(inner, name);
      if (typeof one.file === "string") links.set(inner, one.file);
    }
    return {};
  });
  qmp.commands.set("blockdev-reopen", ({ options }) => {
    for (const { "node-name": name, file } of options as Json[]) {
      if (!nodes.has(String(name)) || !nodes.has(String(file))) refuse(`Cannot find device='' nor node-name='${file}'`);
    }
    for (const { "node-name": name, file } of options as Json[]) links.set(String(name), String(file));
    return {};
  });
  qmp.commands.set("blockdev-snapshot", ({ node, overlay }) => {
    if (node !== own || !nodes.has(String(overlay))) refuse(`Cannot find device='' nor node-name='${node}'`);
    for (const [parent, child] of links) if (child === own) links.set(parent, String(overlay));
    if (top === own) top = String(overlay);
    own = String(overlay);
    written.path = nodes.get(own)!;
    return {};
  });
  qmp.commands.set("blockdev-del", (args) => {
    const name = String(args["node-name"]);
    if (!nodes.has(name)) refuse(`Failed to find node with node-name='${name}'`);
    const gone = [name, ...[...inside].filter(([, of]) => of === name).map(([inner]) => inner)];
    const isUsed = gone.includes(top) || [...links].some(([from, to]) => gone.includes(to) && !gone.includes(from));
    if (isUsed) refuse(`Node ${name} is in use`);
    for (const one of gone) {
      nodes.delete(one);
      links.delete(one);
      inside.delete(one);
    }
    return {};
  });
}
