/**
 * What members of `Deno` do, as a program that tells it: run by Deno, and by Node with `src/node` in Deno's place. Both must
 * tell the same. `FB_DIRECTORY` is an empty directory; at `FB_ECHO` a server sends back what it got when that has ended.
 */

const directory = Deno.env.get("FB_DIRECTORY")!;
const at = (name: string) => `${directory}/${name}`;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** An error without what is told in words of each runtime: its class, Deno's name of it, and the system's number. */
function errorOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `threw ${thrown}`;
  const { errors } = Deno;
  const kinds = { ...errors } as Record<string, new () => Error>;
  const known = ["NotFound", "PermissionDenied", "AlreadyExists", "NotADirectory", "ConnectionRefused", "AddrInUse"];
  const kind = known.filter((name) => thrown instanceof kinds[name]);
  return `${thrown.name} [${kind}] ${/os error \d+/.exec(thrown.message)?.[0] ?? ""}`;
}

const told: Record<string, unknown> = {};

async function tell(what: string, does: () => unknown): Promise<void> {
  try {
    told[what] = (await does()) ?? "undefined";
  } catch (thrown) {
    told[what] = errorOf(thrown);
  }
}

const facts = ({ isFile, isDirectory, isSymlink, size, mode, uid, nlink }: Deno.FileInfo) => [
  ...[isFile, isDirectory, isSymlink, isDirectory ? 0 : size, isSymlink ? 0 : mode, uid, isDirectory ? 0 : nlink],
];

await tell("files", async () => {
  Deno.writeTextFileSync(at("file"), "content", { mode: 0o640 });
  await Deno.writeFile(at("bytes"), new Uint8Array([1, 2, 3]), { mode: 0o600 });
  await Deno.chmod(at("bytes"), 0o644);
  Deno.symlinkSync("file", at("link"));
  await Deno.symlink("nowhere", at("dangling"));
  return [
    ...["file", "bytes", "link"].map((name) => facts(Deno.statSync(at(name)))),
    ...["file", "link", "dangling"].map((name) => facts(Deno.lstatSync(at(name)))),
    Deno.readTextFileSync(at("link")),
    [...Deno.readFileSync(at("bytes"))],
    Deno.readLinkSync(at("link")) + await Deno.readLink(at("dangling")),
    facts(await Deno.stat(at("file"))),
    facts(await Deno.lstat(at("link"))),
  ];
});
await tell("a mode is set also where a file was", () => {
  Deno.writeTextFileSync(at("file"), "other", { mode: 0o600 });
  return facts(Deno.statSync(at("file")));
});
await tell("directories", async () => {
  await Deno.mkdir(at("a"), { mode: 0o700 });
  Deno.mkdirSync(at("a/b/c"), { recursive: true, mode: 0o700 });
  await Deno.mkdir(at("a/b"), { recursive: true });
  Deno.writeTextFileSync(at("a/file"), "");
  const entries = [...Deno.readDirSync(at("a"))].map(({ name, isFile, isDirectory }) =>
    `${name} ${isFile} ${isDirectory}`
  ).sort();
  const later = (await Array.fromAsync(Deno.readDir(at("a")))).map(({ name }) => name).sort();
  return [entries, later, facts(Deno.statSync(at("a/b")))];
});
const refused: Record<string, () => unknown> = {
  "read nothing": () => Deno.readTextFileSync(at("none")),
  "read nothing, later": () => Deno.readTextFile(at("none")),
  "read below a file": () => Deno.readTextFileSync(at("file/x")),
  "stat below a file": () => Deno.stat(at("file/x")),
  "list a file": () => [...Deno.readDirSync(at("file"))],
  "list nothing": () => Array.fromAsync(Deno.readDir(at("none"))),
  "make a directory again": () => Deno.mkdirSync(at("a")),
  "make a directory again, later": () => Deno.mkdir(at("a")),
  "make a directory where a file is": () => Deno.mkdirSync(at("file"), { recursive: true }),
  "link again": () => Deno.symlinkSync("x", at("link")),
  "open new what is there": () => Deno.open(at("file"), { write: true, createNew: true }),
  "open nothing": () => Deno.openSync(at("none")),
  "remove a full directory": () => Deno.removeSync(at("a")),
  "remove a full directory, later": () => Deno.remove(at("a")),
  "remove nothing": () => Deno.removeSync(at("none"), { recursive: true }),
  "remove nothing, later": () => Deno.remove(at("none"), { recursive: true }),
  "rename nothing": () => Deno.renameSync(at("none"), at("other")),
  "chmod nothing": () => Deno.chmodSync(at("none"), 0o600),
  "read a link that is a file": () => Deno.readLinkSync(at("file")),
};
for (const [what, does] of Object.entries(refused)) await tell(what, does);
await tell("an open file: places, appending, its end", async () => {
  using file = await Deno.open(at("open"), { read: true, write: true, create: true, mode: 0o600 });
  await file.write(new TextEncoder().encode("0123456789"));
  file.seekSync(4, Deno.SeekMode.Start);
  const buffer = new Uint8Array(3);
  const counts = [file.readSync(buffer), await file.read(buffer), await file.read(buffer), await file.read(buffer)];
  await file.sync();
  await file.syncData();
  using appended = Deno.openSync(at("open"), { append: true, create: true });
  appended.writeSync(new TextEncoder().encode("ab"));
  await appended.write(new TextEncoder().encode("cd"));
  return [counts, text(buffer), Deno.readTextFileSync(at("open")), file.statSync().size, (await file.stat()).size];
});
await tell("an open file as a stream, from its place on", async () => {
  using file = await Deno.open(at("open"));
  file.seekSync(6, Deno.SeekMode.Start);
  return await new Response(file.readable).text();
});
await tell("a directory for what is temporary", async () => {
  const made = await Deno.makeTempDir({ prefix: "fb-members-" });
  const entries = [...Deno.readDirSync(made)];
  Deno.removeSync(made);
  return [
    made.startsWith(`${Deno.env.get("TMPDIR") ?? "/tmp"}/fb-members-`),
    entries,
    facts(Deno.statSync(directory))[1],
  ];
});
await tell("removed", async () => {
  Deno.renameSync(at("open"), at("moved"));
  await Deno.rename(at("moved"), at("moved again"));
  Deno.removeSync(at("dangling"));
  await Deno.remove(at("link"));
  await Deno.remove(at("a"), { recursive: true });
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
});

