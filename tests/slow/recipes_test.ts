/**
 * `docs/recipes.md` on real machines: the commands of each section, in order, and what the recipe promises of them. What needs
 * packages, or is about the host itself, is not run: {@link NOT_HERE} says why. `tests/whole/recipes_test.ts` runs all commands
 * with the fake QEMU.
 */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import { FLEETBOX, type Result, type Running } from "../support/command.ts";
import { freePort } from "../support/free_ports.ts";
import { guest, guestOk } from "../support/guest.ts";
import { blocksOf, commandsOfRecipe } from "../support/pages.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

const PAGE = fileURLToPath(new URL("../../docs/recipes.md", import.meta.url));

/** Commands that are not run, and why. */
const NOT_HERE: Record<string, string> = {
  "sudo apt-get update": "it installs packages on this host",
  "sudo chmod 666 /dev/kvm": "it changes this host",
  "fleetbox image build debian-12": "Debian's packages come from a mirror, and no test's guest has egress",
};

/** What is run in the place of words of a command, and why. */
const INSTEAD: Record<string, [words: string, why: string]> = {
  "--image debian-12": ["--run programs.sh", "the programs of Debian that the recipe calls are scripts in a micro"],
  "--image kernel": ["--run programs.sh", "a compiler is a package; so is the module's source"],
  "--memory 1G": ["--memory 128M", "a micro needs no more"],
  "--for 2m": ["--for 15s", "two faults are as good as twelve"],
};

/** In a guest: what Debian's packages and make are asked for in the recipes, as root. A program waits where an upgrade is cut off. */
const PROGRAMS = String.raw`#!/bin/sh
mkdir -p /var/lib/packages
cat >/usr/bin/apt-get <<'END'
#!/bin/sh -e
[ "$1 $2" = "install -y" ]
case $3 in */*) version=$(cat "$3") ;; *) version=1.0 ;; esac
echo "half-installed $version" >/var/lib/packages/nginx
sync
echo "Unpacking nginx ($version)"
if [ -e /etc/slow-upgrade ]; then sleep 1000; fi
echo "installed $version" >/var/lib/packages/nginx
sync
END
cat >/usr/bin/systemctl <<'END'
#!/bin/sh
[ "$*" = "is-active nginx" ] && grep -q ^installed /var/lib/packages/nginx && echo active
END
cat >/usr/bin/dpkg <<'END'
#!/bin/sh
[ "$*" = --audit ] && grep -H half-installed /var/lib/packages/*
exit 0
END
cat >/usr/bin/make <<'END'
#!/bin/sh -e
[ "$2" = "/lib/modules/$(uname -r)/build" ]
grep -q MODULE_LICENSE "$PWD/mine.c"
cp "$(modinfo -F filename dummy)" "$(echo "$3" | sed -n s/^M=//p)/mine.ko"
END
chmod +x /usr/bin/apt-get /usr/bin/systemctl /usr/bin/dpkg /usr/bin/make
`;

/** What a user has in the directory from which the recipes are tried. */
const FILES: Record<string, string> = {
  "programs.sh": PROGRAMS,
  "nginx_2.0_amd64.deb": "2.0\n",
  "module/mine.c": 'MODULE_LICENSE("GPL");\n',
  "db.sh": "#!/bin/sh\nmkdir -p /srv/db && hostname >/srv/db/name && httpd -p 5432 -h /srv/db\n",
  "test.sh": `#!/bin/sh -e
for one in b c; do fleetbox exec a -- ping -c 1 -W 5 $one; done
echo 'the test passes'
`,
};

/** A section that is tried. */
interface Try {
  box: Sandbox;
  /** The port in the place of the page's 8080. */
  port: number;
}

/** What is promised: looked at once the first command that begins so has ended. */
type Looks = Record<string, (on: Try, result: Result) => Promise<void> | void>;

