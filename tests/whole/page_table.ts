/**
 * What `pages_test.ts` knows of the pages: what their readers have when they come to a command, how it ends if not at once and with
 * success, and which commands cannot be run in a test.
 */

import { fileURLToPath } from "node:url";
import type { How } from "../support/page_shell.ts";
import { commandsOfPage, examplesOf } from "../support/pages.ts";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Page {
  /** The fewest commands that are run. */
  atLeast: number;
  /** Files of the reader, by their names; see `PageShell.write`. */
  files?: Record<string, string>;
  env?: Record<string, string>;
  /** Whether new members may start warm, which the page is about. */
  templates?: true;
  /** What the reader has done when a command comes for the first time: a line of shell. */
  before?: Record<string, string>;
  how?: Record<string, How>;
  /** Commands that are not run, each with the reason. */
  excepted?: Record<string, string>;
  /** How blocks begin that are no commands: what is printed, a picture, a file. */
  shown?: RegExp[];
}

/** These have tests of their own. */
const OWN_TESTS = ["docs/recipes.md", "docs/tutorial.md"];

/** All pages, by their paths, and the table of the README. */
export function keys(): string[] {
  const docs = [...Deno.readDirSync(`${ROOT}docs`)].map(({ name }) => `docs/${name}`).filter((path) =>
    /\.md$/.test(path)
  );
  return ["README.md", "README.md#commands", ...docs.sort()].filter((path) => !OWN_TESTS.includes(path));
}

/** The command lines of a page, or of the table of examples that it has, which is a page of its own here: its key ends with `#commands`. */
export function commandsAt(key: string): string[] {
  const [path, part] = key.split("#");
  const page = Deno.readTextFileSync(ROOT + path);
  return part === undefined ? commandsOfPage(page, PAGES[key]?.shown) : examplesOf(page);
}

/** Runs the commands of all pages that match, a step for each page. @returns how many they are */
export async function runMatching(
  context: Deno.TestContext,
  where: RegExp,
  run: (line: string, how?: How) => Promise<void>,
): Promise<number> {
  let count = 0;
  for (const key of keys()) {
    const lines = commandsAt(key).filter((line) => where.test(line));
    if (lines.length === 0) continue;
    count += lines.length;
    await context.step(key, async () => {
      for (const line of lines) await run(line, PAGES[key]?.how?.[line]);
    });
  }
  return count;
}

const SITE = { "site.tar.gz": "x\n", "setup.sh": "#!/bin/sh\necho 'Reading package lists...'\n" };
const TRACE = "fleetbox up a,b --egress off && fleetbox trace start a && fleetbox fault partition a b && " +
  "fleetbox heal && fleetbox trace stop a -w trace.zip";

