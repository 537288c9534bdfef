/**
 * For `freeze_test.ts`: freezes the disk of a real machine whose holder was killed, as another holder, and ends; `killed`: before
 * the machine was moved to its new disk, while it is paused. Prints the layer's path.
 */

import { prepareFreeze, removeOldDisks } from "../../src/holder/member/freeze.ts";
import { machineSpec } from "../../src/holder/member/prepare.ts";
import { resolveImage } from "../../src/image/image.ts";
import { Store } from "../../src/store.ts";
import { snapshotPaths } from "../../src/store/snapshots.ts";
import { identify } from "../../src/system/process.ts";
import { qemu } from "../../src/vmm/qemu/driver.ts";
import { findQemu } from "../../src/vmm/qemu/program.ts";

const [home, name, pid, end] = Deno.args;
const store = Store.at(home);
const config = store.config(name)!;
const image = await resolveImage(store, config.image, config.image_id, config);
const host = { binary: findQemu("x86_64"), accelerator: "tcg", bound: false };
const machine = await qemu.adopt(machineSpec(store, config, image, host), identify(Number(pid))!);
const frozen = await prepareFreeze({ name, config, context: { store, driver: qemu } });
await machine.pause();
if (end !== "killed") {
  await machine.moveToOverlay(frozen.next);
  await machine.resume();
  await removeOldDisks(store, name);
}
console.log(snapshotPaths(store).layer(frozen.layer));
Deno.exit(0);
