/** Places: commands at another host, over a real sshd on loopback. */

import * as assert from "#assert";
import { buildViewer } from "../../scripts/viewer.ts";
import { join } from "../../src/system/path.ts";
import { freePort } from "../support/free_ports.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, test, told } from "../support/sandbox.ts";
import { both } from "./both.ts";
import { hostWithoutQemu, silenceIsNoticed, versionsDiffer } from "./hosts.ts";
import { connectionsAreKept } from "./kept.ts";
import {
  checkpointsWork,
  groupsEndWithTheConnection,
  groupsEndWithTheProgram,
  libraryWorks,
  pids,
  realGuestWorks,
} from "./library.ts";

test("a place, with a real sshd and a fake QEMU", async (context) => {
  const step = async (name: string, run: () => Promise<void>) => void (await context.step(name, run));
  await buildViewer(); // another user cannot
  await using all = await both({ fakeQemu: {}, fakeSsh: true });
  const { here, there, host } = all;
  const add = ["place", "add", "big", host.url, "--store", there.home, "--executable", host.executable];

  await step("a host key that is unknown or changed is refused by OpenSSH, in its words", async () => {
    host.know();
    await here.fails(1, [/Cannot reach the place "big"/, /Host key verification failed/], ...add, "--yes");
    host.know(host.hostKey.replace(/AAAA\S{60}/, (key) => `${key.slice(0, -4)}AAAA`));
    await here.fails(1, /REMOTE HOST IDENTIFICATION HAS CHANGED/, ...add, "--yes");
    host.know(host.hostKey);
    assert.equal((await here.ok("place", "ls", "--json")).stdout, "[]\n");
  });

  await step("fleetbox is brought there after consent, and verified", async () => {
    await here.fails(2, /expected a terminal, or --yes\n +try: fleetbox place add big/, ...add);
    const [place] = (await here.ok(...add, "--yes", "--json")).stdout.trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    assert.deepEqual([place.event, place.name, place.store], ["place", "big", there.home]);
    const [listed] = JSON.parse((await here.ok("place", "ls", "--json")).stdout);
    assert.deepEqual([listed.name, listed.connected, listed.version], ["big", true, place.version]);
    const check = await here.run("place", "check", "big");
    assert.match(check.stdout, /^ok +connection .*\nok +fleetbox .*\n[^]*store/, told(check));
    const [program] = [...Deno.readDirSync(join(there.home, "bin"))].map(({ name }) => join(there.home, "bin", name));
    const text = Deno.readTextFileSync(program);
    Deno.writeTextFileSync(program, `${text}# changed\n`);
    await here.fails(1, /is not what was brought there: found another one/, "place", "check", "big");
    await here.ok(...add, "--yes");
    assert.equal(Deno.readTextFileSync(program), text);
    await here.fails(
      1,
      /The place "big" is ssh:.*, found ssh:\/\/other/,
      "place",
      "add",
      "big",
      "ssh://other",
      "--yes",
    );
  });

  await step("commands run there: what they say, and their exit codes, come here", async () => {
    await here.ok("up", "a,b", "--egress", "off", "--on", "big");
    assert.equal(await here.states(), "");
    assert.equal(await states(here), "a=running b=running");
    assert.match((await here.ok("ls", "--on", "big")).stdout, /^a@big +running[^]*^b@big +running/m);
    const env = { FLEETBOX_PLACE: "big" };
    assert.equal(JSON.parse((await here.start(["status", "a", "--json"], { env }).done).stdout).name, "a");
    assert.equal((await here.start(["ls", "-q", "--on", "here"], { env }).done).stdout, "");
    assert.match((await here.ok("status", "a@big")).stdout, /^ssh +fleetbox ssh --on big a \(/m);
    assert.match(
      (await here.ok("fault", "ls", "--on", "big")).stderr,
      /no faults: fleetbox fault --on big partition a b/,
    );
    await here.fails(3, /no member "nix"/, "status", "nix", "--on", "big");
    await here.fails(2, /has no option --nix/, "status", "a", "--nix", "--on", "big");
    await here.fails(3, /There is no place "bg"\n +There are: big/, "ls", "--on", "bg");
    await here.fails(2, /--on has no effect on it/, "place", "ls", "--on", "big");
    const failed = await here.fails(3, /"code":"not-found"/, "wait", "nix", "--json", "--on", "big");
    assert.equal(failed.stdout, "");
    assert.match((await here.ok("__complete", "exec", "a@")).stdout, /^-\na@big\trunning/);
    assert.match((await here.ok("__complete", "status", "--on", "big", "")).stdout, /^-\na\trunning.*\nb\trunning/);
    await here.ok("stop", "b", "--on", "big");
    await here.fails(
      1,
      /"b": it is not running\n +try: Boot it: fleetbox up --on big b/,
      "exec",
      "--on",
      "big",
      "b",
      "true",
    );
    await here.fails(1, /"b": it is not running\n +try: .*--on big b/, "exec", "a@big,b@big", "--", "true");
  });

  await step(
    "members of all places are listed, and named with their place; one that does not answer is a row",
    async () => {
      await here.up("x");
      const other = join(here.home, "places/off.json");
      const place = JSON.parse(Deno.readTextFileSync(join(here.home, "places/big.json")));
      using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 }); // it says nothing
      const url = `ssh://127.0.0.1:${silent.addr.port}`;
      Deno.writeTextFileSync(other, JSON.stringify({ ...place, url }));
      const { stdout } = await here.ok("ls", "--all-places");
      assert.match(
        stdout,
        /^x +running[^]*^a@big +running[^]*^b@big +stopped[^]*^@off +unknown[^]*@off: it did not answer within/m,
      );
      Deno.removeSync(other);
      const views = JSON.parse((await here.ok("ls", "--all-places", "--json")).stdout);
      const named = views.map(({ name, place = "here" }: Record<string, string>) => `${name}@${place}`);
      assert.deepEqual(named, ["x@here", "a@big", "b@big"]);
      assert.equal(JSON.parse((await here.ok("status", "a@big", "--json")).stdout).name, "a");
    },
  );

  await step("files of this host are brought there, once, and frames and pages come here", async () => {
    const at = (name: string, text: string) => {
      Deno.writeTextFileSync(join(here.root, name), text);
      return join(here.root, name);
    };
    const data = at("data.yaml", "#cloud-config\n{}\n");
    const options = ["--egress", "off", "--on", "big", "--fixture", `${join(here.root, "client")}:/srv`];
    await here.ok("up", "d", "--user-data", data, ...options);
    const config = JSON.parse((await here.ok("status", "d", "--json", "--on", "big")).stdout).config;
    const { host_path } = config.fixtures[0];
    assert.match(host_path, new RegExp(`^${there.home}/brought/[0-9a-f]{16}/client$`));
    assert.deepEqual([...Deno.readDirSync(host_path)].map(({ name }) => name).toSorted(), [
      "bin",
      "config",
      "key",
      "key.pub",
      "known",
    ]);
    const group = at("fleetbox.toml", '[defaults]\negress = "off"\nuser-data = "data.yaml"\n[members.e]\n');
    await here.ok("up", "-f", group, "--on", "big");
    await here.fails(3, /There is no .*none.yaml/, "up", "f", "--user-data", "none.yaml", "--on", "big");
    await here.fails(
      1,
      /--share needs a directory of the members' own host[^]*fleetbox sync DIR/,
      "up",
      "f",
      "--share",
      "/tmp:/x",
      "--on",
      "big",
    );
    const frames = join(here.root, "out.pcapng");
    await here.ok("capture", "d", "-w", frames, "--for", "100ms", "--on", "big");
    assert.deepEqual([...Deno.readFileSync(frames).subarray(0, 4)], [0x0a, 0x0d, 0x0d, 0x0a]);
    await here.fails(1, /there is such a file already/, "capture", "d", "-w", frames, "--on", "big");
    const view = here.start(["view", "d", "--on", "big"]);
    await view.printed(/http:\/\/127\.0\.0\.1:\d+\S*/);
    const page = await fetch(/http:\S+/.exec(view.stdout)![0]);
    assert.match(await page.text(), /<html/i);
    view.kill("SIGINT");
    await view.done;
    await here.ok("rm", "d", "e", "--force", "--on", "big");
  });

  await step("what was recorded there comes here, as a bundle and as a page", async () => {
    await here.ok("trace", "start", "a", "--on", "big");
    const [bundle, page] = [join(here.root, "t.zip"), join(here.root, "t.html")];
    assert.match((await here.ok("trace", "events", "a", "--on", "big")).stdout, /^ +0\.\d+ +a /m);
    await here.ok("trace", "show", "a", "-o", page, "--no-open", "--on", "big");
    assert.match(Deno.readTextFileSync(page), /^<!doctype html/i);
    const { stdout } = await here.ok("trace", "stop", "a", "-w", bundle, "--on", "big");
    assert.match(stdout, new RegExp(`^${bundle} +\\d.*\n.*fleetbox trace show ${bundle}\n$`));
    assert.match((await here.ok("trace", "events", bundle)).stdout, /^ +0\.\d+ +a /m);
    await here.fails(1, /there is such a file already/, "trace", "stop", "a", "-w", bundle, "--on", "big");
    await here.fails(2, /is a file of this host/, "trace", "events", bundle, "--on", "big");
    await here.fails(3, /no trace/i, "trace", "stop", "a", "--on", "big");
  });

  await step("ports of this host lead to a member there, also after their connection was lost", async () => {
    const port = freePort();
    const [made] = JSON.parse((await here.ok("forward", "a@big", `${port}:80`, "--json")).stdout).forwards;
    assert.deepEqual(made, { host_port: port, guest_port: 80, open: true });
    assert.equal(await answerAt(port), "port 80");
    await here.fails(1, /leads to port 80 of "a" at "big" already/, "forward", "--on", "big", "a", `${port}:81`);
    await here.fails(1, /ssh leads TCP/, "forward", "--on", "big", "a", "53", "--udp");
    const [master] = await pids(`${here.home}/places/big/ctl-p -f`);
    Deno.kill(master, "SIGKILL");
    assert.match((await here.ok("forward", "a@big")).stdout, new RegExp(`^127.0.0.1:${port} leads to port 80\n$`));
    assert.equal(await answerAt(port), "port 80");
    await here.ok("forward", "a", "80", "--remove", "--on", "big");
    assert.equal((await here.ok("forward", "a", "--on", "big", "--json")).stdout, '{"name":"a","forwards":[]}\n');
    assert.deepEqual(await pids(`${here.home}/places/big/ctl-p -f`), []);
    assert.equal(JSON.parse((await here.ok("status", "a@big", "--json")).stdout).forwards, undefined);
  });

  await step(
    "Ctrl-C reaches the command there, and a killed client is noticed: its bound group ends, others stay",
    async () => {
      const follow = here.start(["logs", "-f", "a", "--on", "big"]);
      await follow.printed(/./);
      follow.kill("SIGINT");
      const { code } = await follow.done;
      assert.ok(code === 0 || code === 130, String(code));
      const brief = here.start(["up", "c", "--rm", "--egress", "off", "--on", "big"]);
      await brief.printed(/removed when this command ends/);
      brief.kill("SIGKILL");
      await until("c is gone", async () => (await states(here)) === "a=running b=stopped");
    },
  );

  await step("sessions do not limit clients of members: forty connections to a guest at once", async () => {
    const config = (await here.ok("ssh-config", "--on", "big")).stdout;
    const proxy = /ProxyCommand (.*)/.exec(config)![1];
    const port = /Port (\d+)/.exec(config)![1];
    const line = proxy.replaceAll("%h", "127.0.0.1").replaceAll("%p", port).replaceAll("%%", "%");
    const children = Array.from(
      { length: 40 },
      () =>
        new Deno.Command("/bin/sh", { args: ["-c", `exec ${line}`], env: here.env, stdin: "piped", stdout: "piped" })
          .spawn(),
    );
    await Promise.all(children.map(async ({ stdout }) => {
      const reader = stdout.getReader();
      const { value } = await reader.read();
      assert.match(new TextDecoder().decode(value), /^SSH-2\.0/);
      reader.releaseLock();
    }));
    await Promise.all(children.map(async (child) => {
      child.kill("SIGKILL");
      await Promise.all([child.stdin.close().catch(() => {}), child.stdout.cancel().catch(() => {}), child.status]);
    }));
  });

  await step("a connection that is lost is told; machines run on, and the next command connects again", async () => {
    const events = here.start(["events", "--on", "big"]);
    await events.printed(/a/);
    const [master] = await pids(`${here.home}/places/big/ctl -f`);
    Deno.kill(master, "SIGKILL");
    const { code, stderr } = await events.done;
    assert.deepEqual(
      [code, /connection to the place "big" is over; machines there run on/.test(stderr)],
      [1, true],
      stderr,
    );
    assert.match((await here.ok("ls", "--on", "big")).stdout, /^a@big +running/m);
  });

  await step(
    "a network that is gone without a word is noticed; machines run on, and the next command connects again",
    () => {
      return silenceIsNoticed(here, host);
    },
  );
  await step("a fleetbox of another version there is told once, and replaced by place add", () => {
    return versionsDiffer(here, there, host);
  });
  await step("a host without QEMU is told as that", () => hostWithoutQemu(here, there, host));

  await step("the library's machines are there, and used from here", () => libraryWorks(here, there, "a"));
  await step(
    "the library's checkpoints are there, too, and it does the same on Node",
    () => checkpointsWork(here, there, "a"),
  );
  await step("its groups there end with the program", () => groupsEndWithTheProgram(here, there, "a"));
  await step("its groups there end with the connection", () => groupsEndWithTheConnection(here, there, "a"));

  await step("a place that is forgotten keeps its machines", async () => {
    assert.match((await here.ok("place", "rm", "big")).stdout, /forgot big/);
    assert.deepEqual(there.processes("machine").map(({ name }) => name), ["a"]);
    await here.fails(3, /There is no place "big"/, "ls", "--on", "big");
  });
});

