/**
 * Records a group into a directory: its events, its consoles, its frames. docs/trace.md describes the files.
 *
 * It is a client like any other: it watches, reads the consoles and captures, through the group's holder, and through the next one
 * when that was killed. All is written as it comes. What fails in it fails nothing else.
 */

import type { TraceMember, TraceMeta } from "../../core/trace/types.ts";
import { pause, untilAborted } from "../../core/deadline.ts";
import { FleetboxError, isNoSpace, messageOf } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { makeDirectory } from "../../system/files.ts";
import type { FaultReport } from "../../wire.ts";
import { openCapture } from "../bytes/capture.ts";
import { openConsole } from "../bytes/console.ts";
import { followStore } from "../live/follow_store.ts";
import type { FaultChange, StoreEvent } from "../live/store_events.ts";
import { getGroup } from "../members.ts";
import { ANSWER_MS } from "../observe.ts";
import { request } from "../requests.ts";
import { Appender } from "./append_file.ts";
import { CastFile } from "./cast_file.ts";
import { ClockReader } from "./clocks.ts";
import { EventFile, type Happening } from "./event_file.ts";
import { JournalFile, recordJournal } from "./journals.ts";
import { PacketRing, SNAP_BYTES } from "./packet_ring.ts";
import type { TraceFiles } from "./trace_files.ts";
import { memberOf, metaOf, newId, programsOf } from "./trace_meta.ts";

/** Of more frames most are only counted: a group at full speed is not slowed down by its trace. */
export const FRAMES_PER_SECOND = 20_000;
const LINK_MS = 1_000;
/** A console or a capture that has ended is asked for again after this time, while its group is there. */
const AGAIN_MS = 200;

export interface RecordingOptions {
  /** A member of the group. */
  via: string;
  /** The command line that records. */
  command?: string[];
  test?: TraceMeta["test"];
  /** Members are called by their host names: those in the store are made up, and say nothing. @default false */
  byHostName?: boolean;
  /** Where it is written. @default a new directory in the store */
  files?: TraceFiles;
}

export class Recorder {
  /** Resolves when nothing is recorded any more: it was stopped, or the group has ended. */
  readonly done: Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  readonly #events: EventFile;
  readonly #casts = new Map<string, CastFile>();
  readonly #journals = new Map<string, JournalFile>();
  readonly #clocks: ClockReader;
  readonly #packets: PacketRing;
  readonly #over = new AbortController();
  readonly #attached = new Set<string>();
  /** The members whose last state was one with a machine: when nobody serves one, its next holder is waited for. */
  readonly #live = new Set<string>();
  /** Those whose guest answers, as far as it was heard of, each with what stands for this time. */
  readonly #running = new Map<string, symbol>();
  /** The faults that there are. */
  readonly #faults = new Map<string, FaultReport>();
  readonly #streams = new Set<Promise<void>>();
  #meta: TraceMeta;
  #isCapturing = false;
  /** Fires when it is worth to ask once more for what has ended. */
  #again = new AbortController();

  /**
   * Begins to record a group.
   * @throws {FleetboxError} `not-found`: no holder serves it; `no-space`, …: the directory cannot be made
   */
  static async begin(store: Store, options: RecordingOptions): Promise<Recorder> {
    const { via } = options;
    const group = await getGroup(store, via);
    if (!group?.group_id) {
      throw new FleetboxError("not-found", `"${via}" is not running, and only what runs can be recorded`, {
        hint: `Start it first: fleetbox up ${via}`,
      });
    }
    const id = newId(group.group);
    const files = options.files ?? await directoryOf(store, id);
    const recorder = new Recorder(store, files, metaOf(store, id, group, options), options.byHostName ?? false);
    try {
      await recorder.#writeMeta();
    } catch (thrown) {
      if (files instanceof Appender) await files.discard();
      throw thrown;
    }
    recorder.#begin();
    return recorder;
  }

  private constructor(
    private readonly store: Store,
    private readonly files: TraceFiles,
    meta: TraceMeta,
    private readonly byHostName: boolean,
  ) {
    this.#meta = meta;
    this.done = this.#end.promise;
    files.onFailure = (failure) => this.#fail(failure);
    const named = (text: string) => this.#named(text);
    this.#events = new EventFile(files, "events.ndjson", named);
    this.#packets = new PacketRing(files, this.#onCut, named);
    this.#clocks = new ClockReader(store, (happening) => this.add(happening), this.#over.signal);
  }

  readonly #onCut = (file: string, bytes?: number) =>
    this.add({ event: "cut", file, why: "ring", ...(bytes === undefined ? {} : { bytes }) });