const SECTIONS: Record<string, Looks> = {
  "CI": {
    "fleetbox doctor": (_, { stdout }) => assert.match(stdout, /^ok +qemu +QEMU \d/m),
    "fleetbox up a,b,c": async ({ box }) => assert.equal(await box.states(), "a=running b=running c=running"),
    "./test.sh": (_, { stdout }) => assert.match(stdout, /^the test passes$/m),
    "fleetbox trace start a": async ({ box }) => {
      assert.match((await box.ok("trace", "ls")).stdout, /recording .* a,b,c$/m);
    },
    "fleetbox rm --all --force": async ({ box }) => {
      await box.empty();
      assert.deepEqual(box.stored(), []);
    },
  },

  "A package upgrade, tried again and again": {
    "fleetbox checkpoint old": async ({ box }) => assert.equal(await version(box, "old"), "installed 1.0\n"),
    "fleetbox fork before --as try1": async ({ box }) =>
      assert.equal(await version(box, "try1-old"), "installed 1.0\n"),
    "fleetbox exec -u root try1-old": async ({ box }, { stdout }) => {
      assert.equal(stdout, "Unpacking nginx (2.0)\n");
      assert.equal(await version(box, "try1-old"), "installed 2.0\n");
      assert.equal(await version(box, "old"), "installed 1.0\n");
    },
    "fleetbox exec try1-old -- systemctl": (_, { stdout }) => assert.equal(stdout, "active\n"),
    "fleetbox rm try1-old": async ({ box }) => {
      await box.ok("fork", "before", "--as", "try2");
      assert.equal(await version(box, "try2-old"), "installed 1.0\n");
      await box.ok("rm", "try2-old", "--force");
    },
    "fleetbox fork before --as cut": async ({ box }) => {
      await guestOk(box, "cut-old", "sudo touch /etc/slow-upgrade");
    },
    "fleetbox exec -u root cut-old -- dpkg": (_, { stdout }) => {
      assert.equal(stdout, "/var/lib/packages/nginx:half-installed 1.0\n");
    },
  },

  "A partition": {
    "fleetbox fault partition a b,c": async ({ box }) => {
      assert.equal(await reached(box), "b-c c-b");
    },
    "fleetbox fault partition --shape": async ({ box }) => {
      const [, { members }] = JSON.parse((await box.ok("fault", "ls", "--json")).stdout);
      assert.equal(await reached(box), members.includes("a") ? "b-c c-b" : "");
    },
    "fleetbox fault ls": (_, { stdout }) => assert.match(stdout, /cut: a \| b,c +\d+ cut of \d+$/m),
    "fleetbox heal": async ({ box }) => assert.equal(await reached(box), EVERY_PAIR),
    "fleetbox fault random": async ({ box }, { args, stdout }) => {
      const [, seed, seconds] = /--seed (\d+) --for (\S+)/.exec(args[1])!;
      const printed = await box.ok("fault", "random", "--seed", seed, "--for", seconds, "--print");
      const { steps } = JSON.parse(printed.stdout);
      assert.match(stdout, new RegExp(`^seed ${seed}: ${steps.length} faults`));
      assert.equal(stdout.match(/: over \(/g)?.length, steps.length, stdout);
      assert.equal(await reached(box), EVERY_PAIR);
    },
  },

  "A cluster, in a file": {
    "fleetbox config": ({ box }, { stdout }) => {
      assert.deepEqual(stdout.match(/(?<=^\[members\.).*(?=\])/gm), ["db-1", "db-2", "db-3", "web"]);
      assert.deepEqual([box.stored(), box.processes()], [[], []]);
    },
    "fleetbox up": async ({ box, port }, { stdout }) => {
      for (const db of ["db-1", "db-2", "db-3"]) {
        assert.match(stdout, new RegExp(`^${db}: running[^]*^web: (boot|running)`, "m"));
      }
      assert.equal(await guestOk(box, "web", "wget -qO- http://db-2:5432/name"), "db-2\n");
      await guestOk(box, "web", "sudo httpd -p 80 -h /etc");
      assert.equal(await (await fetch(`http://127.0.0.1:${port}/hostname`)).text(), "web\n");
    },
    "fleetbox checkpoint": async ({ box }) => {
      await guestOk(box, "db-2", "echo later | sudo tee /srv/db/name");
    },
    "fleetbox fork": async ({ box }) => {
      assert.equal(await guestOk(box, "run1-web", "wget -qO- http://db-2:5432/name"), "db-2\n");
      assert.equal(await guestOk(box, "web", "wget -qO- http://db-2:5432/name"), "later\n");
    },
    "fleetbox stop": async ({ box }) => {
      const states = Object.entries(await box.ls()).map(([name, { state }]) => `${name}=${state}`).toSorted();
      assert.deepEqual(states, [
        ...["db-1", "db-2", "db-3"].map((name) => `${name}=stopped`),
        ...["run1-db-1", "run1-db-2", "run1-db-3", "run1-web"].map((name) => `${name}=running`),
        "web=stopped",
      ]);
    },
  },

  "A kernel module": {
    "fleetbox sync": (_, { stdout }) => assert.match(stdout, /^k:module {2}\d sent/),
    "fleetbox exec -u root k -- insmod": async ({ box }) => {
      assert.match(await guestOk(box, "k", "lsmod"), /^dummy /m);
      // As a module would whose first line is wrong.
      await guest(box, "k", "sudo sh -c 'echo 1 >/proc/sys/kernel/sysrq; (sleep 1; echo c >/proc/sysrq-trigger) &'");
      await until("its kernel has panicked", async () => (await box.status("k"))?.state === "error", 60_000);
    },
    "fleetbox logs": (_, { stdout }) => assert.match(stdout, /Kernel panic - not syncing/),
    "fleetbox restore": async ({ box }) => {
      assert.equal(await guestOk(box, "k", "ls module; lsmod | grep -c ^dummy || true"), "mine.c\nmine.ko\n0\n");
    },
  },

  "A disk that fails": {
    // Before its programs are among what cannot be read.
    "fleetbox up a": async ({ box }) => void await guestOk(box, "a", "sudo chmod 666 /dev/vda"),
    "fleetbox fault disk a --error": async ({ box }) => {
      const { stderr } = await guest(box, "a", `${READ} conv=noerror count=2000`);
      assert.match(stderr, /Input\/output error/);
    },
    "fleetbox fault disk a --on flush": async ({ box }) => {
      // Not by its file system, which may be read-only by now; one request in a hundred fails instead.
      await guest(box, "a", Array(5).fill(`${WRITE},fsync count=1`).join("; "));
      assert.match((await box.ok("fault", "ls")).stdout, /\d+ failed[^]*\d+ slowed/);
    },
    "fleetbox heal": async ({ box }) => {
      await guest(box, "a", `${READ} count=1`); // it is told of a write that had failed before
      await guestOk(box, "a", `${READ} count=2000`);
    },
    "fleetbox up b": async ({ box }) => {
      await guestOk(box, "b", `echo kept >kept; ${QUIET}; sync; ${WRITE} count=${WRITES}`);
    },
    "fleetbox stop b": async ({ box }, { stdout }) => {
      const [, lost, unflushed] = /b: (\d+) of (\d+) unflushed writes lost|$/.exec(stdout)!.map(Number);
      assert.ok(unflushed >= WRITES && lost > 0 && lost < unflushed, stdout);
      await box.up("b");
      assert.equal(await guestOk(box, "b", "cat kept"), "kept\n");
    },
  },
};

/** Where the file system of the image has long ended, in blocks of 4 KiB. */
const BEYOND = 2 ** 20;
const WRITES = 100;
const READ = `dd if=/dev/vda of=/dev/null bs=4k skip=${BEYOND} iflag=direct`;
const WRITE = `dd if=/dev/urandom of=/dev/vda bs=4k seek=${BEYOND} oflag=direct conv=notrunc`;

/** The file system has grown to the disk's size, and commits nothing by itself from now on; nor does sudo. */
const QUIET = "until [ -e /var/lib/fleetbox/disk-sectors ]; do sleep 0.2; done; " +
  "sudo mount -o remount,commit=600,noinit_itable / && sudo chmod 666 /dev/vda";

const version = (box: Sandbox, name: string) => guestOk(box, name, "cat /var/lib/packages/nginx");

const EVERY_PAIR = "a-b a-c b-a b-c c-a c-b";

/** Which of a, b and c reach which, asked at once. */
async function reached(box: Sandbox): Promise<string> {
  const names = ["a", "b", "c"];
  const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => ({ from, to })));
  const codes = await Promise.all(pairs.map(async ({ from, to }) => {
    // By address: a name has another way to be unknown.
    const { code } = await guest(box, from, `ping -c 1 -W 3 10.88.0.1${names.indexOf(to) + 1}`);
    return code;
  }));
  return pairs.flatMap(({ from, to }, index) => codes[index] === 0 ? [`${from}-${to}`] : []).join(" ");
}

