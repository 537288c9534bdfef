/** `packaging/install.sh` against a server on loopback, with its tools chosen by a `PATH` of links. */

import * as assert from "#assert";
import { join } from "../src/system/path.ts";
import { fakeDist, inDirectory } from "./release_testing.ts";
import { makeRelease } from "./release.ts";

/** The programs that the script needs on any system, without the alternatives. */
const TOOLS = ["sh", "id", "mkdir", "mktemp", "rm", "cat", "sed", "cut", "gzip", "chmod", "mv", "head", "uname"];

interface Scene {
  root: string;
  /** The release's files, which tests corrupt. */
  release: string;
  /** Where it installs to. */
  to: string;
  /** The requests that the server saw. */
  asked: string[];
  run(env?: Record<string, string>): Promise<{ code: number; stdout: string; stderr: string }>;
  /** Puts a program of the test before the system's on the PATH. */
  put(name: string, script: string): void;
  /** What the installed program prints; undefined: there is none. */
  installed(): string | undefined;
}

interface Tools {
  fetch?: "curl" | "wget";
  digest?: "sha256sum" | "shasum" | "openssl";
}

async function scene(work: (scene: Scene) => Promise<void>, { fetch = "curl", digest = "sha256sum" }: Tools = {}) {
  await inDirectory(async (root) => {
    const [release, to, bin] = [join(root, "release"), join(root, "a place"), join(root, "bin")];
    Deno.mkdirSync(bin);
    await fakeDist(join(root, "dist"), "fleetbox 9.9.9");
    await makeRelease({ repository: "somebody/fleetbox", version: "9.9.9", from: join(root, "dist"), to: release });
    const put = (name: string, script: string) => {
      const path = join(bin, name);
      try {
        Deno.removeSync(path);
      } catch { /* it was not there */ }
      Deno.writeTextFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    };
    for (const tool of [...TOOLS, "curl", "sha256sum"]) Deno.symlinkSync(which(tool), join(bin, tool));
    if (fetch === "wget") {
      // As wget is called here: -q --tries=3 --connect-timeout=20 -O FILE URL.
      const curl = which("curl");
      Deno.removeSync(join(bin, "curl"));
      put("wget", `[ "$1$4" = -q-O ] || exit 9; exec ${curl} -fsSL -o "$5" "$6"`);
    }
    if (digest !== "sha256sum") {
      Deno.removeSync(join(bin, "sha256sum"));
      const sum = which("sha256sum");
      if (digest === "shasum") put("shasum", `[ "$1$2" = -a256 ] || exit 9; exec ${sum} "$3"`);
      else put("openssl", `[ "$1$2$3" = dgst-sha256-r ] || exit 9; exec ${sum} "$4"`);
    }
    put("uname", 'case $1 in -s) echo "${TEST_SYSTEM:-Linux}" ;; -m) echo "${TEST_MACHINE:-x86_64}" ;; esac');
    const asked: string[] = [];
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      const path = new URL(request.url).pathname;
      asked.push(path);
      const name = /^\/(?:latest\/download|download\/v9\.9\.9)\/([\w.-]+)$/.exec(path)?.[1];
      const bytes = name && await Deno.readFile(join(release, name)).catch(() => undefined);
      return bytes ? new Response(bytes) : new Response("there is no such file", { status: 404 });
    });
    await work({
      root,
      release,
      to,
      asked,
      put,
      async run(env = {}) {
        const { code, stdout, stderr } = await new Deno.Command(join(bin, "sh"), {
          args: [join(release, "install.sh")],
          clearEnv: true,
          env: {
            PATH: bin,
            HOME: root,
            TMPDIR: root,
            FLEETBOX_INSTALL_DIR: to,
            FLEETBOX_DOWNLOADS: `http://127.0.0.1:${server.addr.port}`,
            ...env,
          },
        }).output();
        const left = [...Deno.readDirSync(root)].map(({ name }) => name).filter((name) => name.startsWith("tmp."));
        assert.deepEqual(left, [], "temporary files");
        return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
      },
      installed() {
        try {
          const names = [...Deno.readDirSync(to)].map(({ name }) => name);
          if (names.length === 0) return undefined;
          assert.deepEqual(names, ["fleetbox"]);
          return Deno.readTextFileSync(join(to, "fleetbox"));
        } catch (thrown) {
          if (thrown instanceof Deno.errors.NotFound) return undefined;
          throw thrown;
        }
      },
    });
  });
}

