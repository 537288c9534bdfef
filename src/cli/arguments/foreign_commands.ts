/**
 * Commands of Lima, Multipass, Vagrant and docker that fleetbox does not have, each with the command line that does it.
 * A word that means the same as a command of ours, with the same arguments, is an alias of that command instead.
 */

import { shellQuote } from "../../core/quoting.ts";

/** The words after the command: all of them, and possible names of members. */
interface Given {
  /** All words, quoted; a placeholder where there are none. */
  all: (placeholder: string) => string;
  /** Without options; `NAME` where there are none. */
  names: string;
}

type Answer = (given: Given) => string;

const ssh: Answer = ({ names }) => `fleetbox ssh ${names}`;
const cp: Answer = ({ all }) => `fleetbox cp ${all("FILE NAME:")}`;
const up: Answer = ({ names }) => `fleetbox up ${names}`;
const stop: Answer = ({ names }) => `fleetbox stop ${names}`;
const restart: Answer = ({ names }) => `fleetbox restart ${names}`;
const ls: Answer = () => "fleetbox ls";
const prune: Answer = () => "fleetbox prune";
const doctor: Answer = () => "fleetbox doctor";
const consoleOf: Answer = ({ names }) => `fleetbox console ${names}`;
const inspect: Answer = ({ names }) => `fleetbox status ${names} --json`;
const forward: Answer = ({ all }) => `fleetbox forward ${all("NAME 8080:80")}`;
const images: Answer = () => "fleetbox image ls";
const suspend: Answer = ({ names }) => `fleetbox suspend ${names}`;
const checkpoint: Answer = ({ names }) => `fleetbox checkpoint ${names} --as CHECKPOINT`;
const restore: Answer = () => "fleetbox restore CHECKPOINT";

const ANSWERS: Record<string, Answer> = {
  launch: () => "fleetbox up NAME --image IMAGE",
  create: up,
  init: up,
  new: up,
  run: () => "fleetbox up NAME && fleetbox exec NAME -- COMMAND",
  kill: ({ names }) => `fleetbox stop ${names} --force`,
  poweroff: stop,
  shutdown: stop,
  hibernate: suspend,
  reload: restart,
  add: ({ names }) => `fleetbox join ${names} --via MEMBER`,
  machines: ls,
  "global-status": ls,
  top: () => "fleetbox stats",
  inspect,
  show: inspect,
  describe: inspect,
  log: ({ names }) => `fleetbox logs ${names}`,
  connect: ssh,
  login: ssh,
  enter: ssh,
  sh: ssh,
  attach: consoleOf,
  serial: consoleOf,
  transfer: cp,
  scp: cp,
  push: cp,
  port: forward,
  ports: forward,
  publish: forward,
  expose: forward,
  mount: () => "fleetbox up NAME --fixture HOST_DIR:GUEST_DIR",
  provision: () => "fleetbox up NAME --run FILE",
  snapshot: checkpoint,
  snapshots: () => "fleetbox checkpoint ls",
  save: checkpoint,
  revert: restore,
  rollback: restore,
  clone: ({ names }) => `fleetbox checkpoint ${names} --as CHECKPOINT && fleetbox fork CHECKPOINT`,
  images,
  box: images,
  find: () => "fleetbox image ls --all",
  pull: ({ all }) => `fleetbox image pull ${all("IMAGE")}`,
  build: ({ all }) => `fleetbox image build ${all("IMAGE")}`,
  rmi: ({ all }) => `fleetbox image rm ${all("IMAGE")}`,
  purge: prune,
  clean: prune,
  cleanup: prune,
  gc: prune,
  check: doctor,
  diagnose: doctor,
};

/** All words of the table, for a test: none of them may be a command. */
export const FOREIGN_WORDS: readonly string[] = Object.keys(ANSWERS);

/** The replacement for another tool's command; undefined for unknown words. */
export function foreignCommand(word: string, rest: readonly string[]): string | undefined {
  if (!Object.hasOwn(ANSWERS, word)) return undefined;
  const names = rest.filter((one) => !one.startsWith("-")).map(shellQuote).join(" ");
  return ANSWERS[word]({
    all: (placeholder) => rest.map(shellQuote).join(" ") || placeholder,
    names: names || "NAME",
  });
}
