/** Programs of Debian's packages, as a directory that guests mount: `bin`, and `lib` with what these need. */

import { run } from "../../src/system/process.ts";

/** Where guests have them. */
export const PROGRAMS = "/opt/programs";

/** The guest's own are as good, and belong together. */
const OF_GUEST = /^(ld-|lib(c|pthread|dl|rt|resolv|util|nss_\w+|thread_db|anl|BrokenLocale)\.)/;

/**
 * Fetches them into an empty directory.
 * @param packages those of the programs, and of the libraries that they need and `micro` does not have
 * @param programs their paths in the packages, such as `usr/bin/etcd`
 * @returns the directory to mount
 */
export async function fetchPrograms(
  dir: string,
  packages: readonly string[],
  programs: readonly string[],
): Promise<string> {
  const [debs, tree, out] = ["debs", "tree", "programs"].map((name) => `${dir}/${name}`);
  for (const path of [debs, tree, `${out}/bin`, `${out}/lib`]) Deno.mkdirSync(path, { recursive: true });
  const hint = "Fetch the lists of packages first: apt-get update";
  await run("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", "-o", `Dir::Cache=${dir}`, "download", ...packages], {
    cwd: debs,
    hint,
  });
  for (const { name } of Deno.readDirSync(debs)) await run("dpkg-deb", ["-x", `${debs}/${name}`, tree], { hint });
  for (const program of programs) Deno.copyFileSync(`${tree}/${program}`, `${out}/bin/${program.split("/").at(-1)}`);
  for (const libraries of [`${tree}/usr/lib/x86_64-linux-gnu`, `${tree}/lib/x86_64-linux-gnu`]) {
    for (const { name } of Deno.readDirSync(libraries)) {
      const from = `${libraries}/${name}`;
      if (/\.so\.\d/.test(name) && !OF_GUEST.test(name) && Deno.statSync(from).isFile) {
        Deno.copyFileSync(from, `${out}/lib/${name}`);
      }
    }
  }
  return out;
}