function which(tool: string): string {
  const dirs = Deno.env.get("PATH")!.split(":");
  const path = dirs.map((dir) => `${dir}/${tool}`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
  assert.ok(path, `${tool} is not installed: scripts/setup --tests`);
  return path;
}

Deno.test("install.sh installs this machine's executable, says where, and how to reach it", async () => {
  await scene(async ({ run, installed, asked, to }) => {
    const { code, stdout, stderr } = await run();
    assert.equal(code, 0, stderr);
    assert.match(installed()!, /linux-x86_64/);
    assert.equal(Deno.statSync(join(to, "fleetbox")).mode! & 0o777, 0o755);
    assert.ok(stdout.includes(`install: fleetbox 9.9.9 is in ${to}\n`), stdout);
    assert.ok(stdout.includes(`export PATH="${to}:$PATH"`), stdout);
    assert.match(stdout, /QEMU is not there yet/);
    assert.deepEqual(asked, ["/latest/download/SHA256SUMS", "/latest/download/fleetbox-linux-x86_64.gz"]);
  });
});

Deno.test("install.sh run twice says that nothing changed, and an older executable is replaced", async () => {
  await scene(async ({ run, installed, to }) => {
    assert.equal((await run()).code, 0);
    assert.ok((await run()).stdout.includes(`install: fleetbox 9.9.9 is in ${to}, as before\n`));
    Deno.writeTextFileSync(join(to, "fleetbox"), "#!/bin/sh\necho fleetbox 0.0.1\n");
    const { stdout } = await run();
    assert.ok(stdout.includes(`is in ${to}, in the place of fleetbox 0.0.1\n`), stdout);
    assert.match(installed()!, /9\.9\.9/);
  });
});

for (const tools of [{ fetch: "wget" }, { digest: "shasum" }, { digest: "openssl" }] as Tools[]) {
  Deno.test(`install.sh works with ${tools.fetch ?? tools.digest} where no other tool is installed`, async () => {
    await scene(async ({ run, installed, release }) => {
      const { code, stderr } = await run();
      assert.equal(code, 0, stderr);
      assert.match(installed()!, /linux-x86_64/);
      Deno.writeTextFileSync(join(release, "fleetbox-linux-x86_64.gz"), "something else");
      assert.match((await run()).stderr, /has SHA-256 [0-9a-f]{64}, expected/);
    }, tools);
  });
}

Deno.test("install.sh installs a version that is asked for by its number", async () => {
  await scene(async ({ run, asked }) => {
    assert.equal((await run({ FLEETBOX_VERSION: "9.9.9" })).code, 0);
    assert.equal((await run({ FLEETBOX_VERSION: "v9.9.9" })).code, 0);
    assert.ok(asked.every((path) => path.startsWith("/download/v9.9.9/")), asked.join(" "));
    const { code, stderr } = await run({ FLEETBOX_VERSION: "1.2.3" });
    assert.equal(code, 1);
    assert.match(stderr, /download\/v1\.2\.3\/SHA256SUMS cannot be downloaded: .*404/);
  });
});

Deno.test("install.sh recognises each system, also under Rosetta", async () => {
  await scene(async ({ run, installed, put }) => {
    const machines = [["Linux", "aarch64", "linux-aarch64"], ["Linux", "amd64", "linux-x86_64"]];
    for (const [system, machine, target] of [...machines, ["Darwin", "arm64", "macos-aarch64"]]) {
      assert.equal((await run({ TEST_SYSTEM: system, TEST_MACHINE: machine })).code, 0);
      assert.match(installed()!, new RegExp(target));
    }
    put("sysctl", '[ "$*" = "-n sysctl.proc_translated" ] && echo "${TEST_TRANSLATED:-0}"');
    for (const [translated, target] of [["0", "macos-x86_64"], ["1", "macos-aarch64"]]) {
      await run({ TEST_SYSTEM: "Darwin", TEST_MACHINE: "x86_64", TEST_TRANSLATED: translated });
      assert.match(installed()!, new RegExp(target));
    }
  });
});

Deno.test("install.sh refuses a file with a wrong digest, and leaves the installed executable as it was", async () => {
  await scene(async ({ run, installed, release, to }) => {
    const file = join(release, "fleetbox-linux-x86_64.gz");
    const bytes = Deno.readFileSync(file);
    for (const spoilt of [bytes.subarray(0, bytes.length - 1), bytes.map((byte, at) => at === 20 ? byte ^ 1 : byte)]) {
      Deno.writeFileSync(file, spoilt);
      const { code, stderr } = await run();
      assert.equal(code, 1);
      assert.match(stderr, /has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}\n {2}try: /);
      assert.equal(installed(), undefined);
    }
    Deno.writeTextFileSync(join(to, "fleetbox"), "#!/bin/sh\necho fleetbox 0.0.1\n", { mode: 0o755 });
    assert.equal((await run()).code, 1);
    assert.match(installed()!, /0\.0\.1/);
  });
});