export const PAGES: Record<string, Page> = {
  "README.md": {
    atLeast: 28,
    files: { "build/": "x\n" },
    before: {
      "fleetbox fault partition a b,c": "fleetbox up a,b,c --egress off --log-writes",
    },
    how: {
      "fleetbox ssh a": { prints: /~ \$/, types: "exit\n" },
      "fleetbox rm --all": { prints: /\[y\/N\]/, types: "y\n" },
    },
    excepted: {
      "make demo": "it boots real machines: tests/slow/demo_test.ts runs it",
      "make test": "it is what runs this test",
    },
  },
  "README.md#commands": {
    atLeast: 30,
    files: { file: "x\n", "site/": "x\n", "src/": "x\n", "cluster.toml": '[members.db]\nmemory = "256M"\n' },
    before: {
      "fleetbox stop a b": "fleetbox up a,b,c --egress off",
      "fleetbox join d --via b": "fleetbox up b --egress off",
      "fleetbox trace show trace.zip": "fleetbox trace start a && fleetbox trace stop a -w trace.zip",
      "fleetbox forward web 8080:80": "fleetbox up web --egress off",
      "fleetbox checkpoint a,b,c --as seeded": "fleetbox up a,b,c --egress off",
      "fleetbox fault partition a b,c": "fleetbox up a b --egress off",
    },
    how: {
      "fleetbox stats a b": { ctrlC: 130 },
      "fleetbox capture a | wireshark -k -i -": { ctrlC: 0, prints: /frames/ },
      "fleetbox view a": { ctrlC: 0, prints: /Ctrl-C ends this/ },
      "fleetbox ssh -L 8080:localhost:80 a": { prints: /~ \$/, types: "exit\n" },
      "fleetbox sync ./src a:src --watch": { ctrlC: 130 },
      "fleetbox console a": { prints: /login|fleetbox|console/, types: "\x1d" },
    },
  },
  "docs/capture.md": {
    atLeast: 3,
    before: { "fleetbox capture a,b -w out.pcapng --for 30s": "fleetbox up a,b --egress off" },
    how: {
      "fleetbox capture a | wireshark -k -i -": { ctrlC: 0, prints: /frames/ },
      "fleetbox capture | tshark -r - -Y frame.comment": { ctrlC: 0, prints: /frames/ },
    },
  },
  "docs/cloud-init.md": {
    atLeast: 3,
    files: { ...SITE, "site/": "x\n", "src/": "x\n" },
    before: {
      "fleetbox up web --image debian-12 --fixture ./site:/srv/site": "fleetbox image build debian-12",
      "fleetbox up web --share ./src:/srv/src": "fleetbox rm --force web",
    },
    how: { "fleetbox up a,b --run setup.sh": { prints: /^a \| Reading package lists\.\.\.$/m } },
    shown: [/^fleetbox: "web" runs, but cloud-init failed in it:/],
  },
  "docs/demo.md": { atLeast: 24, templates: true },
  "docs/faults.md": {
    atLeast: 17,
    before: { "fleetbox up a --log-writes": "fleetbox stop a" },
    how: {
      "fleetbox stop a --force --lose-unflushed all": { prints: /^a: .*\blost$/m },
      "fleetbox fault run plan.json": { prints: /./, ctrlC: 130 },
    },
  },
  "docs/group-file.md": { atLeast: 6, files: { "seed/": "x\n", "web.sh": "#!/bin/sh\n" } },
  "docs/guide.md": {
    atLeast: 21,
    files: { ...SITE, "build/": "x\n", "src/": "x\n" },
    env: { PGPASSWORD: "secret", SSH_AUTH_SOCK: "/nonexistent/agent" },
    before: {
      "fleetbox restart a": "fleetbox up a --egress off",
      "fleetbox forward dns 5353:53 --udp": "fleetbox up dns --egress off",
      "fleetbox exec a -- tar -xz -C /srv < site.tar.gz": "fleetbox up a b --egress off",
    },
    how: {
      "fleetbox exec -it a -- top": { prints: /Load average/, types: "q\n" },
      "fleetbox ssh -A -L 8080:localhost:80 a": { prints: /~ \$/, types: "exit\n" },
      "fleetbox sync ./src a:src b:src --watch": { ctrlC: 130 },
    },
  },
  "docs/images.md": {
    atLeast: 9,
    files: SITE,
    before: {
      "fleetbox up web --image frontend": "fleetbox rm --force web && fleetbox image build debian-12 --as frontend",
      "fleetbox up web --image debian-12": "fleetbox rm --force web && fleetbox image build debian-12",
      "fleetbox up web --image ./disk.qcow2.xz":
        "fleetbox rm --force web && qemu-img create -q -f qcow2 disk.qcow2 64M && xz disk.qcow2",
      "fleetbox image build debian-12 --package nginx --run setup.sh --as web": "fleetbox rm --force web",
    },
    excepted: {
      "fleetbox up web --image 'https://host/disk.img#sha256=…'":
        "an address that is none, of a server outside: tests/whole/images_test.ts downloads from one of its own",
    },
    shown: [/^{ "name": "mine",/],
  },
  "docs/install.md": {
    atLeast: 6,
    files: { "dist/fleetbox": "#!/bin/sh\n", "../.local/bin/": "x\n" },
    how: { "fleetbox stop --all && fleetbox uninstall": { types: "y\n", prints: /\[y\/N\]/ } },
    excepted: {
      "sudo apt-get install qemu-system-x86 qemu-utils openssh-client":
        "it installs packages as root: scripts/setup has the same ones, and CI runs that",
      "git clone ADDRESS fleetbox  && cd fleetbox && make compile":
        "fleetbox has no address yet: the suite of the compiled executable runs `make compile`",
      "git pull && make compile && install dist/fleetbox ~/.local/bin/fleetbox":
        "there is no address to pull from: the suite of the compiled executable runs `make compile`",
    },
  },
  "docs/json.md": { atLeast: 1 },
  "docs/kubernetes.md": {
    atLeast: 0,
    excepted: {
      "ssh -o ProxyCommand='kubectl exec -i job/fleetbox-a -- /usr/sbin/sshd -i -f /store/jobs/ssh/config' -o HostKeyAlias=fleetbox-job root@fleetbox-a":
        "it needs a Kubernetes cluster: the page begins with that it is not tested",
    },
    shown: [/^apiVersion: /],
  },
  "docs/node.md": {
    atLeast: 0,
    excepted: {
      "npm install -D fleetbox": "no release is on npm, as the page says: tests/node installs the package from a file",
    },
  },
  "docs/places.md": {
    atLeast: 0,
    how: {
      "fleetbox exec a --on big -- uname -r": { prints: /^6\.1\.0$/m },
      "fleetbox exec a --on lab -- uname -r": { prints: /^6\.1\.0$/m },
    },
    shown: [/^here {2,}/],
  },
  "docs/protocol.md": {
    atLeast: 0,
    shown: [/^\$FLEETBOX_HOME\/run\/<h>/],
  },
  "docs/snapshots.md": {
    atLeast: 12,
    templates: true,
  },
  "docs/trace.md": {
    atLeast: 5,
    before: {
      "fleetbox trace start a": "fleetbox up a,b --egress off",
      "fleetbox trace replay trace.zip": "fleetbox rm --force a b",
      "fleetbox trace replay trace.zip --no-faults": "fleetbox rm --force a b",
    },
    shown: [/^error: Error: /],
  },
  "docs/troubleshooting.md": {
    atLeast: 0,
    shown: [
      /^fleetbox: /,
      /^their holder needs /,
      /^Running without /,
      /^orphaned: /,
      /^running \(paused\)$/,
      /^its machine still runs$/,
    ],
  },
  "docs/viewer.md": {
    atLeast: 4,
    before: { "fleetbox trace show trace.zip": TRACE },
    how: {
      "fleetbox view": { ctrlC: 0, prints: /Ctrl-C ends this/ },
      "fleetbox view a --no-open --port 8088": { ctrlC: 0, prints: /Ctrl-C ends this/ },
    },
    excepted: {
      "FLEETBOX_TRACE=retain-on-failure node_modules/.bin/deno test -A examples/failing/split_brain.ts":
        "it boots real machines: tests/library/trace_test.ts runs it",
    },
  },
};
