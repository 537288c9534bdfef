/**
 * Builds the page of `fleetbox trace show`: `build/viewer/viewer.html`, one file, from `src/viewer/`.
 *
 *     scripts/viewer.ts [--force]
 *
 * esbuild bundles the program and its styles; the page's Content-Security-Policy names the program by its digest, so that
 * nothing else in the page runs. Does nothing when the page is newer than its source.
 */

import { createHash } from "node:crypto";
import { join } from "../src/system/path.ts";
import { output, ROOT } from "./toolchain.ts";

const SOURCE = join(ROOT, "src/viewer");
/** Styles are set by what draws the plots and the terminals; nothing that a guest said is ever a style or an element. */
const POLICY = "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
export const PAGE = join(ROOT, "build/viewer/viewer.html");

/** The path of the esbuild of this host. */
export function esbuildPath(): string {
  const { os, arch } = Deno.build;
  return join(ROOT, "node_modules/@esbuild", `${os}-${arch === "aarch64" ? "arm64" : "x64"}`, "bin/esbuild");
}

/** Builds the page, if it has to be; its packages are those whose notices must be with each copy. */
export async function buildViewer(force = false): Promise<string[]> {
  const list = `${PAGE}.packages`;
  if (!force && isNewest(list)) return JSON.parse(await Deno.readTextFile(list));
  const dir = await Deno.makeTempDir({ dir: await made(join(ROOT, "build/viewer")), prefix: "page-" });
  try {
    await output(esbuildPath(), [
      join(SOURCE, "main.tsx"),
      ...["--bundle", "--minify", "--format=esm", "--target=es2023", "--jsx=automatic", "--jsx-import-source=preact"],
      ...["--legal-comments=none", "--log-level=warning", "--charset=utf8"],
      ...[`--outdir=${dir}`, `--metafile=${dir}/meta.json`],
    ], { cwd: ROOT });
    const [script, style, page, meta] = await Promise.all(
      ["main.js", "main.css", "meta.json"].map((file) => Deno.readTextFile(join(dir, file)))
        .toSpliced(2, 0, Deno.readTextFile(join(SOURCE, "page.html"))),
    );
    const digest = createHash("sha256").update(script).digest("base64");
    const parts: Record<string, string> = {
      policy: `default-src 'none'; script-src 'sha256-${digest}'; ${POLICY}`,
      styles: `<style>${style}</style>`,
      program: `<script type="module">${script}</script>`,
    };
    const html = page.replace(/<!-- the (policy|styles|program) -->/g, (_, part) => parts[part]);
    await put(PAGE, html);
    const { inputs } = JSON.parse(meta) as { inputs: Record<string, unknown> };
    const packages = new Set(
      Object.keys(inputs).flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []),
    );
    const sorted = [...packages].sort();
    await put(list, JSON.stringify(sorted));
    return sorted;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function put(path: string, content: string): Promise<void> {
  const aside = `${path}.${Deno.pid}.tmp`;
  await Deno.writeTextFile(aside, content);
  await Deno.rename(aside, path);
}

async function made(dir: string): Promise<string> {
  await Deno.mkdir(dir, { recursive: true });
  return dir;
}

/** Whether what was built last is newer than all that it is made of. */
function isNewest(built: string): boolean {
  try {
    const { mtime } = Deno.statSync(built);
    const inputs = [...filesBelow(SOURCE), join(ROOT, "package-lock.json"), import.meta.filename!];
    return Deno.statSync(PAGE).isFile && inputs.every((path) => Deno.statSync(path).mtime! < mtime!);
  } catch {
    return false;
  }
}

function* filesBelow(dir: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    const path = join(dir, name);
    if (isDirectory) yield* filesBelow(path);
    else yield path;
  }
}

if (import.meta.main) {
  await buildViewer(Deno.args.includes("--force"));
  console.log(PAGE);
}
