/** The notices that the licences of bundled packages require with every copy. */

import { join } from "../src/system/path.ts";
import { ROOT } from "./toolchain.ts";

export async function licences(packages: string[]): Promise<string> {
  const parts = await Promise.all(packages.map(async (name) => {
    const dir = join(ROOT, "node_modules", name);
    const { version, license } = JSON.parse(await Deno.readTextFile(join(dir, "package.json")));
    const file = [...Deno.readDirSync(dir)].find((entry) => /^licen[cs]e/i.test(entry.name));
    const text = file ? await Deno.readTextFile(join(dir, file.name)) : `${license}, without a text`;
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  }));
  return parts.join(`\n${"-".repeat(72)}\n\n`);
}

/** The packages among the inputs that esbuild's metafile tells of. */
export function packagesIn(meta: string): string[] {
  const { inputs } = JSON.parse(meta) as { inputs: Record<string, unknown> };
  const names = Object.keys(inputs).flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  return [...new Set(names)].sort();
}
