/**
 * The import arrows, checked: which part of the source may import which.
 *
 * A part is a folder or a set of files. What is not listed is not allowed. Tests may import anything but shipped code may
 * not import tests; npm packages belong to one part each; nothing comes from a URL or another registry than npm.
 */

import { dirname, join, normalize } from "node:path";

/** Part of a file, by the longest matching prefix. */
const PARTS: [prefix: string, part: string][] = [
  ["src/core/", "core"],
  ["src/system/", "system"],
  ["src/wire.ts", "wire"],
  ["src/wire/", "wire"],
  ["src/store.ts", "store"],
  ["src/store/", "store"],
  ["src/control.ts", "control"],
  ["src/control/", "control"],
  ["src/vmm/", "vmm"],
  ["src/network/", "network"],
  ["src/image/", "image"],
  ["src/guest/", "guest"],
  ["src/holder.ts", "holder"],
  ["src/holder/", "holder"],
  ["src/cli/", "cli"],
  ["src/library/", "library"],
  ["helper/", "helper"],
  ["main.ts", "main"],
  ["source.ts", "main"],
  ["src/start.ts", "main"],
  ["mod.ts", "mod"],
  ["testing.ts", "mod"],
];

/** What every part above the lowest floors may import. */
const BASE = ["core", "system", "wire", "store"];

/** What a part may import besides itself. */
const ARROWS: Record<string, string[]> = {
  core: [],
  system: ["core"],
  wire: ["core"],
  store: ["core", "system", "wire", "vmm"],
  control: BASE,
  vmm: ["core", "system", "network"],
  network: ["core"],
  image: [...BASE, "vmm"],
  guest: [...BASE, "vmm"],
  holder: [...BASE, "vmm", "network", "image", "guest"],
  library: [...BASE, "network", "control", "vmm", "guest", "helper"],
  cli: [...BASE, "control", "vmm", "image", "guest", "helper"],
  helper: [...BASE, "control", "holder"],
  main: [...BASE, "holder", "cli"],
  mod: [...BASE, "library"],
};

/** A driver's folder: only it and the files beside it import from it, because a driver is known by the contract. */
const DRIVER = /^(src\/vmm\/)\w+\//;

/** npm packages, and the one module behind which each is. */
const PACKAGES: Record<string, string> = {
  "commander": "src/cli/arguments/parser.ts",
  "dns-packet": "src/network/dns.ts",
  "ssh2": "src/library/ssh/ssh2.ts",
};

function partOf(file: string): string | undefined {
  return PARTS.find(([prefix]) => file === prefix || (prefix.endsWith("/") && file.startsWith(prefix)))?.[1];
}

function* sources(dir: string): Generator<string> {
  for (const entry of Deno.readDirSync(dir === "" ? "." : dir)) {
    const path = join(dir, entry.name);
    if (entry.isDirectory && !["node_modules", "build", "dist", ".git", "tests"].includes(entry.name)) {
      yield* sources(path);
    } else if (entry.isFile && path.endsWith(".ts")) yield path;
  }
}

const isTest = (file: string) => /(_test|\/testing|_bench)\.ts$/.test(file);
const defects: string[] = [];

function check(file: string, specifier: string): void {
  const part = partOf(file)!;
  if (specifier.startsWith("node:")) return;
  if (!specifier.startsWith(".")) {
    const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
    const only = PACKAGES[name];
    if (file !== only) defects.push(`${file} imports ${specifier}, expected ${only ?? "no such package"}`);
    return;
  }
  const target = normalize(join(dirname(file), specifier));
  const to = partOf(target);
  const [folder, above] = DRIVER.exec(target) ?? [];
  if (folder && !file.startsWith(folder) && dirname(file) !== dirname(folder)) {
    defects.push(
      `${file} imports ${target}: only files in ${above} and in the folder itself may import from ${folder}`,
    );
  }
  if (isTest(target) || target.startsWith("tests/")) {
    defects.push(`${file} imports ${target}: shipped code imports a test`);
  } else if (to === undefined) defects.push(`${file} imports ${target}, which is in no part`);
  else if (to !== part && !ARROWS[part].includes(to)) {
    defects.push(`${file} imports ${target}: ${part} may not import ${to}`);
  }
}

let count = 0;
for (const file of sources("")) {
  if (isTest(file) || file.startsWith("scripts/") || file.startsWith("examples/")) continue;
  if (partOf(file) === undefined) {
    defects.push(`${file} is in no part: add it to scripts/arrows.ts`);
    continue;
  }
  count++;
  const text = Deno.readTextFileSync(file);
  const imports =
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?\bfrom\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|(?:^|\n)import\s+["']([^"']+)["']/g;
  for (const match of text.matchAll(imports)) check(file, match[1] ?? match[2] ?? match[3]);
}

for (const defect of defects) console.error(`arrows: ${defect}`);
if (defects.length > 0) Deno.exit(1);
console.log(`arrows: ${count} files`);