Deno.test("install.sh says when a release has no executable for this machine, and lists the machines that have one", async () => {
  await scene(async ({ run, installed, release }) => {
    const sums = join(release, "SHA256SUMS");
    Deno.writeTextFileSync(sums, Deno.readTextFileSync(sums).replace(/^.*linux-x86_64.*\n/m, ""));
    for (
      const [env, words] of [
        [{}, /this release has no fleetbox-linux-x86_64\.gz/],
        [{ TEST_MACHINE: "riscv64" }, /no fleetbox for riscv64, expected x86_64 or aarch64/],
        [{ TEST_SYSTEM: "FreeBSD" }, /no fleetbox for FreeBSD, expected Linux or macOS/],
      ] as const
    ) {
      const { code, stderr } = await run({ ...env });
      assert.equal(code, 1);
      assert.match(stderr, words);
      assert.match(stderr, /^ {2}try: /m);
      assert.equal(installed(), undefined);
    }
  });
});

Deno.test("install.sh says before any download that it cannot write to its directory", async () => {
  await scene(async ({ run, root, asked }) => {
    Deno.writeTextFileSync(join(root, "file"), "");
    for (const place of [join(root, "file/bin"), "/proc/fleetbox"]) {
      const { code, stderr } = await run({ FLEETBOX_INSTALL_DIR: place });
      assert.equal(code, 1);
      assert.ok(stderr.includes(`install: ${place} cannot be written\n  try: choose another directory`), stderr);
    }
    assert.deepEqual(asked, []);
  });
});

Deno.test("install.sh reports a server that cannot be reached or breaks off, and an executable that does not run here", async () => {
  await scene(async ({ run, installed, release, put }) => {
    const closed = await run({ FLEETBOX_DOWNLOADS: "http://127.0.0.1:1" });
    assert.equal(closed.code, 1);
    assert.match(closed.stderr, /^install: http:\/\/127\.0\.0\.1:1\/.* cannot be downloaded: /);

    const file = join(release, "fleetbox-linux-x86_64.gz");
    Deno.renameSync(file, `${file}.away`);
    assert.match((await run()).stderr, /linux-x86_64\.gz cannot be downloaded: .*\n {2}try: run this again/);
    Deno.renameSync(`${file}.away`, file);

    // The unpacked program is for another machine.
    put("gzip", "echo '#!/nowhere/sh'");
    const { code, stderr } = await run();
    assert.equal(code, 1);
    assert.match(stderr, /what was downloaded does not run here/);
    assert.equal(installed(), undefined);
  });
});