/** The entries that matched. */
const used = new Set<string>();

/** What is run for a command of the page; undefined: nothing. */
function asRun(command: string): string | undefined {
  const reason = Object.keys(NOT_HERE).find((words) => command.startsWith(words));
  if (reason !== undefined) return void used.add(reason);
  for (const [words, [others]] of Object.entries(INSTEAD)) {
    if (!command.includes(words)) continue;
    used.add(words);
    command = command.replace(words, others);
  }
  return /^fleetbox up (?!-f)/.test(command) && !command.includes("--egress")
    ? command.replace("fleetbox up", "fleetbox up --egress off")
    : command;
}

for (const [title, looks] of Object.entries(SECTIONS)) {
  test(`recipe on real machines: ${title}`, async () => {
    await using box = await sandbox({ warm: true, limitMs: 300_000 });
    const place = join(box.root, "place");
    for (const dir of ["bin", "module"]) Deno.mkdirSync(join(place, dir), { recursive: true });
    Deno.symlinkSync(FLEETBOX, join(place, "bin/fleetbox"));
    for (const [name, text] of Object.entries(FILES)) Deno.writeTextFileSync(join(place, name), text, { mode: 0o755 });
    const on = { box, port: freePort() }; // the page's own may be another program's
    const section = Deno.readTextFileSync(PAGE).split(/^## /m).find((text) => text.startsWith(`${title}\n`));
    assert.ok(section, "the page has this section");
    for (const { language, lines } of blocksOf(section)) {
      const text = lines.join("\n").replace('"8080:', `"${on.port}:`).replace('"256M"', '"128M"');
      if (language === "toml") Deno.writeTextFileSync(join(place, lines[0].slice(2)), text);
    }

    const left = { ...looks };
    const env = { PATH: `${join(place, "bin")}:${box.env.PATH}` };
    let meanwhile: Running | undefined;
    for (const command of commandsOfRecipe(section)) {
      const line = asRun(command);
      if (line === undefined) continue;
      const [, inBackground] = /^([^#]*) &$/.exec(line) ?? [];
      const running = box.start(["-c", inBackground ?? line], { program: "bash", cwd: place, env });
      if (inBackground) {
        meanwhile = running;
        await running.printed(/Unpacking/); // it is in the middle of it
        continue;
      }
      const result = await running.done;
      assert.equal(result.code, 0, told(result));
      const begins = Object.keys(left).find((words) => command.startsWith(words));
      if (begins === undefined) continue;
      await left[begins](on, result);
      delete left[begins];
    }
    assert.deepEqual(Object.keys(left), [], "these are commands of the section");
    if (meanwhile) assert.notEqual((await meanwhile.done).code, 0, "it was cut off");
  }, { limitMs: 900_000 });
}

Deno.test("each section of the recipes is tried, and each exception is one", () => {
  const titles = Deno.readTextFileSync(PAGE).split(/^## /m).slice(1).map((section) => section.split("\n")[0]);
  assert.deepEqual(Object.keys(SECTIONS), titles);
  assert.deepEqual([...Object.keys(NOT_HERE), ...Object.keys(INSTEAD)].filter((words) => !used.has(words)), []);
});
