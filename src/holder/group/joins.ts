/** Members that come onto a network that is there: new ones, stopped ones, and those of the group that failed. */

import { FleetboxError } from "../../core/errors.ts";
import { type Options, optionsOf } from "../../core/options.ts";
import type { Store } from "../../store.ts";
import { exists } from "../../system/files.ts";
import { isAlive } from "../../system/process.ts";
import { NeverRan } from "../member/left_behind.ts";
import { Member, type MemberContext } from "../member/member.ts";
import { removeReplaced } from "../snapshots/replaced.ts";
import type { Adoptions } from "./adoptions.ts";
import type { Claims } from "./claims.ts";
import type { FirstBoot } from "./first_boot.ts";
import type { GroupLife } from "./life.ts";
import type { RecordWriter } from "./record_writer.ts";

/** What a join needs of its group. */
interface JoinContext {
  store: Store;
  context: MemberContext;
  /** What the group was asked for. */
  options: Options;
  /** The members that are served. */
  roster: Map<string, Member>;
  /** The names of all that belong here, stopped ones included. */
  belongs: Set<string>;
  claims: Claims;
  life: GroupLife;
  record: RecordWriter;
  firstBoot: FirstBoot;
  adoptions: Adoptions;
  boot(member: Member, options: Options): Promise<void>;
  /** Removes what a failed boot created, and lets the member go. */
  discard(member: Member): Promise<void>;
  /** Lets a member go. */
  leave(member: Member): Promise<void>;
  /** Ends a group without members. */
  finish(): Promise<void>;
}

/** What later members do not inherit: ports, egress and scripts belong to one member, and a checkpoint to the first start. */
const OF_ONE_START: Options = {
  publish: undefined,
  egress: undefined,
  host_access: undefined,
  log_writes: undefined,
  run: undefined,
  snapshot: undefined,
  labels: undefined,
  needs: undefined,
};

/** What members that are there have already. */
const OF_NEW_ONES: Options = { cpus: undefined, mem: undefined, disk: undefined, labels: undefined };

export class Joins {
  /** Names that are being added, until they run. */
  readonly #adding = new Map<string, Promise<void>>();

  constructor(private readonly group: JoinContext) {}

  /**
   * Boots a member onto this network: a new name, a stopped member, or one of ours that is in `error`. Waits for one
   * that already runs or boots here.
   * @throws {FleetboxError} why it did not come up; the group is then as before.
   */
  async add(name: string, options: Options): Promise<void> {
    const { context, life, roster, firstBoot } = this.group;
    if (!life.isOpen) throw ending(context.group);
    const underWay = this.#adding.get(name);
    if (underWay) {
      await underWay;
      return await roster.get(name)?.change(options);
    }
    const members = [...roster.values()];
    const isOver = members.length > 0 && members.every((member) => member.isLeaving);
    if (isOver || roster.get(name)?.isLeaving) {
      // The next start replaces the failure, so no client needs its reason any more.
      firstBoot.end();
      await firstBoot.ended;
      return await this.add(name, options);
    }
    const present = roster.get(name);
    if (present) return await this.#again(present, options);
    const done = this.#addNew(name, options).finally(() => this.#adding.delete(name));
    this.#adding.set(name, done);
    await done;
  }

  /**
   * Starts an adopted member again whose machine was ended because nothing had run in it.
   * @param isComeback a guardian adopted it, and no command wants it: it leaves
   */
  async startAgain(member: Member, isComeback = false): Promise<void> {
    const { boot, leave, life, options } = this.group;
    if (isComeback || !life.isOpen) return await leave(member);
    if (member.isStopping) return;
    await boot(member, { ...optionsOf(options, member.name), ...OF_NEW_ONES, needs: undefined }).catch(() => {}); // its phase says why
  }

  async #addNew(name: string, options: Options): Promise<void> {
    const { store, context, roster, belongs, claims, record } = this.group;
    const merged = this.#merged(name, options);
    this.#forgetRemoved();
    const member = new Member(name, context);
    roster.set(name, member);
    try {
      await claims.take([name]);
    } catch (thrown) {
      roster.delete(name);
      if (roster.size === 0) void this.group.finish();
      throw thrown;
    }
    belongs.add(name);
    store.sweepTemporary([name]);
    await record.note();
    if (roster.get(name) !== member) { // the group was ended while we waited
      await claims.release(name);
      throw ending(context.group);
    }
    try {
      await this.#boot(member, merged);
    } catch (thrown) {
      if (!member.isStopping) await this.group.discard(member);
      throw thrown;
    }
  }

  /** Forgets removed members, so that a long-lived group does not remember all that ever were. */
  #forgetRemoved(): void {
    const { store, roster, belongs } = this.group;
    for (const name of belongs) {
      if (!roster.has(name) && !exists(store.member(name).dir)) belongs.delete(name);
    }
  }

  /**
   * A later member's options: where it has none of its own they are its group's, unless it does not want these; one that is
   * there has some of its own.
   */
  #merged(name: string, options: Options): Options {
    const { store, options: all } = this.group;
    if (options.inherit === false) return { owner: all.owner, ...options };
    const kept = store.readMember(name) ? OF_NEW_ONES : {};
    return { ...optionsOf(all, name), ...OF_ONE_START, ...kept, ...options };
  }

  async #again(member: Member, options: Options): Promise<void> {
    if (member.isStopping) {
      throw new FleetboxError("conflict", `"${member.name}" is being stopped`, { hint: "Try again when it is down." });
    }
    if (member.state === "running") return await member.change(options);
    if (member.booting) {
      await member.booting;
      return await member.change(options);
    }
    member.created = false;
    // A running machine that could not be adopted: try again, never boot a second one.
    const { stray } = member;
    if (stray && isAlive(stray)) {
      try {
        await this.group.adoptions.adopt(member, stray, false);
        return await member.change(options);
      } catch (thrown) {
        if (!(thrown instanceof NeverRan)) throw thrown; // else its machine is gone, and it starts again
      }
    }
    await this.#boot(member, this.#merged(member.name, options));
  }

  /** One that is taken back to a checkpoint waits for no other member: the disk that it had is needed no more when it runs. */
  async #boot(member: Member, options: Options): Promise<void> {
    await this.group.boot(member, options);
    await removeReplaced(member);
  }
}

/** The error for a group that takes nobody any more. */
export function ending(group: string): FleetboxError {
  return new FleetboxError("conflict", `The group of "${group}" is ending`, { hint: "Try again when it is gone." });
}
