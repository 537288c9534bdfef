/** `docs/json.md` against the program's commands and types. What commands really print: `tests/whole/json_test.ts`. */

import * as assert from "#assert";
import { readJsonDocument, shapeAt, valuesOf } from "../../tests/support/json_shapes.ts";
import type { MemberScript } from "../store/scripts.ts";
import { EXIT_CODES, type WireError } from "../core/errors.ts";
import type { MemberConfig, MemberPaths } from "../store.ts";
import type { PortForward } from "../core/options.ts";
import type { TraceEvent } from "../core/trace/types.ts";
import type {
  Detail,
  FaultReport,
  FaultsReport,
  ForwardReport,
  MemberReport,
  OutputEvent,
  PortReport,
  PowerCutEvent,
  SshEndpoint,
  Stage,
  State,
} from "../wire.ts";
import type { MemberStats } from "../control/live/stats.ts";
import type {
  FaultChange,
  ForwardEvent,
  GroupEvent,
  NoticeEvent,
  SavedChange,
  StateEvent,
} from "../control/live/store_events.ts";
import type { Leftover } from "./leftovers.ts";
import type { MemberView, ViewState } from "./member_view.ts";
import type { Finding } from "./preflight.ts";
import { buildProgram } from "./program.ts";
import type { TraceRow } from "./trace/recording.ts";
import { KINDS, type Left, type Part } from "./uninstall/part.ts";

const document = readJsonDocument();

Deno.test("docs/json.md lists every command that has --json, and no other", async () => {
  const program = await buildProgram();
  const all = program.commands.flatMap((one) => [one, ...one.commands]);
  const having = all.filter(({ options }) => options.some(({ long }) => long === "--json"));
  const names = having.map((one) => one.parent === program ? one.name() : `${one.parent!.name()} ${one.name()}`);
  assert.deepEqual([...document.commands.keys()].toSorted(), names.toSorted());
});