  get id(): string {
    return this.#meta.id;
  }

  /** Where its files are, unless it was given others. */
  get directory(): string {
    return this.store.trace(this.id);
  }

  /** The members that it knows, in no order. */
  get members(): readonly TraceMember[] {
    return this.#meta.members;
  }

  /** Adds an event of the caller's. */
  add(happening: Happening): void {
    this.#events.add(happening);
  }

  /** Ends it, and returns when all is written. Calling it twice is fine. */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.done;
  }

  #begin(): void {
    this.#stream(this.#countLinks());
    void this.#follow().then(async () => {
      this.#over.abort();
      await Promise.all(this.#streams);
      this.files[Symbol.dispose]();
      this.#meta.ended = new Date().toISOString();
      await this.#writeMeta().catch(() => {}); // others took what was reserved; its events say when it ended
      this.#end.resolve();
    });
  }

  /** Follows the group to its end. */
  async #follow(): Promise<void> {
    const { group_id: groupId } = this.#meta;
    try {
      await followStore(this.store, { groupId, signal: this.#over.signal, onEvent: (event) => this.#hear(event) });
    } catch (thrown) {
      this.#note(`the group cannot be followed any more: ${messageOf(thrown)}`);
    }
  }

  async #hear(heard: StoreEvent): Promise<void> {
    const { at, group: _, group_id: __, ...event } = heard;
    const when = new Date(at);
    switch (event.event) {
      case "group":
        this.#events.add(
          { event: "holder", what: event.what === "present" ? "began" : event.what, pid: event.holder },
          when,
        );
        this.#askAgain();
        if (!this.#isCapturing && event.what !== "ended") this.#stream(this.#capture());
        return;
      case "state": {
        const { since: _, ...state } = event;
        await this.#know(event.name, state.state === "running");
        this.#events.add(state, when);
        this.#cast(event.name).marker(state.stage ?? state.state);
        const isLive = state.state !== "gone" && state.state !== "stopped";
        if (isLive) this.#live.add(event.name);
        else this.#live.delete(event.name);
        if (isLive || this.#attached.has(event.name)) this.#attach(event.name);
        this.#followGuest(event.name, state.state === "running" && state.stage === undefined);
        return;
      }
      case "fault-began":
      case "fault-ended":
        return await this.#fault(event, when);
      case "saved": {
        const { event: _, what, ...saved } = event;
        this.#events.add({ event: what, ...saved }, when);
        for (const name of saved.members) this.#cast(name).marker(what);
        this.#lookAtClocks(saved.members, { cheap: true });
        return;
      }
      default:
        this.#events.add(event as Happening, when);
    }
  }

  /** With what a fault is made of. */
  async #fault(event: Omit<FaultChange, "at" | "group" | "group_id">, when: Date): Promise<void> {
    if (event.event === "fault-began") await this.#askFaults();
    const known = this.#faults.get(event.id);
    this.#events.add({
      ...event,
      ...(event.event === "fault-began" && known ? { spec: known.spec, seed: known.seed } : {}),
    }, when);
    for (const name of event.members) this.#cast(name).marker(`${event.event}: ${event.what}`);
    if (event.event === "fault-ended") this.#faults.delete(event.id);
    if (event.kind === "clock" || event.kind === "pause") {
      this.#lookAtClocks(event.members, { cheap: event.kind === "pause" });
    }
  }

  #lookAtClocks(names: readonly string[], how: { cheap: boolean }): void {
    for (const name of names) if (this.#running.has(name)) this.#stream(this.#clocks.look(name, how).then(() => {}));
  }

  /** Reads what only a guest that answers can tell. */
  #followGuest(name: string, isRunning: boolean): void {
    if (isRunning === this.#running.has(name)) return;
    if (!isRunning) return void this.#running.delete(name);
    const time = Symbol(name);
    this.#running.set(name, time);
    this.#stream(this.#clocks.follow(name, () => this.#running.has(name)));
    const journal = this.#journals.get(name) ?? new JournalFile(this.files, this.#named(name), this.#onCut);
    this.#journals.set(name, journal);
    this.#stream(recordJournal(this.store, name, journal, () => this.#running.get(name) === time, this.#over.signal));
  }

  async #askFaults(): Promise<void> {
    try {
      const reply = await request(this.store, this.via, "faults", {}, ANSWER_MS);
      for (const fault of reply?.faults ?? []) this.#faults.set(fault.id, fault);
    } catch { /* it is being adopted: the event has its words */ }
  }

  /** A member that is served. */
  get via(): string {
    const hasSocket = this.store.socketProbe();
    return this.#meta.members.find(({ name }) => hasSocket(name))?.name ?? this.#meta.members[0].name;
  }

  /** Notes a member that has joined, or whose config is new; with the first that runs, what runs it. */
  async #know(name: string, isRunning: boolean): Promise<void> {
    const known = this.#meta.members.find((one) => one.name === name);
    const isAsked = !known || (isRunning && this.#meta.hypervisor === undefined);
    if (!isAsked && (known.ip !== undefined || !this.store.config(name))) return;
    const group = isAsked ? await getGroup(this.store, name).catch(() => undefined) : undefined;
    const reported = group?.members.find((one) => one.name === name)?.host_name ?? known?.host_name;
    const member = memberOf(this.store, name, reported);
    const { members } = this.#meta;
    const all = known ? members.map((one) => one === known ? member : one) : [...members, member];
    this.#meta = { ...this.#meta, members: all, ...programsOf(group) };
    await this.#writeMeta().catch((thrown) => this.#fail(thrown));
  }

  /** A text with the members' names in this trace. */
  #named(text: string): string {
    if (!this.byHostName) return text;
    return this.#meta.members.reduce((told, { name, host_name }) => told.replaceAll(name, host_name), text);
  }

  /** There may be another holder: streams that wait ask again at once. */
  #askAgain(): void {
    this.#again.abort();
    this.#again = new AbortController();
  }

  #attach(name: string): void {
    if (this.#attached.has(name)) this.#askAgain();
    else this.#stream(this.#readConsole(name));
  }

  #cast(name: string): CastFile {
    const cast = this.#casts.get(name) ?? new CastFile(this.files, this.#named(name), this.#onCut);
    this.#casts.set(name, cast);
    return cast;
  }

  /** Until its machine has ended, through each of its holders. */
  async #readConsole(name: string): Promise<void> {
    const { signal } = this.#over;
    this.#attached.add(name);
    while (!signal.aborted) {
      const { signal: news } = this.#again;
      try {
        using stream = await openConsole(this.store, name, signal);
        if (!stream && !news.aborted) {
          if (!this.#live.has(name)) break;
          await untilAborted(signal, news); // its holder was killed
        }
        if (!stream) continue; // a holder may have begun to serve it meanwhile
        this.#cast(name).replay(stream.replay);
        for (let piece; (piece = await stream.read()) !== undefined;) this.#cast(name).output(piece);
      } catch { /* it has no machine at this moment */ }
      await pause(AGAIN_MS, AbortSignal.any([signal, news]));
    }
    this.#attached.delete(name); // the next state of it begins anew
  }

  async #capture(): Promise<void> {
    this.#isCapturing = true;
    const { signal } = this.#over;
    while (!signal.aborted) {
      try {
        using stream = await openCapture(this.store, this.via, undefined, {
          snap: SNAP_BYTES,
          rate: FRAMES_PER_SECOND,
        });
        const finish = () => void stream.finish();
        signal.addEventListener("abort", finish);
        if (signal.aborted) finish();
        for (let blocks; (blocks = await stream.read()) !== undefined;) this.#packets.push(blocks);
        signal.removeEventListener("abort", finish);
      } catch { /* no holder serves it at this moment */ }
      await pause(AGAIN_MS, AbortSignal.any([signal, this.#again.signal]));
    }
    this.#isCapturing = false;
  }

  /** Tells, each second, what has passed. */
  async #countLinks(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      await pause(LINK_MS, signal);
      for (const link of this.#packets.takeLinks()) this.add(link);
    }
  }

  #stream(work: Promise<void>): void {
    const done = work.catch((thrown) => this.#note(messageOf(thrown))).finally(() => this.#streams.delete(done));
    this.#streams.add(done);
  }

  #note(message: string): void {
    this.add({ event: "notice", message: `fleetbox trace: ${message}` });
  }

  /** Nothing can be written any more: the group goes on. */
  #fail(thrown: unknown): void {
    this.#meta.problem = isNoSpace(thrown)
      ? "the disk was full: what came after this moment is not in it"
      : `it could not be written any more: ${messageOf(thrown)}`;
    this.#over.abort();
  }

  async #writeMeta(): Promise<void> {
    const { members } = this.#meta;
    const told = { ...this.#meta, members: members.map((one) => ({ ...one, name: this.#named(one.name) })) };
    await this.files.writeMeta(JSON.stringify(told, null, 2) + "\n");
  }
}

async function directoryOf(store: Store, id: string): Promise<TraceFiles> {
  store.ensure();
  makeDirectory(store.tracesDir);
  return await Appender.make(store.trace(id));
}
