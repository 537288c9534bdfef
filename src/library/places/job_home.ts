/**
 * One job of a place's engine, for the one group that it was submitted for. The library there runs in the job, whose supervisor
 * starts its holders; the job ends with it. Once it has ended, what is asked is asked of the place (`engine_home.ts`).
 */

import { jobDirectory, type Place, removePlaceDirectory } from "../../store/places.ts";
import type { Options } from "../../core/options.ts";
import type { Store } from "../../store.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { MemberReport } from "../../wire.ts";
import type { Call, Calls } from "./calls.ts";
import type { EngineHome } from "./engine_home.ts";
import type { Group, GroupRequest } from "./home.ts";
import { PlaceHome, type Way } from "./place_home.ts";

export class JobHome extends PlaceHome {
  readonly #key: string;

  /** @param cluster the place with the engine @param way into the job, which has this key */
  constructor(private readonly cluster: EngineHome, local: Store, place: Place, way: Way & { key: string }) {
    super(local, place, way);
    this.#key = way.key;
  }

  /** @param options those of the request, with the paths that their files have there */
  async openGroup(request: GroupRequest, options: Options): Promise<{ group: Group; reports: MemberReport[] }> {
    return await this.openWith(request, options);
  }

  /** Another group, such as a fork, gets a job of its own. */
  override async open(request: GroupRequest): Promise<{ group: Group; reports: MemberReport[] }> {
    return await this.cluster.open(request);
  }

  override async call<C extends Call>(call: C, fields: Calls[C][0]): Promise<Calls[C][1]> {
    return await (this.isInUse ? super.call(call, fields) : this.cluster.call(call, fields));
  }

  /** Checkpoints outlive the job. */
  override async removeCheckpoint(name: string): Promise<void> {
    await this.cluster.removeCheckpoint(name);
  }

  override async holdCheckpoint(name: string): Promise<ProcessIdentity | undefined> {
    return await this.cluster.holdCheckpoint(name);
  }

  override async letGoOf(name: string): Promise<void> {
    await this.cluster.letGoOf(name);
  }

  protected override async hasEnded(): Promise<void> {
    await this.connection.close();
    await removePlaceDirectory(this.local, jobDirectory(this.place.name, this.#key));
  }
}
