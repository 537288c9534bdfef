/**
 * The files of a release, from the four executables that `scripts/compile.ts` made.
 *
 *     scripts/release.ts --repository OWNER/NAME --from DIR --to DIR
 *
 * DIR holds `fleetbox-<os>-<arch>` for each of {@link TARGETS}, and `fleetbox-licences.txt`. The result: each of them
 * compressed, `SHA256SUMS`, `fleetbox.cdx.json` (what is in it: a bill of materials, CycloneDX 1.5), `install.sh`, and
 * Homebrew's `fleetbox.rb`. Nothing is uploaded here.
 */

import { flagsOr, parseArgs } from "./flags.ts";
import { createHash } from "node:crypto";
import { join, resolve } from "../src/system/path.ts";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { ROOT } from "./toolchain.ts";

/** The targets of a release, and Deno's names for them. */
export const TARGETS: Record<string, string> = {
  "linux-x86_64": "x86_64-unknown-linux-gnu",
  "linux-aarch64": "aarch64-unknown-linux-gnu",
  "macos-aarch64": "aarch64-apple-darwin",
  "macos-x86_64": "x86_64-apple-darwin",
};

export interface Release {
  repository: string;
  version: string;
  from: string;
  to: string;
}

/** @throws an executable is missing, or a template has a place that nothing fills. */
export async function makeRelease(release: Release): Promise<void> {
  const { from, to } = release;
  await Deno.mkdir(to, { recursive: true });
  const digests: Record<string, string> = {};
  const write = async (name: string, content: Uint8Array | string) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(join(to, name), bytes);
    digests[name] = createHash("sha256").update(bytes).digest("hex");
  };
  for (const target of Object.keys(TARGETS)) {
    const bytes = await Deno.readFile(join(from, `fleetbox-${target}`));
    await write(`fleetbox-${target}.gz`, await promisify(gzip)(bytes, { level: 9 }));
  }
  const licences = await Deno.readTextFile(join(from, "fleetbox-licences.txt"));
  await write("fleetbox-licences.txt", licences);
  await write("fleetbox.cdx.json", JSON.stringify(await materials(release, licences), null, 2) + "\n");
  for (const [template, name] of [["install.sh", "install.sh"], ["fleetbox.rb.in", "fleetbox.rb"]]) {
    await write(name, fill(await Deno.readTextFile(join(ROOT, "packaging", template)), release, digests));
  }
  const sums = Object.entries(digests).map(([name, digest]) => `${digest}  ${name}\n`).sort();
  await Deno.writeTextFile(join(to, "SHA256SUMS"), sums.join(""));
}

function fill(template: string, { repository, version }: Release, digests: Record<string, string>): string {
  return template.replaceAll(/@(REPOSITORY|VERSION|SHA256:([\w.-]+))@/g, (place, word, file) => {
    const value = word === "REPOSITORY" ? repository : word === "VERSION" ? version : digests[file];
    if (value === undefined) throw new Error(`nothing is known for ${place}`);
    return value;
  });
}

/** The packages that the bundle's licences name, with the lock file's digests; the image; the runtime. */
async function materials({ version, repository }: Release, licences: string): Promise<object> {
  const lock = JSON.parse(await Deno.readTextFile(join(ROOT, "package-lock.json")));
  const image = JSON.parse(await Deno.readTextFile(join(ROOT, "build/micro/image.json")));
  const deno = lock.packages["node_modules/deno"].version as string;
  const packages = [...licences.matchAll(/^(\S+) (\d\S*) \((\S+)\)$/gm)].map(([, name, version, licence]) => {
    const { integrity } = lock.packages[`node_modules/${name}`];
    const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
    return {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      purl,
      licenses: [{ license: { id: licence } }],
      hashes: [{ alg: "SHA-512", content: hexOf(integrity) }],
    };
  });
  const files = ["kernel", "initrd", "disk"].map((part) => ({
    type: "file",
    name: `micro/${image[part]}`,
    hashes: [{ alg: "SHA-256", content: image.sha256[part] }],
  }));
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: { type: "application", "bom-ref": "fleetbox", name: "fleetbox", version, licenses: [mit] },
      properties: [{ name: "repository", value: repository }],
    },
    components: [
      { type: "platform", "bom-ref": "deno", name: "deno", version: deno, licenses: [mit] },
      {
        type: "operating-system",
        "bom-ref": "micro",
        name: "micro",
        version: image.version,
        description: "Debian's kernel, busybox, dropbear and sudo, as images/micro/build puts them together",
        components: files,
      },
      ...packages,
    ],
    dependencies: [{ ref: "fleetbox", dependsOn: ["deno", "micro", ...packages.map((one) => one["bom-ref"])] }],
  };
}

const mit = { license: { id: "MIT" } };

/** `sha512-<base64>`, as lock files have it. */
function hexOf(integrity: string): string {
  return integrity.startsWith("sha512-") ? Uint8Array.fromBase64(integrity.slice("sha512-".length)).toHex() : "";
}

function parseFlags(args: string[]): Release {
  const { repository, from, to } = flagsOr("usage: release.ts --repository OWNER/NAME --from DIR --to DIR", () => {
    const { values } = parseArgs({
      args,
      options: { repository: { type: "string" }, from: { type: "string" }, to: { type: "string" } },
    });
    const { repository, from, to } = values;
    if (repository && from && to) return { repository, from, to };
    throw new Error("release: a flag is missing");
  });
  const { version } = JSON.parse(Deno.readTextFileSync(join(ROOT, "package.json")));
  return { repository, version, from: resolve(from), to: resolve(to) };
}

if (import.meta.main) await makeRelease(parseFlags(Deno.args));