const sh = (script: string, options: Deno.CommandOptions = {}) =>
  new Deno.Command("/bin/sh", { args: ["-c", script], stdin: "null", stdout: "piped", stderr: "piped", ...options });
await tell("a program's code, signal and outputs", async () => {
  const tellEnd = ({ code, signal, success, stdout, stderr }: Deno.CommandOutput) => [
    ...[code, signal, success, text(stdout), text(stderr)],
  ];
  const killed = sh("exec sleep 60", { stdout: "null", stderr: "null" }).spawn();
  killed.kill("SIGKILL");
  const given = sh("cat; echo $FB_X", { stdin: "piped", env: { FB_X: "x" } }).spawn();
  const writer = given.stdin.getWriter();
  await writer.write(new TextEncoder().encode("given "));
  await writer.close();
  const abort = new AbortController();
  const aborted = sh("exec sleep 60", { signal: abort.signal, stdout: "null", stderr: "null" }).spawn();
  abort.abort();
  return [
    tellEnd(await sh("echo out; echo err >&2; exit 3").output()),
    tellEnd(sh("pwd", { cwd: "/" }).outputSync()),
    (({ code, signal, success }) => [code, signal, success])(await killed.status),
    tellEnd(await given.output()),
    (({ code, signal, success }) => [code, signal, success])(await aborted.status),
  ];
});
/** Deno tells the number for some of them, Node's words are ours. */
const name = (does: () => unknown) => () => {
  try {
    return does();
  } catch (thrown) {
    return (thrown as Error).name;
  }
};
await tell("no such program", name(() => new Deno.Command("/no/such", { stdout: "null" }).spawn()));
await tell("no such program on PATH", name(() => new Deno.Command("no-such-program", { stdout: "null" }).spawn()));
await tell("no program", name(() => new Deno.Command(at("file"), { stdout: "null" }).spawn()));
await tell("no such directory", name(() => sh("true", { cwd: "/no/such" }).spawn()));

await tell("connect to nothing", () => Deno.connect({ transport: "unix", path: at("none") }));
await tell("connect below a file", () => Deno.connect({ transport: "unix", path: at("file/x") }));
await tell("a connection: half-closed, read to its end", async () => {
  const conn = await Deno.connect({ transport: "unix", path: Deno.env.get("FB_ECHO")! });
  const sent = new Uint8Array(300_000).map((_, index) => index % 251);
  for (let from = 0; from < sent.length;) from += await conn.write(sent.subarray(from));
  await conn.closeWrite();
  const buffer = new Uint8Array(1000);
  let [sum, count] = [0, 0];
  for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
    for (const byte of buffer.subarray(0, n)) sum = (sum * 31 + byte) % 1_000_003;
    count += n;
  }
  conn.close();
  const twice = await Promise.resolve().then(() => conn.close()).catch(({ name }) => name);
  return [count, sum, twice];
});
await tell("a read ends when the connection is closed", async () => {
  const conn = await Deno.connect({ transport: "unix", path: Deno.env.get("FB_ECHO")! });
  const reading = conn.read(new Uint8Array(10)).then(() => "read", () => "rejected");
  conn.close();
  return await reading;
});
await tell("a port that is taken", async () => {
  const one = await Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.env.get("FB_PORT")) });
  one.close();
});
await tell("any free port", async () => {
  using listener = await Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port > 0;
});
await tell("a directory is watched", async () => {
  const watcher = Deno.watchFs(directory, { recursive: false });
  Deno.writeTextFileSync(at("new"), "");
  for await (const _ of watcher) break;
  watcher.close();
  return "seen";
});
await tell("facts", () => [
  ...[Deno.build.arch, Deno.build.os, Deno.build.target, Deno.osRelease(), Deno.uid(), Deno.cwd()],
  ...[Deno.env.get("FB_NONE"), Deno.env.toObject().FB_DIRECTORY, typeof Deno.pid, Deno.systemMemoryInfo().total],
  Math.round(Deno.osUptime() / 1000),
]);

await tell("a program in a session of its own", async () => {
  const { stdout } = await sh("ps -o sid= -p $$; echo $$", { detached: true }).spawn().output();
  const [session, pid] = text(stdout).trim().split("\n");
  return session.trim() === pid;
});

// None of these keeps a program alive.
const waiting = sh("cat", { stdin: "piped" }).spawn();
waiting.unref();
void waiting.stdout.getReader().read();
void waiting.stderr.getReader().read();
Deno.unrefTimer(setTimeout(() => console.log("waited for"), 60_000));
await Deno.connect({ transport: "unix", path: Deno.env.get("FB_ECHO")! });
console.log(JSON.stringify(told));
