import * as assert from "#assert";
import { darwin, host, replaceHost } from "../../../system/os.ts";
import { FAKE_QEMU, Workspace } from "../../../../tests/fake_qemu/machine.ts";
import { hardwareFit, hostFit, parseBuild, qmpBuild, snapshotSupport } from "./fit.ts";

Deno.test("QEMU's own words for its build are the same on its command line and in its greeting", () => {
  const output = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022 …\n";
  const build = "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)";
  assert.equal(parseBuild(output), build);
  assert.equal(qmpBuild({ version: [7, 2, 22], build: "Debian 1:7.2+dfsg-7+deb12u18+b3" }), build);
  assert.equal(parseBuild("QEMU emulator version 9.1.0\n"), qmpBuild({ version: [9, 1, 0], build: "" }));
});

Deno.test("another build, another accelerator, and with KVM another processor or kernel, are other facts", () => {
  const facts = (build: string, accelerator: string) => hostFit(build, "/usr/bin/qemu-system-x86_64", accelerator);
  const here = facts("7.2.22", "tcg");
  assert.notEqual(facts("7.2.23", "tcg"), here);
  assert.notEqual(facts("7.2.22", "kvm"), here);
  const kvm = facts("7.2.22", "kvm");
  using _ = replaceHost({ ...host(), processor: () => "another" });
  assert.equal(facts("7.2.22", "tcg"), here, "an emulated CPU is not the host's");
  assert.notEqual(facts("7.2.22", "kvm"), kvm);
});

Deno.test("a machine with one thing more or less is another machine; its name and paths do not count", async () => {
  await using workspace = new Workspace();
  const spec = await workspace.spec();
  const fits = hardwareFit(spec);
  assert.equal(hardwareFit({ ...spec, name: "b", disk: "/other", controlSocket: "/c", serialLog: "/l" }), fits);
  const volume = { path: "/x", readOnly: true, format: "raw" } as const;
  const others = [
    { cpus: 2 },
    { memoryMiB: 65 },
    { mac: "52:54:00:00:00:0c" },
    { seed: undefined },
    { extraDisks: [volume] },
    { agentSocket: "/agt" },
    { boot: { kind: "kernel", kernel: "/k", cmdline: "" } as const },
    { boot: { kind: "firmware", uefi: { code: "/c", vars: "/v" } } as const },
  ].map((changes) => hardwareFit({ ...spec, ...changes }));
  assert.equal(new Set([fits, ...others]).size, others.length + 1);
});

Deno.test("what can be saved here is said with the facts, or with the reason why not", async () => {
  const support = await snapshotSupport(FAKE_QEMU, "tcg");
  assert.ok(support.kind === "available" && support.facts.startsWith("QEMU 7.2.22 (fleetbox's fake QEMU); x86_64; "));
  using _ = replaceHost(darwin());
  const refused = await snapshotSupport(FAKE_QEMU, "hvf");
  assert.ok(refused.kind === "unavailable" && /cannot be saved on macOS/.test(refused.reason));
});
