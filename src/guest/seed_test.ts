import * as assert from "#assert";
import { join } from "../system/path.ts";
import fc from "fast-check";
import { type SeedFacts, seedFiles, SIZE_FILE, writeSeed } from "./seed.ts";
import { isMimeMessage } from "./user_data.ts";

const FACTS: SeedFacts = {
  hostName: "web-1",
  instanceId: "web-1-0b5c",
  user: "fleetbox",
  publicKey: "ssh-ed25519 AAAA fleetbox",
  mac: "52:54:00:12:34:56",
  address: "10.88.0.11/24",
  gateway: "10.88.0.1",
  dns: "10.88.0.3",
  domain: "fleetbox.internal",
};

/** Texts that YAML would like to read as something else. */
const trap = fc.oneof(
  fc.constantFrom(
    "yes",
    "~",
    "null",
    "1e3",
    "0x10",
    "- a",
    "a: b",
    "#x",
    "'",
    '"',
    "\\",
    "{a}",
    "[a]",
    "&a",
    "*a",
    "!t",
  ),
  fc.constantFrom("a\nb: c", "a\r\nb", "\t", "\u0085", "\u2028", "\ufeff", "\x7f", "\x00", "%TAG", "---", "...", " x "),
  fc.string({ unit: "grapheme" }),
);

Deno.test("seed: every value is one double-quoted scalar, whatever it contains", () => {
  fc.assert(fc.property(trap, trap, trap, (name, publicKey, instanceId) => {
    const files = seedFiles({ ...FACTS, hostName: name, publicKey, instanceId });
    const scalars = (text: string) => [...text.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([scalar]) => JSON.parse(scalar));
    assert.deepEqual(scalars(files["meta-data"]), [instanceId, name]);
    assert.ok(scalars(files["vendor-data"]).includes(publicKey));
    for (const text of Object.values(files)) {
      // Nothing but ours is outside of the quotes: the lines are the same as for plain values.
      const shape = (one: string) => one.replace(/"(?:[^"\\]|\\.)*"/g, '""');
      const plain = seedFiles(FACTS);
      assert.ok(Object.values(plain).map(shape).includes(shape(text)), text);
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(text, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]/);
    }
  }));
});

const hasYaml = await new Deno.Command("python3", { args: ["-c", "import yaml"], stderr: "null" }).output()
  .then(({ success }) => success, () => false);

interface Read {
  "meta-data": Record<string, string>;
  "vendor-data": { users: { ssh_authorized_keys: string[] }[]; bootcmd?: string[] };
  "network-config": { ethernets: { net0: { match: { macaddress: string } } } };
}

Deno.test({
  name: "seed: cloud-init's own YAML reader reads back what was written",
  ignore: !hasYaml,
  fn: async () => {
    const path = trap.map((text) => "/" + text.replace(/\p{Cc}/gu, "x"));
    const samples = fc.sample(
      fc.record({ hostName: trap, publicKey: trap, sharedDirectories: fc.array(path, { maxLength: 3 }) }),
      200,
    );
    const documents = samples.map((sample) => seedFiles({ ...FACTS, ...sample }));
    const program = "import json,sys,yaml\n" +
      "print(json.dumps([{k: yaml.safe_load(v) for k, v in d.items() if k != 'fixtures'} for d in json.load(sys.stdin)]))";
    const child = new Deno.Command("python3", { args: ["-c", program], stdin: "piped", stdout: "piped" }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(documents)));
    await writer.close();
    const { stdout } = await child.output();
    JSON.parse(new TextDecoder().decode(stdout)).forEach((read: Read, index: number) => {
      const { hostName: name, publicKey, sharedDirectories } = samples[index];
      assert.equal(read["meta-data"]["local-hostname"], name);
      assert.deepEqual(read["vendor-data"].users[0].ssh_authorized_keys, [publicKey]);
      assert.equal(read["vendor-data"].bootcmd!.length, sharedDirectories.length + 3);
      assert.equal(read["network-config"].ethernets.net0.match.macaddress, FACTS.mac);
    });
  },
});

Deno.test("seed: without user-data there is none, and shared directories are listed only if there are any", () => {
  const files = seedFiles(FACTS);
  assert.equal(files["user-data"], "#cloud-config\n{}\n");
  assert.deepEqual(Object.keys(files), ["meta-data", "user-data", "vendor-data", "network-config"]);
  assert.doesNotMatch(files["vendor-data"], /mount -t/);
  assert.equal(seedFiles({ ...FACTS, sharedDirectories: ["/a b", "/c"] }).fixtures, "/a b\n/c\n");
});

Deno.test("seed: the path of a shared directory reaches the guest's shell as it is", async () => {
  for (const path of ["/a b", "/it's", '/"$HOME"', "/`id`", "/;reboot", "/-n", "/ü*?[a]", "/a\\nb"]) {
    const { "vendor-data": text } = seedFiles({ ...FACTS, sharedDirectories: [path] });
    const line = text.split("\n").find((one) => one.includes("mkdir -p"))!;
    const command: string = JSON.parse(line.replace(/^ +- /, ""));
    const script = `mkdir() { printf '%s\\n' "$@"; }; mount() { printf '%s\\n' "$@"; }; ${command}`;
    const { stdout } = await new Deno.Command("sh", { args: ["-c", script] }).output();
    const expected = ["-p", path, "-t", "ext4", "-o", "ro", "LABEL=fb-fixture-0", path, ""].join("\n");
    assert.equal(new TextDecoder().decode(stdout), expected);
  }
});

