/**
 * Whole Linux machines for tests: each with a kernel, an init and a disk of its own, in seconds, without root or KVM.
 *
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start("web");
 * const { stdout } = await vm.exec("uname -r");
 * ```
 *
 * A machine is removed when it goes out of scope, and also when this process is killed. The fixtures for test runners
 * are in `testing.ts`.
 *
 * @module
 */

export { start, startCluster } from "./src/library/start.ts";
export { openCheckpoint } from "./src/library/checkpoints/open_checkpoint.ts";
export { CommandError } from "./src/library/exec.ts";
export { waitFor } from "./src/library/wait/condition.ts";
export { type ErrorCode, FleetboxError } from "./src/core/errors.ts";
export type {
  Called,
  Checkpoint,
  CheckpointOptions,
  ClockOffset,
  Cluster,
  ClusterFaults,
  Command,
  Condition,
  ConsoleOptions,
  CopyOptions,
  DiskFailOptions,
  DiskFaults,
  DiskFillOptions,
  DiskOperation,
  DiskSlowOptions,
  ExecOptions,
  ExecResult,
  ExitStatus,
  Fault,
  FaultOptions,
  FaultPackage,
  FaultPlan,
  FaultTarget,
  FaultTargets,
  FixtureDirectory,
  ForkOptions,
  GroupAddresses,
  Held,
  InlineScript,
  KillOptions,
  LinkShape,
  MachineClock,
  MachineFaults,
  MachineOptions,
  MachineWaits,
  MemberAddress,
  MemberOptions,
  Members,
  Nemesis,
  NemesisOptions,
  PartitionOptions,
  PartitionShape,
  PowerCut,
  Process,
  ProcessOptions,
  PublishedPort,
  RebootOptions,
  RestartOptions,
  RestoreOptions,
  SshAddress,
  Stage,
  StartOptions,
  State,
  Stdin,
  StopOptions,
  StrobeOptions,
  UserDataOf,
  Vm,
  WaitOptions,
  WaitTarget,
  WriteOptions,
} from "./src/library/types.ts";