test("a place, with a real machine", async (context) => {
  const step = async (name: string, run: () => Promise<void>) => void (await context.step(name, run));
  await using all = await both({});
  const { here, there, host } = all;
  host.know(host.hostKey);
  await here.ok("place", "add", "big", host.url, "--store", there.home, "--executable", host.executable, "--yes");
  const guest = async () => {
    const exec = await here.run("exec", "a", "--on", "big", "--", "sh", "-c", "echo out; echo err >&2; exit 7");
    assert.deepEqual([exec.code, exec.stdout, exec.stderr], [7, "out\n", "err\n"], told(exec));
    const file = join(here.root, "file");
    Deno.writeTextFileSync(file, "from here");
    await here.ok("cp", "--on", "big", file, "a:there");
    assert.equal((await here.ok("ssh", "--on", "big", "a", "cat there")).stdout, "from here");
    await here.ok("cp", "--on", "big", "a:/etc/hostname", `${file}-2`);
    assert.equal(Deno.readTextFileSync(`${file}-2`).trim(), "a");
  };
  await step(
    "exec, ssh and cp are clients here, and so is the library: streams, exit codes and files are right",
    () => {
      return realGuestWorks(here, there, guest);
    },
  );
  await step("a connection to a guest is kept for the next exec, and only for that", () => connectionsAreKept(here));
});

/** What answers at a port of this host. */
async function answerAt(port: number): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(100);
  return new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0)).slice(0, 7);
}

/** `ls` at the place, as `a=running b=stopped`. */
async function states(here: Sandbox): Promise<string> {
  const views = JSON.parse((await here.ok("ls", "--json", "--on", "big")).stdout);
  return views.map(({ name, state }: Record<string, string>) => `${name}=${state}`).join(" ");
}