Deno.test("docs/json.md: every link leads to a shape, and every shape is linked to", () => {
  const linked = new Set([...document.commands.values()].flat());
  for (const { keys } of document.shapes.values()) {
    for (const { type } of keys.values()) {
      for (const [, anchor] of type.matchAll(/\(#([^)]+)\)/g)) linked.add(anchor);
    }
  }
  const shapes = [...linked].map((anchor) => shapeAt(document, anchor).name);
  assert.deepEqual(shapes.toSorted(), [...document.shapes.keys()].filter((name) => name !== "error").toSorted());
});

/** All keys of a type: the type checker knows when one is missing or too many. */
type Keys<T> = Record<keyof Required<T>, true>;
/** The same of each type of a union. */
type KeysOfAny<T> = Record<T extends unknown ? keyof T : never, true>;

const OF_GROUP = { event: true, at: true, group: true, group_id: true } as const;

const TYPES: Record<string, Record<string, true>> = {
  trace: {
    ...{
      id: true,
      state: true,
      members: true,
      bytes: true,
      started: true,
      age_ms: true,
      directory: true,
      problem: true,
    },
  } satisfies Keys<TraceRow>,
  "listed member": {
    ...{ name: true, state: true, stage: true, running: true, ip: true, cpus: true, memory_mb: true, disk_mb: true },
    ...{ image: true, not_answering: true, since: true, group: true, bound: true, ssh: true, forwards: true },
    ...{ reason: true, hint: true, host_name: true, group_id: true },
    ...{ egress: true, host_access: true, suspended: true, faults: true, fault_count: true },
    ...{ labels: true, last_group: true, last_group_id: true, place: true },
  } satisfies Keys<MemberView>,
  fault: {
    ...{ id: true, kind: true, what: true, spec: true, seed: true, members: true, since: true },
    ...{ left_ms: true, is_off: true, counts: true, group: true, group_id: true },
  } satisfies Keys<FaultReport & Pick<FaultsReport, "group" | "group_id">>,
  member: {
    ...{
      name: true,
      pid: true,
      running: true,
      ip: true,
      state: true,
      error: true,
      stage: true,
      since: true,
      ssh: true,
    },
    ...{
      download: true,
      host_name: true,
      group: true,
      group_id: true,
      cpus: true,
      memory_mb: true,
      image: true,
      bound: true,
      leaving: true,
    },
    ...{
      failure: true,
      hypervisor: true,
      hypervisor_pid: true,
      not_answering: true,
      command: true,
      forwards: true,
      network: true,
    },
    ...{ egress: true, host_access: true, warm: true, resets: true, template: true, faults: true, fault_count: true },
  } satisfies Keys<MemberReport>,
  figures: {
    ...{ name: true, group: true, group_id: true, hypervisor_pid: true, memory_mb: true, memory_bytes: true },
    ...{ interval_ms: true, cpu_percent: true, disk_read_bytes: true, disk_written_bytes: true },
    ...{ in_bytes: true, in_frames: true, out_bytes: true, out_frames: true },
  } satisfies Keys<MemberStats>,
  "event group": { ...OF_GROUP, what: true, members: true, holder: true } satisfies Keys<GroupEvent>,
  "event state": {
    ...{ ...OF_GROUP, name: true, state: true, stage: true, ip: true, since: true, reason: true, hint: true },
  } satisfies Keys<StateEvent>,
  "event forward": {
    ...{ ...OF_GROUP, what: true, name: true, host_port: true, guest_port: true, problem: true },
    ...{ protocol: true, address: true },
  } satisfies Keys<ForwardEvent>,
  "event fault-began": {
    ...{ ...OF_GROUP, id: true, kind: true, what: true, members: true },
  } satisfies Keys<Omit<FaultChange, "counts">>,
  "event fault-ended": {
    ...{ ...OF_GROUP, id: true, kind: true, what: true, members: true, counts: true },
  } satisfies Keys<FaultChange>,
  "event saved": {
    ...{ ...OF_GROUP, what: true, since: true, name: true, members: true, paused_ms: true },
  } satisfies Keys<SavedChange>,
  "event notice": { ...OF_GROUP, message: true } satisfies Keys<NoticeEvent>,
  endpoint: { host: true, port: true, user: true } satisfies Keys<SshEndpoint>,
  failure: { code: true, message: true, causes: true, hint: true } satisfies Keys<WireError>,
  port: { rx_frames: true, rx_bytes: true, tx_frames: true, tx_bytes: true, dropped: true } satisfies Keys<PortReport>,
  config: {
    ...{
      name: true,
      host_name: true,
      mac: true,
      cpus: true,
      memory_mb: true,
      disk_mb: true,
      image: true,
      image_id: true,
      arch: true,
    },
    ...{
      firmware: true,
      created_at: true,
      instance_id: true,
      fixtures: true,
      shares: true,
      user_data: true,
      scripts: true,
      ip: true,
      user: true,
    },
    ...{ owner: true, group: true, forwards: true, egress: true, host_access: true, log_writes: true },
    ...{ group_name: true, labels: true },
    ...{ disk_file: true, layers: true, template: true, from_checkpoint: true },
  } satisfies Keys<MemberConfig>,
  paths: {
    ...{ dir: true, config: true, disk: true, seed: true, efiVars: true, serialLog: true, qmpSocket: true },
    ...{
      netSocket: true,
      consoleSocket: true,
      pid: true,
      host: true,
      lock: true,
      socket: true,
      agentSocket: true,
      snapshotSocket: true,
    },
  } satisfies Keys<Omit<MemberPaths, "sharedDirectoryImage" | "shareSockets">>,
  "event detail": { event: true, name: true, message: true, command: true } satisfies Keys<Detail>,
  "event output": { event: true, name: true, script: true, line: true } satisfies Keys<OutputEvent>,
  script: { name: true, digest: true, text: true } satisfies Keys<MemberScript>,
  "power cut": {
    ...{ name: true, mode: true, seed: true, unflushed: true, lost: true, torn: true },
  } satisfies Keys<Omit<PowerCutEvent, "event">>,
  "torn write": { sectors: true, of: true } satisfies Keys<Required<PowerCutEvent>["torn"]>,
  "port forward": { host_port: true, guest_port: true, protocol: true, address: true } satisfies Keys<PortForward>,
  forward: {
    ...{ host_port: true, guest_port: true, protocol: true, address: true, open: true, problem: true },
  } satisfies Keys<ForwardReport>,
  part: { kind: true, name: true, path: true, bytes: true } satisfies Keys<Part>,
  left: { path: true, why: true } satisfies Keys<Left>,
  leftover: { kind: true, path: true, bytes: true, pid: true } satisfies Keys<Leftover>,
  finding: { what: true, ok: true, fatal: true, found: true, hint: true } satisfies Keys<Finding>,
  "traced event": {
    ...{
      at: true,
      event: true,
      name: true,
      members: true,
      state: true,
      stage: true,
      ip: true,
      reason: true,
      since: true,
      paused_ms: true,
      missed: true,
      hint: true,
    },
    ...{ id: true, kind: true, what: true, spec: true, seed: true, counts: true, pid: true, message: true },
    ...{ protocol: true, address: true },
    ...{ host_port: true, guest_port: true, problem: true, argv: true, code: true, signal: true, error: true },
    ...{
      duration_ms: true,
      stdout: true,
      stderr: true,
      cut_bytes: true,
      text: true,
      file: true,
      line: true,
      column: true,
    },
    ...{
      test: true,
      ok: true,
      offset_ms: true,
      error_ms: true,
      from: true,
      to: true,
      frames: true,
      bytes: true,
      dropped: true,
      why: true,
    },
  } satisfies KeysOfAny<TraceEvent>,
};

Deno.test("docs/json.md has the keys of the types, all of them and no others", () => {
  for (const [name, keys] of Object.entries(TYPES)) {
    assert.deepEqual([...document.shapes.get(name)!.keys.keys()].toSorted(), Object.keys(keys).toSorted(), name);
  }
});

Deno.test("docs/json.md has the values that states, stages and codes can have", () => {
  const states: Record<State, true> = { downloading: true, starting: true, running: true, stopped: true, error: true };
  const observed: Record<ViewState, true> = {
    ...{ ...states, orphaned: true, damaged: true, unknown: true, queued: true },
  };
  const stages: Record<Stage, true> = {
    ...{ image: true, disk: true, boot: true, kernel: true, network: true, ssh: true, "cloud-init": true },
    ...{ script: true, waiting: true, queued: true, ready: true, stopping: true, paused: true, adoption: true },
  };
  const values = (shape: string, key: string) => valuesOf(document.shapes.get(shape)!.keys.get(key)!.type).toSorted();
  for (const shape of ["member", "listed member"]) {
    assert.deepEqual(values(shape, "stage"), Object.keys(stages).toSorted());
  }
  assert.deepEqual(values("part", "kind"), Object.keys(KINDS).toSorted());
  assert.deepEqual(values("member", "state"), Object.keys(states).toSorted());
  assert.deepEqual(values("listed member", "state"), Object.keys(observed).toSorted());
  for (const shape of ["error", "failure"]) assert.deepEqual(values(shape, "code"), Object.keys(EXIT_CODES).toSorted());
});
