/**
 * A store below the suite's (see scripts/test-suite), which tests whose point is no boot use one after another: so their members
 * start from the templates of those before.
 */

import { exists } from "../../src/system/files.ts";
import { join } from "../../src/system/path.ts";

/** What stays for the next test, besides the templates: what is only made anew at a cost. */
const CACHES = ["accelerator.json", "id_ed25519", "id_ed25519.pub", "images", "snapshots"];

const SNAPSHOTS = [".lock", "layers", "templates"];

export class SuiteStore {
  static #isTaken = false;

  private constructor(readonly path: string) {}

  /** `undefined` outside a suite, and while another sandbox has it. */
  static take(): SuiteStore | undefined {
    const suite = Deno.env.get("FLEETBOX_TEST_RUN") && Deno.env.get("FLEETBOX_HOME");
    if (!suite || SuiteStore.#isTaken) return undefined;
    SuiteStore.#isTaken = true;
    const path = join(suite, "warm"); // not the suite's own: this very process has that in its environment
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    return new SuiteStore(path);
  }

  /** Removes what is no cache; after a failure the caches as well: they may be the reason. */
  giveBack(isSound: boolean): void {
    SuiteStore.#isTaken = false;
    keepOnly(this.path, isSound ? CACHES : []);
    keepOnly(join(this.path, "snapshots"), SNAPSHOTS);
  }
}

function keepOnly(dir: string, names: readonly string[]): void {
  if (!exists(dir)) return;
  for (const { name } of Deno.readDirSync(dir)) {
    if (!names.includes(name)) Deno.removeSync(join(dir, name), { recursive: true });
  }
}
