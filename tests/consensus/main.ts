/**
 * `make consensus`: a replicated system under faults, from the command line.
 *
 *     node_modules/.bin/deno run -A tests/consensus/main.ts [--system etcd|redis] [--seconds 300] [--seed N] [--no-power-cuts] [--record FILE]
 *
 * etcd must lose nothing that it has acknowledged. Redis is known to lose writes, and must: else the check could not fail. Without
 * `--system` both are tried. Real QEMU, and Debian's packages. Ends with 1 when something does not fit.
 */

import { parseArgs } from "../../scripts/flags.ts";
import { campaign } from "./campaign.ts";
import { etcd } from "./etcd.ts";
import { redis } from "./redis.ts";
import { fetchPrograms } from "../support/debian_programs.ts";

const PACKAGES = [
  ...["etcd-server", "redis-tools"],
  // What redis-server is linked with.
  ...["libatomic1", "liblzf1", "libjemalloc2", "libsystemd0", "libssl3", "libcap2", "libgcrypt20"],
  ...["liblzma5", "libzstd1", "liblz4-1", "libgpg-error0", "libc6", "libstdc++6", "libgcc-s1"],
];
const BINARIES = ["usr/bin/etcd", "usr/bin/redis-check-rdb"];

/** Each by whether it must lose nothing, and whether it syncs what it acknowledges. */
const SYSTEMS = { etcd: { system: etcd, keeps: true }, redis: { system: redis, keeps: false } };

const { values } = parseArgs({
  options: {
    "system": { type: "string" },
    "seconds": { type: "string", default: "300" },
    "seed": { type: "string", default: String(Date.now() % 1_000_000) },
    "no-power-cuts": { type: "boolean", default: false },
    "record": { type: "string" },
  },
});
const dir = Deno.makeTempDirSync({ prefix: "fleetbox-consensus." });
try {
  const programs = await fetchPrograms(dir, PACKAGES, BINARIES);
  for (const [name, { system, keeps }] of Object.entries(SYSTEMS)) {
    if (values.system !== undefined && values.system !== name) continue;
    const result = await campaign({
      ...{ system, programs, store: `${dir}/store` },
      ...{ seed: Number(values.seed), seconds: Number(values.seconds) },
      cutsPower: keeps && !values["no-power-cuts"],
      say: (line) => console.log(`${name}: ${line}`),
    });
    const line = JSON.stringify({ system: name, ...result });
    console.log(line);
    if (values.record) Deno.writeTextFileSync(values.record, line + "\n", { append: true });
    if (result.acknowledged === 0) throw new Error(`${name} has acknowledged nothing, so this proves nothing`);
    if (keeps && result.lost > 0) throw new Error(`${name} has lost ${result.lost} records that it had acknowledged`);
    if (!keeps && result.lost === 0) throw new Error(`${name} has lost nothing, although it must: is the check wrong?`);
  }
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  Deno.exitCode = 1;
} finally {
  Deno.removeSync(dir, { recursive: true });
}
