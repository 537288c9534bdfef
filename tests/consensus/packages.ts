/** Programs of Debian's packages, as a directory that guests mount: `bin`, and `lib` with what these need. */

import { run } from "../../src/system/process.ts";

const PACKAGES = [
  ...["etcd-server", "redis-tools"],
  // What redis-server is linked with, and `micro` does not have.
  ...["libatomic1", "liblzf1", "libjemalloc2", "libsystemd0", "libssl3", "libcap2", "libgcrypt20"],
  ...["liblzma5", "libzstd1", "liblz4-1", "libgpg-error0", "libc6", "libstdc++6", "libgcc-s1"],
];
/** The guest's own are as good, and belong together. */
const OF_GUEST = /^(ld-|lib(c|pthread|dl|rt|resolv|util|nss_\w+|thread_db|anl|BrokenLocale)\.)/;
const PROGRAMS = ["usr/bin/etcd", "usr/bin/redis-check-rdb"];

/** Fetches them into an empty directory. @returns the one to mount */
export async function fetchPrograms(dir: string): Promise<string> {
  const [debs, tree, out] = ["debs", "tree", "programs"].map((name) => `${dir}/${name}`);
  for (const path of [debs, tree, `${out}/bin`, `${out}/lib`]) Deno.mkdirSync(path, { recursive: true });
  const hint = "Fetch the lists of packages first: apt-get update";
  await run("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", "-o", `Dir::Cache=${dir}`, "download", ...PACKAGES], {
    cwd: debs,
    hint,
  });
  for (const { name } of Deno.readDirSync(debs)) await run("dpkg-deb", ["-x", `${debs}/${name}`, tree], { hint });
  for (const program of PROGRAMS) Deno.copyFileSync(`${tree}/${program}`, `${out}/bin/${program.split("/").at(-1)}`);
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
