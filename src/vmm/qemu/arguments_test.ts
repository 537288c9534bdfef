import * as assert from "#assert";
import fc from "fast-check";
import { FleetboxError } from "../../core/errors.ts";
import type { MachineSpec } from "../contract.ts";
import { architectureOf, checkSpec, machineArguments, option } from "./arguments.ts";

const SPEC: MachineSpec = {
  name: "web-1",
  cpus: 2,
  memoryMiB: 512,
  mac: "52:54:00:12:34:56",
  disk: "/s/disk.qcow2",
  seed: "/s/seed.img",
  boot: { kind: "kernel", kernel: "/i/vmlinuz", initrd: "/i/initrd", cmdline: "console=ttyS0 quiet" },
  controlSocket: "/s/qmp.sock",
  netSocket: "/s/net.sock",
  consoleSocket: "/s/con.sock",
  serialLog: "/s/serial.log",
  bound: false,
  accelerator: "tcg",
  binary: "/usr/bin/qemu-system-x86_64",
};

/** QEMU's own reading of `key=value,…`: a doubled comma is a comma. */
function read(text: string): Record<string, string> {
  const parts: string[] = [""];
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== ",") parts[parts.length - 1] += text[at];
    else if (text[at + 1] === ",") parts[parts.length - 1] += text[at++];
    else parts.push("");
  }
  return Object.fromEntries(parts.map((part) => {
    const at = part.indexOf("=");
    return at < 0 ? ["", part] : [part.slice(0, at), part.slice(at + 1)];
  }));
}

Deno.test("a value comes out of an option as it went in, whatever is in it", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.string(), (first, second) => {
    assert.deepEqual(read(option("kind", { first, second })), { "": "kind", first, second });
  }));
});

Deno.test("no path and no kernel command line can become an option, or another key", () => {
  const shape = (args: string[]) =>
    args.map((argument) =>
      argument.startsWith("-") || !argument.includes("=") ? argument : Object.keys(read(argument))
    );
  const path = fc.string({ unit: "grapheme" }).map((text) => "/" + text.replaceAll("\0", ""));
  fc.assert(fc.property(path, path, path, path, (disk, seed, serialLog, netSocket) => {
    assert.deepEqual(
      shape(machineArguments({ ...SPEC, disk, seed, serialLog, netSocket })),
      shape(machineArguments(SPEC)),
    );
  }));
  fc.assert(fc.property(path, fc.string(), (kernel, cmdline) => {
    const args = machineArguments({ ...SPEC, boot: { kind: "kernel", kernel, cmdline } });
    assert.deepEqual(args.slice(args.indexOf("-kernel")).slice(0, 4), ["-kernel", kernel, "-append", cmdline]);
  }));
});

Deno.test("a guest may restart itself, memory is not allocated ahead, and volumes keep their order and mode", () => {
  const args = machineArguments({ ...SPEC, extraDisks: [{ path: "/x", readOnly: true, format: "raw" }] });
  assert.ok(!args.includes("-no-reboot") && !args.includes("-mem-prealloc") && !args.includes("-S"));
  const drives = args.filter((argument) => argument.startsWith("virtio-blk-pci")).map((text) => read(text).drive);
  assert.deepEqual(drives, ["disk", "seed", "extra0"]);
  const modes = args.filter((argument) => argument.startsWith("driver=file")).map((text) => read(text)["read-only"]);
  assert.deepEqual(modes, [undefined, "on", "on"]);
});

Deno.test("a port for an agent is the serial port behind the console; without one there is the console alone", () => {
  const ports = (spec: MachineSpec) => {
    const args = machineArguments(spec);
    const serial = args.filter((_, at) => args[at - 1] === "-serial");
    const sockets = new Map(args.filter((_, at) => args[at - 1] === "-chardev").map(read).map((one) => [one.id, one]));
    return serial.map((device) => sockets.get(device.replace("chardev:", ""))!.path);
  };
  assert.deepEqual(ports({ ...SPEC, agentSocket: "/s/a,gt" }), ["/s/con.sock", "/s/a,gt"]);
  assert.deepEqual(ports(SPEC), ["/s/con.sock"]);
  checkSpec({ ...SPEC, agentSocket: "/s/agt" });
});

Deno.test("the machine fits the program: by its name, else by the host", () => {
  assert.equal(architectureOf("/usr/bin/qemu-system-aarch64"), "aarch64");
  assert.equal(architectureOf("/usr/libexec/qemu-kvm"), Deno.build.arch);
  assert.ok(
    machineArguments({ ...SPEC, binary: "qemu-system-aarch64" }).some((argument) => argument.startsWith("virt")),
  );
});

const BAD: [string, Partial<MachineSpec>, RegExp][] = [
  ["a name that is none", { name: "a,b" }, /Not a member name/],
  ["no processor", { cpus: 0 }, /cpus is 0/],
  ["half a mebibyte", { memoryMiB: 0.5 }, /memoryMiB is 0.5/],
  ["a group address", { mac: "53:54:00:00:00:01" }, /mac is/],
  ["a MAC with more behind it", { mac: "52:54:00:00:00:01,romfile=/x" }, /mac is/],
  ["a relative disk", { disk: "-x" }, /disk is "-x", expected an absolute path/],
  ["a disk with a protocol", { disk: "nbd:host:1" }, /disk is/],
  ["a NUL in a path", { seed: "/a\0b" }, /seed is/],
  ["a relative kernel", { boot: { kind: "kernel", kernel: "k", cmdline: "" } }, /kernel is/],
  ["a socket that is too deep", { netSocket: "/" + "ü".repeat(60) }, /netSocket is .*121 bytes.*at most/],
  ["a socket for an agent that is too deep", { agentSocket: "/" + "x".repeat(120) }, /agentSocket is .*at most/],
  [
    "an agent where there is one serial port",
    { agentSocket: "/a", binary: "/usr/bin/qemu-system-aarch64" },
    /agentSocket is set for aarch64, expected none/,
  ],
  ["an accelerator that is none", { accelerator: "tcg,thread=single" as "tcg" }, /accelerator is/],
];
for (const [what, changes, message] of BAD) {
  Deno.test(`check() refuses ${what}`, () => {
    assert.throws(
      () => checkSpec({ ...SPEC, ...changes }),
      (error) => error instanceof FleetboxError && error.code === "misuse" && message.test(error.message),
    );
  });
}

Deno.test("check() takes a sound spec", () => checkSpec(SPEC));
