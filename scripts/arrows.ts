/**
 * The import arrows, checked: which part of the source may import which.
 *
 * A part is a folder or a set of files. What is not listed is not allowed. Tests may import any part, but shipped code may
 * not import tests; each npm package belongs to one module; nothing comes from a URL or from a registry other than npm.
 * What stands in for a package of JSR's (decision 0014) is imported by one module in the whole repository, tests and
 * scripts included. Only the examples, which are files as a user writes them, import what they like.
 */

import { dirname, join, normalize } from "../src/system/path.ts";

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
  ["src/viewer/", "viewer"],
  ["src/cli/", "cli"],
  ["src/library/", "library"],
  ["helper/", "helper"],
  ["main.ts", "main"],
  ["source.ts", "main"],
  ["src/start.ts", "main"],
  ["mod.ts", "mod"],
  ["testing.ts", "mod"],
  ["vitest.ts", "mod"],
  ["src/node/", "node"],
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
  // What is in the page, and what reads a bundle: the page has the rest of this program as little as a browser has.
  viewer: ["core"],
  cli: [...BASE, "control", "vmm", "image", "guest", "helper", "viewer"],
  helper: [...BASE, "control", "holder"],
  main: [...BASE, "holder", "cli", "library"],
  mod: [...BASE, "library"],
  // In place of Deno where there is none: a user of it does not know it.
  node: [],
};

/** A driver's folder: only it and the files beside it import from it, because a driver is known by the contract. */
const DRIVER = /^(src\/vmm\/)\w+\//;

/** What stands in for JSR's packages (decision 0014), and the one module that imports each. */
const STAND_INS: { standIn: string; names?: string; module: string; importedAs?: string }[] = [
  { standIn: "commander", module: "src/cli/arguments/parser.ts" }, // @cliffy/command
  { standIn: "node:path", module: "src/system/path.ts" }, // @std/path
  { standIn: "node:util", names: "parseArgs", module: "scripts/flags.ts" }, // @std/cli
  { standIn: "node:assert", module: "tests/support/assert.ts", importedAs: "#assert" }, // @std/assert
];

/** The other npm packages of shipped code, and the one module, or folder, that imports each. */
const PACKAGES: Record<string, string> = {
  "fflate": "src/control/recording/pack.ts",
  "ssh2": "src/library/ssh/ssh2.ts",
  "toml-eslint-parser": "src/cli/group_file/toml.ts",
  "preact": "src/viewer/",
  "uplot": "src/viewer/view/links_plot.tsx",
  "@xterm/xterm": "src/viewer/view/terminal.tsx",
};

function partOf(file: string): string | undefined {
  return PARTS.find(([prefix]) => file === prefix || (prefix.endsWith("/") && file.startsWith(prefix)))?.[1];
}

function* sources(dir: string): Generator<string> {
  for (const entry of Deno.readDirSync(dir === "" ? "." : dir)) {
    const path = join(dir, entry.name);
    if (entry.isDirectory && !["node_modules", "build", "dist", ".git", "examples"].includes(entry.name)) {
      yield* sources(path);
    } else if (entry.isFile && /\.tsx?$/.test(path)) yield path;
  }
}

const isTest = (file: string) => file.startsWith("tests/") || /(_test|\/testing|_bench)\.ts$/.test(file);
const defects: string[] = [];

function check(file: string, specifier: string): void {
  const part = partOf(file)!;
  if (specifier.startsWith("node:")) return;
  if (!specifier.startsWith(".")) {
    const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
    if (STAND_INS.some(({ standIn }) => standIn === name)) return; // checked with those of tests and scripts
    const only = PACKAGES[name];
    // Styles are no program: the page's main module names them.
    if (specifier.endsWith(".css") && file === "src/viewer/main.tsx") return;
    if (file !== only && !(only?.endsWith("/") && file.startsWith(only))) {
      defects.push(`${file} imports ${specifier}, expected ${only ?? "no such package"}`);
    }
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
  if (isTest(target)) {
    defects.push(`${file} imports ${target}: shipped code imports a test`);
  } else if (to === undefined) defects.push(`${file} imports ${target}, which is in no part`);
  else if (to !== part && !ARROWS[part].includes(to)) {
    defects.push(`${file} imports ${target}: ${part} may not import ${to}`);
  }
}

/** The modules of {@link STAND_INS} that import theirs. */
const standIns = new Set<string>();

function checkStandIns(file: string, specifier: string, names: string): void {
  for (const { standIn, names: only, module, importedAs } of STAND_INS) {
    const isIt = specifier === standIn || specifier.startsWith(`${standIn}/`);
    if (!isIt || (only !== undefined && !names.includes(only))) continue;
    if (file === module) standIns.add(module);
    else {defects.push(
        `${file} imports ${only ? `${only} from ` : ""}${specifier}: import ${importedAs ?? module} instead`,
      );}
  }
}

/** The imports of a file: what is imported, and from where. */
function* importsOf(text: string): Generator<{ names: string; specifier: string }> {
  const imports =
    /(?:^|\n)\s*(?:import|export)\b([^;'"]*?)\bfrom\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|(?:^|\n)import\s+["']([^"']+)["']/g;
  for (const [, names = "", from, lazy, bare] of text.matchAll(imports)) {
    yield { names, specifier: from ?? lazy ?? bare };
  }
}

let count = 0;
for (const file of sources("")) {
  const imports = [...importsOf(Deno.readTextFileSync(file))];
  for (const { specifier, names } of imports) checkStandIns(file, specifier, names);
  if (isTest(file) || file.startsWith("scripts/")) continue;
  if (partOf(file) === undefined) {
    defects.push(`${file} is in no part: add it to scripts/arrows.ts`);
    continue;
  }
  count++;
  for (const { specifier } of imports) check(file, specifier);
}
for (const { standIn, module } of STAND_INS) {
  if (!standIns.has(module)) defects.push(`${module} does not import ${standIn}, although decision 0014 says so`);
}

for (const defect of defects) console.error(`arrows: ${defect}`);
if (defects.length > 0) Deno.exit(1);
console.log(`arrows: ${count} files`);
