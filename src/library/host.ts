/** Whether this host can run machines, found without running one: the reason of a skipped test. */

import { variable } from "../core/environment.ts";
import { isAbsolute, join } from "../system/path.ts";
import { messageOf } from "../core/errors.ts";
import { DEFAULTS } from "../core/options.ts";
import { host } from "../system/os.ts";
import { which } from "../system/process.ts";
import { companion } from "../system/program_info.ts";
import { exists, namesIn } from "../system/files.ts";
import { requiredPrograms } from "../vmm/processes.ts";
import { readPlace } from "../store/places.ts";
import { Store } from "../store.ts";
import { placeOf } from "./places/home_of.ts";

/**
 * Why this host cannot run machines, a sentence with the way out; undefined when it can, as far as that is known
 * without running one.
 *
 * @param options `image`: the machines' image. `store`: their store. `on`: the place where they run; of that only what is known here is
 * looked at.
 *
 * @example
 * ```ts
 * import { hostProblem } from "@fleetbox/testing";
 *
 * const problem = hostProblem();
 * if (problem !== undefined) console.log(`no machines here: ${problem}`);
 * ```
 */
export function hostProblem(options: { image?: string; store?: string; on?: string } = {}): string | undefined {
  const place = placeOf(options);
  const openSsh = (program: string) => ({ program, install: host().install("openssh-client") });
  const programs = place === undefined ? [...requiredPrograms(), openSsh("ssh-keygen")] : [openSsh("ssh")];
  for (const { program, install } of programs) {
    if (!which(program)) return `the program ${program} is not installed (${install})`;
  }
  let store: Store;
  try {
    store = options.store === undefined ? Store.fromEnvironment() : Store.at(options.store);
  } catch (thrown) {
    return messageOf(thrown);
  }
  if (place !== undefined) return placeProblem(store, place);
  return imageProblem(store, options.image ?? DEFAULTS.image);
}

function placeProblem(store: Store, name: string): string | undefined {
  try {
    return readPlace(store, name) ? undefined : `there is no place "${name}" (fleetbox place add ${name} ssh://…)`;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

function imageProblem(store: Store, image: string): string | undefined {
  if (isAbsolute(image)) return exists(image) ? undefined : `there is no image at ${image}`;
  // A compiled helper contains micro; an alias that must be downloaded first is no reason to skip.
  if (image !== "micro" || variable("FLEETBOX_HELPER") || Deno.build.standalone) return undefined;
  const source = variable("FLEETBOX_MICRO") ?? companion("build/micro");
  const isUnpacked = namesIn(store.imagesDir).some((name) => name.startsWith("micro-"));
  if (isUnpacked || exists(join(source, "image.json"))) return undefined;
  return "the micro image is not built (make micro)";
}
