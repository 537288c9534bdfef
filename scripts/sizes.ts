/**
 * The size of rooms, checked: no shipped file over 400 lines, no folder with more than 20 shipped files beside each other (but
 * for the commands, one file each). A file or folder that grows past that is to be split.
 */

import { dirname } from "../src/system/path.ts";

const MAX_LINES = 400;
const MAX_FILES = 20;
const ONE_FILE_EACH = "src/cli/commands";

const shipped = new TextDecoder()
  .decode(
    new Deno.Command("git", { args: ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.tsx"] })
      .outputSync()
      .stdout,
  )
  .split("\n")
  .filter((file) => /^(src|helper)\//.test(file) || /^[^/]+\.ts$/.test(file))
  .filter((file) => !/(_test|\/testing)\.ts$/.test(file));

const defects: string[] = [];
const folders = Map.groupBy(shipped, dirname);
for (const [folder, files] of folders) {
  if (files.length > MAX_FILES && folder !== ONE_FILE_EACH) {
    defects.push(`${folder} has ${files.length} files beside each other, expected at most ${MAX_FILES}`);
  }
}
for (const file of shipped) {
  const lines = Deno.readTextFileSync(file).split("\n").length - 1;
  if (lines > MAX_LINES) defects.push(`${file} has ${lines} lines, expected at most ${MAX_LINES}`);
}

for (const defect of defects) console.error(`sizes: ${defect}`);
if (defects.length > 0) Deno.exit(1);
console.log(`sizes: ${shipped.length} files in ${folders.size} folders`);
