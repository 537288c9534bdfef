/** Linux's control groups, of both versions: in which of them a process is, and what the kernel has killed in one for want of memory. */

import { readIfThere } from "../files.ts";

/**
 * The directories of a process's control group and of those above it, from the top, as they are seen from here.
 * @param root where the host's files are, for tests
 */
export function groupsOf(pid: number | "self", controller: string, root: string): string[] {
  return (readIfThere(`${root}/proc/${pid}/cgroup`) ?? "").split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined || (controllers !== "" && !controllers.split(",").includes(controller))) return [];
    const top = `${root}/sys/fs/cgroup${controllers === "" ? "" : `/${controller}`}`;
    const parts = path.split("/").filter((part) => part !== "");
    return [...Array(parts.length + 1).keys()].map((count) => [top, ...parts.slice(0, count)].join("/"));
  });
}

/** How many processes of our own group the kernel has killed because memory ran out; undefined: nothing tells. */
export function outOfMemoryKills(root = ""): number | undefined {
  const counts = groupsOf("self", "memory", root).flatMap((group) =>
    ["memory.events", "memory.oom_control"].map((file) => readIfThere(`${group}/${file}`) ?? "")
  ).flatMap((text) => /^oom_kill (\d+)$/m.exec(text)?.[1] ?? []);
  const own = counts.at(-1);
  return own === undefined ? undefined : Number(own);
}

/** Which of our children's ends were such kills: the kernel counts them, and does not tell whom it has killed. */
export class OutOfMemoryKills {
  #seen: number | undefined;

  constructor(private readonly count: () => number | undefined = outOfMemoryKills) {}

  /** A child is about to start. */
  begin(): void {
    this.#seen ??= this.count();
  }

  /** Whether there was one more than was taken, for a child that was killed by SIGKILL, and not by us. */
  take(): boolean {
    const count = this.count();
    if (this.#seen === undefined || count === undefined || count <= this.#seen) return false;
    this.#seen++;
    return true;
  }
}
