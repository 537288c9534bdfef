/**
 * The disk that a restore replaces. It stays until all members of the checkpoint go on: when one of them does not, each gets its
 * own disk back. So a restore that fails loses nothing but what a power cut loses.
 *
 * Until then the config names the layers of both disks, so that neither loses one.
 */

import { removeOtherDisks } from "../../store/remove.ts";
import { discardSuspended } from "../../store/snapshots.ts";
import type { MemberConfig, Store } from "../../store.ts";
import { exists } from "../../system/files.ts";
import { describe, log } from "../log.ts";
import type { Member } from "../member/member.ts";

/** A member before its restore. */
export interface Replaced {
  config: MemberConfig;
  /** The layers that only this config names. */
  layers: string[];
}

/** The config of a member that is restored, with the layers of both disks. */
export function replacing(config: MemberConfig, before: MemberConfig): { config: MemberConfig; replaced: Replaced } {
  const layers = (before.layers ?? []).filter((id) => !config.layers?.includes(id));
  return {
    config: { ...config, layers: [...config.layers ?? [], ...layers] },
    replaced: { config: before, layers },
  };
}

/** All of them go on: the disk that it had before is removed, and then its layers: never a layer before the disk that needs it. */
export async function removeReplaced(member: Member): Promise<void> {
  await settle(member, async (store, now, { layers }) => {
    const config = { ...now, layers: (now.layers ?? []).filter((id) => !layers.includes(id)) };
    removeOtherDisks(store, config);
    await store.writeConfig(config);
    return config;
  });
}

/** One of them does not go on: it has the disk that it had before, beside which the checkpoint's memory must not be loaded. */
export async function giveBackReplaced(member: Member): Promise<void> {
  await settle(member, async (store, now, { config }) => {
    await discardSuspended(store, member.name);
    await store.writeConfig({ ...config, layers: now.layers });
    removeOtherDisks(store, config);
    await store.writeConfig(config);
    log(`${member.name}: it has the disk that it had before the restore`);
    return config;
  });
}

/** A failure is in the log: another disk stays beside the member's then, until it boots again. */
async function settle(
  member: Member,
  work: (store: Store, now: MemberConfig, replaced: Replaced) => Promise<MemberConfig>,
): Promise<void> {
  const { name, replaced, paths, context: { store } } = member;
  member.replaced = undefined;
  if (!replaced || !exists(paths.dir)) return;
  try {
    await store.withMemberLock(name, async () => {
      const now = store.config(name);
      if (!now || now.disk_file === replaced.config.disk_file) return; // it was not replaced
      member.config = await work(store, now, replaced);
    });
  } catch (thrown) {
    log(`${name}: cannot settle which disk it has: ${describe(thrown)}`);
  }
}
