import * as assert from "#assert";
import { journalLine } from "../control/bytes/journal.ts";
import { isCursor, JournalReader, journalScript } from "./journal.ts";

const entry = (fields: Record<string, unknown>) =>
  JSON.stringify({
    __CURSOR: "s=0;i=1",
    __MONOTONIC_TIMESTAMP: "9000000",
    MESSAGE: "hi",
    SYSLOG_IDENTIFIER: "sshd",
    _PID: "411",
    ...fields,
  });

function begun(): JournalReader {
  const reader = new JournalReader();
  assert.equal(reader.line("Welcome to this machine", 1_000_000), undefined);
  assert.equal(reader.hasBegun, false);
  assert.equal(reader.line("10.00 20.00", 1_000_000), undefined);
  assert.equal(reader.hasBegun, true);
  return reader;
}

Deno.test("entries from before the session are placed by the time since the guest's boot, later ones by when they come", () => {
  const reader = begun();
  assert.equal(reader.line(entry({}), 1_000_300)!.at, new Date(999_000).toISOString());
  assert.equal(
    reader.line(entry({ __MONOTONIC_TIMESTAMP: "11000000" }), 1_004_000)!.at,
    new Date(1_004_000).toISOString(),
  );
  assert.equal(
    reader.line(entry({ __MONOTONIC_TIMESTAMP: undefined }), 1_004_000)!.at,
    new Date(1_004_000).toISOString(),
  );
});

Deno.test("whatever a guest says, an entry is a line to read", () => {
  const reader = begun();
  assert.deepEqual(reader.line(entry({ PRIORITY: "3", _SYSTEMD_UNIT: "ssh.service" }), 1_000_000), {
    ...{ at: new Date(999_000).toISOString(), cursor: "s=0;i=1", name: "sshd", pid: 411, unit: "ssh.service" },
    ...{ priority: 3, text: "hi" },
  });
  const textOf = (MESSAGE: unknown) => reader.line(entry({ MESSAGE }), 1_000_000)!.text;
  assert.equal(textOf([104, 105, 255]), "hi\ufffd");
  assert.equal(textOf("\x1b[31mred\x1b[0m\u0007\nmore\n"), "red\nmore");
  assert.match(textOf(null), /too long/);
  assert.equal(textOf(["first", "second"]), "first");
  assert.equal(textOf({ a: 1 }), "");
  for (const line of ["", "{", "null", "[]", "7", entry({ __CURSOR: "a' ; reboot" }), entry({ __CURSOR: 7 })]) {
    assert.equal(reader.line(line, 1_000_000), undefined, line);
  }
  const bad = entry({ SYSLOG_IDENTIFIER: "a\nb: c", _PID: "x" });
  assert.equal(journalLine(reader.line(bad, 1_000_000)!), `${new Date(999_000).toISOString()} a b: c: hi\n`);
  assert.match(journalLine(reader.line(entry({ MESSAGE: "a\nb" }), 1_000_000)!), /Z sshd\[411\]: a\n {4}b\n$/);
});

Deno.test("the script asks for what is wanted", () => {
  assert.match(journalScript({ follow: true }), /journalctl -q -b -o json --output-fields=\S+ --no-tail -f "\$@"$/);
  assert.match(journalScript({ follow: false, lines: 20 }), / -n20 "\$@"$/);
  assert.match(journalScript({ follow: true, after: "s=0;i=1" }), /^after='s=0;i=1'$/m);
  assert.deepEqual(["s=0;i=1f", "a'b", "", "x".repeat(600)].map(isCursor), [true, false, false, false]);
});
