/** `fleetbox trace show`: what it reads, what it refuses, what it writes. What the page does is in tests/viewer. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { sandbox, test } from "../support/sandbox.ts";
import { bundleFiles, writeDirectory, zipOf } from "../viewer/bundle.ts";

const SMALL = { seconds: 20, packets: 50, consoleBytes: 2000 };

test("trace show writes one page, with the bundle inside, from a zip and from a directory", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const files = bundleFiles(SMALL), zip = join(box.root, "trace.zip"), dir = join(box.root, "recorded");
  Deno.writeFileSync(zip, zipOf(files));
  writeDirectory(dir, files);

  const { stdout } = await box.ok("trace", "show", zip);
  const page = join(box.root, "trace.html");
  assert.equal(stdout, `${page}\n`); // no desktop here
  assert.equal(Deno.statSync(page).mode! & 0o777, 0o600);
  const html = Deno.readTextFileSync(page);
  assert.match(html, /^<!doctype html>/);
  assert.match(html, /default-src 'none'; script-src 'sha256-[\w+/=]{44}'/);
  assert.ok(html.includes(zipOf(files).toBase64()));
  // Nothing in it has an address of its own.
  assert.equal(/<(script|link|img|iframe)[^>]*\s(src|href)=/.test(html), false);

  const out = join(box.root, "other.html");
  await box.ok("trace", "show", `${dir}/`, "--no-open", "-o", out);
  assert.match(Deno.readTextFileSync(out), /id="part-5"/);
  writeDirectory(join(box.home, "traces/a-1"), files);
  const { stdout: here } = await box.start(["trace", "show", "a"], { cwd: box.root }).done;
  assert.equal(here, "a-1.html\n");
  // Its own page beside the bundle is written anew, another file is not; what is no file is never replaced.
  await box.ok("trace", "show", zip);
  const refused: [string, ...string[]][] = [[page], [out, "-o", out]];
  for (const [path, ...flags] of refused) {
    Deno.writeTextFileSync(path, "mine");
    await box.fails(1, [/there is such a file already/, /--force/], "trace", "show", zip, ...flags);
    assert.equal(Deno.readTextFileSync(path), "mine");
  }
  await box.ok("trace", "show", zip, "-o", out, "--force");
  await box.fails(1, /there is such a file already/, "trace", "show", zip, "-o", out);
  const link = join(box.root, "link");
  Deno.symlinkSync("/dev/null", link);
  await box.fails(2, /link: it is a link, expected/, "trace", "show", zip, "-o", link, "--force");
  assert.equal(Deno.readLinkSync(link), "/dev/null");
});

test("trace show says what it cannot show, and what is missing", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const files = bundleFiles(SMALL), zip = join(box.root, "trace.zip");
  const show = (bytes: Uint8Array) => Deno.writeFileSync(zip, bytes);

  await box.fails(3, /There is no .*nothing.zip/, "trace", "show", join(box.root, "nothing.zip"));
  show(new TextEncoder().encode("not a zip"));
  await box.fails(1, /it is no zip, expected a trace/, "trace", "show", zip);
  show(zipOf(new Map([["readme.txt", new Uint8Array(3)]])));
  await box.fails(1, /it has neither meta.json nor events/, "trace", "show", zip);
  const meta = JSON.parse(new TextDecoder().decode(files.get("meta.json")));
  show(zipOf(new Map([...files, ["meta.json", new TextEncoder().encode(JSON.stringify({ ...meta, version: 2 }))]])));
  await box.fails(1, /its version is 2, expected 1\n.*the fleetbox that has recorded it/, "trace", "show", zip);
  assert.deepEqual([...Deno.readDirSync(box.root)].filter(({ name }) => name.endsWith(".html")), []);

  // Cut off: what is there is shown.
  show(zipOf(files).subarray(0, 3000));
  await box.ok("trace", "show", zip);
});