/** A MIME message's parts, as far as a reader needs it here. */
function partsOf(message: string): { headers: string; body: string }[] {
  const [, boundary] = /boundary="([^"]+)"/.exec(message)!;
  return message.split(`--${boundary}`).slice(1, -1).map((text) => {
    const [headers, ...rest] = text.replace(/^\n/, "").split("\n\n");
    const body = rest.join("\n\n").replace(/\n$/, "");
    const isBase64 = /base64/.test(headers);
    return {
      headers,
      body: isBase64 ? new TextDecoder().decode(Uint8Array.from(atob(body), (char) => char.charCodeAt(0))) : body,
    };
  });
}

Deno.test("seed: user-data is a message of the user's own part, as it was given, and ours, which replaces nothing", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const userData = `#cloud-config\n${text}`;
    fc.pre(!isMimeMessage(userData));
    const { "user-data": message, "vendor-data": ours } = seedFiles({ ...FACTS, userData });
    assert.ok(isMimeMessage(message));
    const [theirs, own] = partsOf(message);
    assert.equal(theirs.body, userData.toWellFormed());
    assert.match(theirs.headers, /^Content-Type: text\/plain/);
    assert.equal(own.body, ours);
    assert.match(own.headers, /^Merge-Type: list\(append\)\+dict\(no_replace,recurse_list\)\+str\(\)$/m);
  }));
});

Deno.test("seed: user-data that is a MIME message becomes a part, unchanged", () => {
  const userData = 'Content-Type: multipart/mixed; boundary="x"\nMIME-Version: 1.0\n\n--x\n\n#!/bin/sh\ntrue\n--x--\n';
  assert.ok(seedFiles({ ...FACTS, userData })["user-data"].includes(`\n${userData}\n--fleetbox-`));
});

Deno.test("seed: the volume holds the files, under its label", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/seed.img`;
    await writeSeed(path, {
      ...FACTS,
      userData: `#cloud-config\n# ${"x".repeat(32 * 1024 - 20)}`,
      sharedDirectories: ["/a"],
    });
    const bytes = await Deno.readFile(path);
    const text = new TextDecoder("latin1").decode(bytes);
    assert.match(text.slice(0, 512), /cidata/i);
    assert.ok(text.includes('local-hostname: "web-1"') && text.includes("x".repeat(1000)));
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name), ["seed.img"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("seed: the guest's own name becomes its address, on whatever /etc/hosts its image has, once however often it boots", async () => {
  const config = seedFiles(FACTS)["vendor-data"];
  assert.match(config, /^manage_etc_hosts: false$/m);
  const hosts = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(hosts, "127.0.0.1 localhost\n127.0.1.1\tweb-1.fleetbox.internal web-1\n10.0.0.9 mine\n");
    for (const address of ["10.88.0.11/24", "10.88.0.12/24", "10.88.0.12/24"]) {
      const [line] = seedFiles({ ...FACTS, address })["vendor-data"].split("\n").filter((one) =>
        one.includes("/etc/hosts")
      )
        .filter((one) => one.startsWith("  - "));
      const command = JSON.parse(line.slice(4)).replaceAll("/etc/hosts", hosts);
      const { success } = await new Deno.Command("sh", { args: ["-euc", command] }).output();
      assert.ok(success);
    }
    const expected = "127.0.0.1 localhost\n10.0.0.9 mine\n10.88.0.12 web-1.fleetbox.internal web-1 # fleetbox\n";
    assert.equal(Deno.readTextFileSync(hosts), expected);
  } finally {
    Deno.removeSync(hosts);
  }
});

Deno.test("seed: a login on the serial line sets the size that was sent; elsewhere, or without a size, it does nothing", async () => {
  const vendor = seedFiles(FACTS)["vendor-data"];
  const profile: string = JSON.parse(/path: .*console-size\.sh"\n.*\n +content: (".*")$/m.exec(vendor)![1]);
  const dir = Deno.makeTempDirSync();
  try {
    const told = join(dir, "told");
    for (const [name, text] of [["tty", 'echo "$LINE"'], ["stty", 'echo "$@"']]) {
      Deno.writeTextFileSync(join(dir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    }
    // What was typed ahead is for the shell behind the profile: it must find all of it.
    const login = async (line: string) => {
      const child = new Deno.Command("sh", {
        args: ["-euc", `${profile.replaceAll(SIZE_FILE, told)}\ncat`],
        env: { PATH: `${dir}:${Deno.env.get("PATH")}`, LINE: line },
        stdin: "piped",
        stdout: "piped",
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("typed ahead"));
      await writer.close();
      return new TextDecoder().decode((await child.output()).stdout);
    };
    assert.equal(await login("/dev/ttyS0"), "typed ahead", "nobody has told a size");
    Deno.writeTextFileSync(told, "40 111\n");
    assert.equal(await login("/dev/ttyS0"), "rows 40 cols 111\ntyped ahead");
    assert.equal(await login("/dev/ttyAMA0"), "rows 40 cols 111\ntyped ahead");
    for (const line of ["/dev/pts/0", "/dev/tty1", "not a tty"]) assert.equal(await login(line), "typed ahead", line);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
