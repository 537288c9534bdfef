/** The drivers' boundary: what is a hypervisor's own is known in its folder of `src/vmm/` alone. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The words of each driver, by its folder. */
const WORDS: Record<string, RegExp> = {
  qemu: /qemu|qmp|\btcg\b|\bkvm\b|\bhvf\b|hostfwd|usernet|slirp|FLEETBOX_ACCEL/i,
};

/** The two files that choose a driver, and the lines by which they do. */
const CHOICE: Record<string, RegExp> = {
  "src/vmm/driver.ts": /^import \{ \w+ \} from "\.\/\w+\/driver\.ts"|driver: Driver = \w+;$/,
  "src/vmm/processes.ts": /^import \* as \w+ from "\.\/\w+\/processes\.ts"|^const DRIVERS = /,
};

/** What the store's files are called, on disk and in `status --json`: older stores and users' scripts have them. */
const STORE_NAMES = /\b(gatewayQ|q)mpSocket\b|"qmp\.sock"|qmp\\\.sock|\.qmp\b|\|qmp\||"qmp"/g;

/** Where else the words may be, in code: in texts for the user. */
const ALLOWED: Record<string, RegExp> = {
  "src/image/disk_check.ts": /hint: ".*qemu-img convert -O qcow2 FILE disk\.qcow2"/, // the usual tool, for the user
  "src/cli/terminal/wrap.ts": /^const COMMAND = /, // such hints are not broken into lines
  "src/cli/manual.ts": /qemu-system-x86_64 \(1\)|under QEMU/, // the manual page says what runs machines
  "src/core/environment.ts": /^ {2}FLEETBOX_(ACCEL|QEMU|DEBUG): "|^ {2}"FLEETBOX_ACCEL",$|isMirrored\(what: "wire"/, // the driver's variables, for the user, and for a place
};

Deno.test("boundary: code outside the drivers' folders has none of their words", () => {
  const defects: string[] = [];
  const used = new Set<string>();
  for (const file of [...sources("src"), ...sources("helper")]) {
    if (/^src\/vmm\/\w+\//.test(file)) continue;
    for (const [index, line] of codeOf(Deno.readTextFileSync(`${ROOT}${file}`)).split("\n").entries()) {
      const rest = line.replaceAll(STORE_NAMES, "");
      if (CHOICE[file]?.test(line) || !Object.values(WORDS).some((words) => words.test(rest))) continue;
      if (ALLOWED[file]?.test(line)) used.add(file);
      else defects.push(`${file}:${index + 1}: ${line.trim()}`);
    }
  }
  assert.deepEqual(defects, []);
  assert.deepEqual([...used].toSorted(), Object.keys(ALLOWED).toSorted(), "what is allowed is still there");
});

Deno.test("boundary: each driver's folder has its words in this test", () => {
  const folders = [...Deno.readDirSync(`${ROOT}src/vmm`)].filter(({ isDirectory }) => isDirectory);
  assert.deepEqual(folders.map(({ name }) => name).toSorted(), Object.keys(WORDS).toSorted());
});

/** The code without its comments, which may say where a format or a number comes from. Lines stay where they are. */
function codeOf(text: string): string {
  return text.replaceAll(/^ *\/\*[\s\S]*?\*\//gm, (comment) => comment.replaceAll(/[^\n]/g, ""))
    .replaceAll(/(^|\s)\/\/ .*$/gm, "");
}

function* sources(dir: string): Generator<string> {
  for (const entry of Deno.readDirSync(`${ROOT}${dir}`)) {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts") && !/(_test|\/testing)\.ts$/.test(path)) yield path;
  }
}
