/**
 * The shell of somebody who reads a page of the documentation: a directory in which its commands are run, with machines of the fake
 * QEMU, and fake programs in the place of a guest's and of a host's that the test must not have. What a command does in a real
 * guest is its own affair: this tests fleetbox's part, in the page's order.
 */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import { FLEETBOX } from "./command.ts";
import { APT_GET, MMDEBSTRAP, writePrograms } from "./fake_packages.ts";
import { freePorts } from "./free_ports.ts";
import { type Sandbox, told } from "./sandbox.ts";
import { OnTerminal } from "./terminal.ts";

const FAKE_SSH = fileURLToPath(new URL("../fake_qemu/bin/ssh", import.meta.url));

/**
 * A guest's shell: scripts of `--run` say what their plain lines of `echo` do, and are not run, because fleetbox's own among them would
 * change this host; those of a sync run here, what goes on after a restore is played, cloud-init is done, a shell and top end when they
 * are typed a line, all else succeeds.
 */
export const GUEST_SSH = `PATH=$PATH:/usr/bin:/bin
for last; do :; done
case $last in
*fleetbox-run*)
  mark=$(printf '%s\\n' "$last" | sed -n 's/.*echo \\(fleetbox-[0-9a-f-]*\\);.*/\\1/p')
  length=$(printf '%s\\n' "$last" | sed -n 's/.*head -c \\([0-9]*\\) .*/\\1/p')
  echo "$mark"; head -c "$length" | sed -n "s/^echo '\\(.*\\)'\$/\\1/p"; echo "$mark 0" ;;
*cloud-init/result.json*) echo in; echo result; echo '{"v1": {"errors": []}}'; echo end ;;
*QUOTING_STYLE*)
  last=$(printf '%s\\n' "$last" | sed "s|/var/log|$GUEST_HOME/log|g")
  cd "$GUEST_HOME" && HOME=$GUEST_HOME exec sh -c "$last" ;;
*"-t virtiofs"*) ;;
*"printf '"*) exec ${FAKE_SSH} "$@" ;;
*uname*-r*) echo 6.1.0 ;;
*@127.0.0.1) echo '~ $'; read -r line ;;
*"'top'"*) echo 'Load average:'; read -r key ;;
esac`;

/** A shared directory's program: it serves nothing, until it is ended. */
const VIRTIOFSD = `case $* in
*help*) echo --shared-dir --translate-uid ;;
*) echo 'Waiting for vhost-user socket connection...' >&2; exec sleep 1000 ;;
esac`;

/** A program that shows frames: it says when it has the first ones, and is not for Ctrl-C to end. */
const SHOWS_FRAMES = `trap '' INT; head -c 28 >/dev/null && echo frames; cat >/dev/null`;

/** Of the one document that a page asks it about: what is under `json`. */
const JQ = `sed 's/.*"json": *\\([0-9]*\\).*/\\1/'`;

/** How a command is run, if not to its end, without a terminal, with success. */
export interface How {
  /** What it prints: before its end, or before it gets Ctrl-C. */
  prints?: RegExp;
  /** It goes on until Ctrl-C, and this is its exit code then. */
  ctrlC?: number;
  /** It is run on a terminal. What it prints there is answered with this. */
  types?: string;
}

export class PageShell {
  readonly cwd: string;
  readonly env: Record<string, string>;

  /** @param programs further ones, which are `sh` scripts, by their names */
  constructor(readonly box: Sandbox, programs: Record<string, string> = {}) {
    const at = (...names: string[]) => join(box.root, ...names);
    for (const dir of ["bin", "guest/log", "tmp", "place"]) Deno.mkdirSync(at(dir), { recursive: true });
    writePrograms(at("bin"), {
      ssh: GUEST_SSH,
      mmdebstrap: MMDEBSTRAP,
      "apt-get": APT_GET,
      virtiofsd: VIRTIOFSD,
      wireshark: SHOWS_FRAMES,
      tshark: SHOWS_FRAMES,
      jq: JQ,
      ...Object.fromEntries(["scp", "sftp", "sudo", "xdg-open"].map((name) => [name, "exit 0"])),
      fleetbox: `exec '${FLEETBOX}' "$@"`,
      ...programs,
    });
    this.cwd = at("place");
    this.env = { PATH: `${at("bin")}:${box.env.PATH}`, TMPDIR: at("tmp"), GUEST_HOME: at("guest") };
  }

  /** Makes files that a page's commands name; a name that ends with `/` is a directory with a file in it. */
  write(files: Record<string, string>): void {
    for (const [name, text] of Object.entries(files)) {
      const path = join(this.cwd, name.endsWith("/") ? `${name}file` : name);
      Deno.mkdirSync(join(path, ".."), { recursive: true });
      Deno.writeTextFileSync(path, text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
    }
  }

  /** Runs a line as its reader would, and asserts that it ends as it should. */
  async run(line: string, { prints, ctrlC, types }: How = {}): Promise<void> {
    if (types !== undefined) return await this.#type(line, types, prints);
    // A session of its own, so that Ctrl-C reaches all of a pipeline, as on a terminal.
    const running = this.box.start(["bash", "-c", line], { program: "setsid", cwd: this.cwd, env: this.env });
    if (ctrlC !== undefined) {
      await running.printed(prints ?? /./);
      Deno.kill(-running.pid, "SIGINT");
    }
    const result = await running.done;
    assert.equal(result.code, ctrlC ?? 0, told(result));
    if (prints) assert.match(result.stdout + result.stderr, prints, told(result));
  }

  async #type(line: string, types: string, prints = /./): Promise<void> {
    const env = { ...this.box.env, ...this.env };
    const terminal = new OnTerminal(["-c", line], { program: "bash", cwd: this.cwd, env });
    await terminal.shows(prints);
    await terminal.type(types);
    assert.equal(await terminal.done, 0, `${line}\n${terminal.output}`);
  }
}

/**
 * What rewrites a page's text for a test: to ports that are free, and shorter, so that what is for minutes there is for a moment,
 * and fifty machines are four.
 */
export function rewriter(): (text: string) => string {
  const ports = [8080, 5353, 8088];
  const free = freePorts(ports.length);
  return (text) =>
    ports.reduce((so, port, at) => so.replaceAll(RegExp(`\\b${port}\\b`, "g"), String(free[at])), text)
      .replaceAll(/(?<=--for )\d+[sm]\b/g, "1s")
      .replaceAll(/(?<=--(?:interval|quiet-after) )\d+s\b/g, "1s")
      .replaceAll(/fault random(?!.*--(?:quiet-after|print))/g, "$& --quiet-after 1s")
      .replaceAll(" -n 50 ", " -n 4 ");
}

/** The line, so that nothing that it boots has a way to the outside. */
export function withoutEgress(line: string): string {
  return line.replaceAll(/fleetbox (?:up|join)\b(?!.*--egress)/g, "$& --egress off");
}
