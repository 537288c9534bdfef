/** Invalid names everywhere: on the command line, in the holder's own argument, on the sockets. None has an effect. */

import * as assert from "#assert";
import { exists } from "../../src/system/files.ts";
import { sandbox, test, told } from "../support/sandbox.ts";
import { talk, talkJson } from "../support/socket.ts";

const BAD = {
  "empty": "",
  "too long": "x".repeat(64),
  "in upper case": "Web",
  "a dot path": "..",
  "with a slash": "a/../../b",
  "with a space": "a b",
  "with a dash at its end": "a-",
  "with a dash at its start": "-a",
  "not ASCII": "wéb",
  "with a NUL's escape": "a\\0b",
};

test("a name of 63 characters boots, with its sockets and its disk", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const name = `w${"-".repeat(61)}1`;
  await box.up(name);
  assert.equal(await box.states(), `${name}=running`);
});

test("the command line refuses invalid names, each with the rule, and makes nothing", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (const [what, name] of Object.entries(BAD)) {
    const dashed = name.startsWith("-") ? ["--", name] : [name];
    const result = await box.run("up", "--egress", "off", ...dashed);
    assert.equal(result.code, 2, `${what}: ${told(result)}`);
    assert.match(result.stderr, /Not a member name: .*a name is 1 to 63 of a-z, 0-9 and "-"/, what);
  }
  assert.ok(!exists(box.home), "a refused command made the store");
});

test("every command that takes a name refuses an invalid one", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (const command of ["stop", "rm", "status", "wait", "logs", "ssh", "ssh-config", "suspend"]) {
    await box.fails(2, /Not a member name: "A\.B"/, command, "A.B");
  }
  await box.fails(2, /Not a member name: "A\.B"/, "join", "A.B", "--via", "a");
  await box.fails(2, /Not a member name: "A\.B"/, "join", "a", "--via", "A.B");
  await box.fails(2, /Not a member name/, "up", "x".repeat(62), "-n", "2");
  for (const command of ["fork", "restore"]) await box.fails(2, /Not a checkpoint's name: "A\.B"/, command, "A.B");
  await box.fails(2, /Not a checkpoint's name: "A\.B"/, "checkpoint", "rm", "A.B");
  await box.fails(2, /Not a checkpoint's name: "A\.B"/, "checkpoint", "a", "--as", "A.B");
  await box.fails(2, /Not a member name: "A\.B"/, "checkpoint", "A.B", "--as", "x");
});

test("a name given twice, an empty one between commas and no name at all are refused", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.fails(2, /The name "a" is given twice/, "up", "a,b,a");
  await box.fails(2, /The name "a" is given twice/, "stop", "a", "a");
  await box.fails(2, /Not a member name: ""/, "up", "a,,b");
  await box.fails(2, /Which members\? For example: fleetbox wait a,b/, "wait");
  assert.ok(!exists(box.home));
});

test("a holder refuses names that are invalid, given twice or missing, with one line of JSON, and makes nothing", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (const name of [...Object.values(BAD), "a,a", "a,,b", "a,B"]) {
    const result = await box.run("--fleetbox-runner", name);
    assert.equal(result.code, 1, told(result));
    const { code, message } = JSON.parse(result.stdout);
    assert.equal(code, "misuse", told(result));
    assert.match(message, /Not a member name|given twice/);
  }
  assert.equal(JSON.parse((await box.run("--fleetbox-runner")).stdout).code, "misuse");
  assert.ok(!exists(box.home));
});

test("a holder refuses unknown and malformed options, and invalid names in options", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const wrong = {
    "{": /FLEETBOX_OPTS is not JSON/,
    "[]": /Bad value for options/,
    '{"host_names":{"a":"a,b"}}': /Not a member name/,
    '{"host_names":"a"}': /Bad value for host_names/,
    '{"adopt":["a"]}': /Unknown option "adopt"/,
    '{"cpus":0}': /Bad value for cpus/,
    '{"cpus":"2"}': /Bad value for cpus/,
    '{"mem":1e9}': /Bad value for mem/,
    '{"egress":"maybe"}': /Bad value for egress/,
    '{"nonsense":1}': /Unknown option "nonsense"/,
  };
  for (const [json, words] of Object.entries(wrong)) {
    const result = await box.start(["--fleetbox-runner", "a"], { env: { FLEETBOX_OPTS: json } }).done;
    assert.equal(result.code, 1, told(result));
    const error = JSON.parse(result.stdout);
    assert.equal(error.code, "misuse", json);
    assert.match(error.message, words, json);
  }
  assert.ok(!exists(box.home));
});

test("addmember and the JSON request refuse invalid names, and the group stays as it was", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  for (const [what, name] of Object.entries({ ...BAD, "with a comma": "b,c" })) {
    const reply = await talk(socket, `addmember ${name}\n`);
    assert.match(reply, /^err: Not a member name: /, what);
    assert.ok(new TextEncoder().encode(reply).length <= 250, what);
    const [error] = await talkJson(socket, { op: "add", name });
    assert.equal(error.code, "misuse", what);
    assert.match(error.message, /^Not a member name: /, what);
  }
  assert.match(await talk(socket, "addmember"), /^err: Not a member name: ""/);
  const [error] = await talkJson(socket, { op: "add", name: 7 });
  assert.equal(error.code, "protocol");
  assert.equal(await box.states(), "a=running");
  assert.deepEqual(box.stored(), ["a"]);
});
