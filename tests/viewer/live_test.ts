/** The page of `fleetbox view` in a browser: what it shows as it comes, and what its clicks and keys do. */

import * as assert from "#assert";
import type { Page } from "playwright-core";
import { until } from "../support/processes.ts";
import { sandbox, steps, test } from "../support/sandbox.ts";
import { bundleFiles } from "./bundle.ts";
import { launch, seen, Viewer } from "./browser.ts";
import { LiveStub } from "./live_stub.ts";

const link = (page: Page, names: string) => page.getByRole("button", { name: new RegExp(`^Link ${names}`) });
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
/** The list of what was run, in one line each. */
const ran = async (page: Page) =>
  (await page.getByRole("region", { name: "What was run" }).locator("li").allInnerTexts()).map((text) =>
    text.replaceAll(/\s+/g, " ").trim()
  );

/** Waits until a text is another one. */
async function becomes(look: () => Promise<string>, wanted: string): Promise<void> {
  let is = "";
  await seen(async () => (is = await look()) === wanted, wanted).catch(() => assert.equal(is, wanted));
}

test("the live viewer", async (context) => {
  const browser = await launch();
  try {
    await steps(context, undefined, [
      ["shows a group as it changes, and asks only its own server", async () => {
        await using stub = await LiveStub.start();
        stub.group();
        await using viewer = await Viewer.open(browser, stub.address);
        const { page } = viewer;
        assert.equal(await page.title(), "demo · fleetbox");
        assert.equal(await page.getByRole("status").innerText(), "live");
        assert.equal(await page.getByRole("tab", { selected: true }).innerText(), "Network");
        stub.tick();
        await link(page, "a – b: a to b 13 frames; b to a 16 frames").waitFor();
        assert.equal(await page.locator(".place").count(), 4);
        stub.event("state", { name: "c", state: "stopped" });
        await page.getByRole("button", { name: "c, stopped, 10.88.0.13" }).waitFor();
        // Packets that come go on at the list's end.
        await page.keyboard.press("2");
        stub.packets("net-0001.pcapng", bundleFiles({ seconds: 60, packets: 300, consoleBytes: 0 }).get("net.pcapng")!);
        await page.getByRole("tab", { name: /Packets +300/ }).waitFor();
        stub.packets("net-0002.pcapng", bundleFiles({ seconds: 90, packets: 100, consoleBytes: 0 }).get("net.pcapng")!);
        await page.getByRole("tab", { name: /Packets +400/ }).waitFor();
        await seen(async () => (await viewer.rows()).at(-1)!.startsWith("1:28"), "the newest packet");
        stub.send({ file: "net-0001.pcapng", gone: true });
        await page.getByRole("tab", { name: /Packets +100/ }).waitFor();
        // The token is not in the address any more, and a reload has it still.
        assert.equal(page.url(), `${stub.origin}/`);
        await page.reload();
        await page.getByRole("button", { name: "c, stopped, 10.88.0.13" }).waitFor();
        assert.ok(viewer.requests.every((url) => url.startsWith(`${stub.origin}/`)), viewer.requests.join());
        assert.deepEqual(viewer.errors, []);
      }],
      ["cuts and heals by clicks and by keys, each with its command line and its result", async () => {
        await using stub = await LiveStub.start();
        stub.group();
        stub.tick();
        await using viewer = await Viewer.open(browser, stub.address);
        const { page } = viewer;
        await link(page, "a – b").click();
        assert.match(await page.locator("aside").innerText(), /fleetbox fault drop --from a --to b\s/);
        await button(page, "Cut").click();
        await seen(
          async () => (await ran(page)).join() === "fleetbox fault partition a b done done: fault partition a b",
          "its result",
        );
        stub.tick();
        await link(page, "a – b: a to b (\\d+) frames, \\1 dropped; b to a (\\d+) frames, \\2 dropped; cut").waitFor();
        await page.getByRole("tab", { name: /Events +7/ }).waitFor(); // one more than before
        // By keys alone: the link, then its heal.
        await link(page, "a – b").focus();
        await page.keyboard.press("Enter");
        await button(page, "Heal").focus();
        await page.keyboard.press("Space");
        await seen(async () => (await ran(page))[0] === "fleetbox heal f1 done done: heal f1", "it is healed");
        assert.equal(await button(page, "Heal").count(), 0);

        await link(page, "b – c").click();
        await page.getByLabel("delay").fill("80ms");
        await page.getByLabel("loss").fill("5%");
        await page.getByRole("combobox").selectOption("b → c");
        await button(page, "Shape").click();
        await link(page, "b – c.*50 ms late").waitFor();
        await page.getByLabel("delay").fill("$(x)");
        await button(page, "Shape").click();
        await seen(
          async () =>
            /^fleetbox fault shape .* refused ".*" has a word that is not allowed$/.test((await ran(page))[0]),
          "a refusal",
        );
        // Selecting a fault offers its heal.
        await page.getByRole("button", { name: /delay 50 ms/ }).click();
        await button(page, "Heal").click();
        await seen(async () => (await ran(page))[0].startsWith("fleetbox heal f3 done"), "a fault is healed");

        await link(page, "a – c").press("Enter"); // another one crosses its middle
        await button(page, "Capture").click();
        await page.getByLabel("Details").getByRole("button", { name: "End capture" }).click();
        await seen(
          async () => (await ran(page))[0] === "fleetbox capture a,c -w demo-1.pcapng done 12 frames",
          "the capture's end",
        );
        assert.deepEqual(stub.ended, [5]);

        await page.getByRole("button", { name: /^b, running/ }).click();
        await button(page, "Stop …").click();
        assert.match(await page.getByRole("alertdialog").innerText(), /Shut down b\?\s+fleetbox stop b/);
        await becomes(() => page.evaluate("document.activeElement.textContent"), "Cancel");
        await button(page, "Cancel").click();
        await button(page, "Stop …").click();
        await button(page, "Stop").click();
        await page.getByRole("button", { name: /^b, stopped/ }).waitFor();
        await button(page, "Start").waitFor();

        await page.keyboard.press("Escape");
        await page.getByLabel("checkpoint as").fill("seeded");
        await button(page, "Checkpoint").click();
        await button(page, "Heal all").click();
        await seen(async () => (await ran(page))[0].startsWith("fleetbox heal done"), "all is healed");
        assert.deepEqual(stub.runs.map(({ argv }) => argv.join(" ")), [
          "fault partition a b",
          "heal f1",
          "fault shape --from b --to c --delay 80ms --loss 5%",
          "heal f3",
          "capture a,c",
          "stop b",
          "checkpoint a,c --as seeded",
          "heal",
        ]);
        // What another page has run, and what was run before this one came.
        await page.reload();
        await seen(async () => (await ran(page)).length === 8, "what was run before");
        assert.deepEqual(viewer.errors, [
          "Failed to load resource: the server responded with a status of 400 (Bad Request)",
        ]);
      }],
      ["types into a console and shows its echo; past questions of a guest are not answered", async () => {
        await using stub = await LiveStub.start();
        stub.group();
        stub.output("a", "\x1b[6n\x1b[c"); // asks a terminal where it is, and what
        await using viewer = await Viewer.open(browser, stub.address);
        const { page } = viewer;
        const screen = page.locator(".xterm-accessibility");
        await page.getByRole("button", { name: /^a, running/ }).click();
        await button(page, "Console").click();
        await seen(async () => (await screen.innerText()).includes("a login:"), "its past output");
        await page.keyboard.type("l1?");
        await page.keyboard.press("Escape");
        await page.keyboard.press("ArrowUp");
        await page.keyboard.press("Control+c");
        await page.keyboard.press("Enter");
        const all = async () => {
          await page.title(); // the stub is in this process, and has its turn meanwhile
          return stub.typed.map(({ text }) => text).join("");
        };
        await becomes(all, "l1?\x1b\x1b[A\x03\r");
        await seen(async () => (await screen.innerText()).includes("l1?"), "its echo");
        assert.equal(await page.getByRole("dialog").count(), 0); // ? was the console's
        assert.deepEqual(new Set(stub.typed.map(({ name }) => name)), new Set(["a"]));
        await page.evaluate(`(() => {
          const data = new DataTransfer();
          data.setData("text/plain", "echo one\\necho two\\n");
          document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        })()`);
        await becomes(async () => (await all()).slice(9), "echo one\recho two\r");
        stub.output("a", "more\r\n");
        await seen(async () => (await screen.innerText()).includes("more"), "it goes on");
        await page.keyboard.press("Control+]");
        await page.keyboard.press("1"); // a key of the page again
        await page.getByRole("listbox", { name: "Events" }).waitFor();
        assert.deepEqual(viewer.errors, []);
      }],
      [
        "follows the time until it is zoomed or moved, and goes back by a key; says when the connection breaks and the command ends",
        async () => {
          await using stub = await LiveStub.start();
          stub.group();
          await using viewer = await Viewer.open(browser, stub.address);
          const { page } = viewer, now = page.getByRole("button", { name: "Go back to live" });
          const pass = async (seconds: number) => {
            const end = stub.second + seconds;
            while (stub.second < end) stub.tick();
            await seen(
              async () =>
                (await page.locator("header").innerText()).includes(`${Math.floor(end / 60)} min ${end % 60} s`),
              "its time",
            );
          };
          await pass(150);
          assert.equal(await now.count(), 0);
          await page.mouse.move(500, 150);
          await page.mouse.wheel(0, -300);
          await now.waitFor();
          await page.keyboard.press("l");
          await now.waitFor({ state: "detached" });
          await page.mouse.move(400, 150); // a range
          await page.mouse.down();
          await page.mouse.move(600, 150, { steps: 3 });
          await page.mouse.up();
          await now.waitFor();
          const range = await page.getByRole("button", { name: "Clear the range" }).innerText();
          assert.match(await page.locator(".network .of").innerText(), /frames from 1:\d+ to 1:\d+/);
          await pass(30);
          assert.equal(await page.getByRole("button", { name: "Clear the range" }).innerText(), range);
          await page.keyboard.press("Escape");
          await page.keyboard.press("Escape");
          await now.waitFor({ state: "detached" });

          stub.isRefusing = true;
          stub.breakStreams();
          const status = page.getByRole("status");
          await seen(async () => (await status.innerText()).startsWith("connection lost"), "the connection is lost");
          await link(page, "a – b").click();
          assert.ok(await button(page, "Cut").isDisabled());
          stub.isRefusing = false;
          await seen(async () => await status.innerText() === "live", "it is back");
          await seen(async () => !await button(page, "Cut").isDisabled(), "it can be cut again");
          assert.equal((await viewer.counts()).Events, 6); // each once
          stub.send({ end: "the group has ended" });
          await seen(async () => await status.innerText() === "the command has ended", "the end");
          assert.equal(await status.getAttribute("title"), "the group has ended");
        },
      ],
      ["shows nothing without its token", async () => {
        await using stub = await LiveStub.start();
        stub.group();
        const page = await browser.newPage();
        await page.goto(stub.origin);
        await page.getByText("Open this page with the whole address that fleetbox view has printed (no token)")
          .waitFor();
        await page.close();
      }],
      ["what guests say never becomes a script, an element or a command", async () => {
        const says = `</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">\x1b]0;t\x07`;
        await using stub = await LiveStub.start();
        stub.group(says, ["a", `b${says}`, "c; rm -rf ~"]);
        stub.tick();
        await using viewer = await Viewer.open(browser, stub.address);
        const { page } = viewer;
        await page.locator(".pair").first().press("Enter");
        await button(page, "Cut").click();
        await seen(async () => (await ran(page)).length === 1, "a refusal");
        assert.equal(stub.runs.length, 0);
        assert.match((await ran(page))[0], /refused/);
        for (const key of ["1", "2", "3", "4", "5"]) await page.keyboard.press(key);
        await page.locator(".place").nth(2).press("Enter");
        assert.match(await page.getByLabel("Details").innerText(), /fleetbox stop 'c; rm -rf ~'/);
        assert.equal(await page.evaluate("window.hacked"), undefined);
        assert.equal(await page.evaluate("document.querySelectorAll('img, a, iframe, object, embed, link').length"), 0);
      }],
    ]);
  } finally {
    await browser.close();
  }
});

test("fleetbox view shows a group in a browser: it is cut and healed by clicks, typed into, captured; other sites get nothing", async () => {
  await using box = await sandbox({ fakeQemu: { a: { onSignal: "ping", ping: ["10.88.0.12"] } } });
  await box.up("a,b");
  const command = box.start(["view", "--no-open"], { cwd: box.root });
  await command.printed(/Ctrl-C ends this/);
  const address = command.stdout.split("\n")[0], { origin } = new URL(address);
  const browser = await launch();
  try {
    const viewer = await Viewer.open(browser, address);
    const { page } = viewer;
    const status = page.getByRole("status"), events = page.getByRole("listbox", { name: "Events" });
    await page.getByRole("button", { name: /^a, running/ }).waitFor();
    await link(page, "a – b").click();
    await button(page, "Cut").click();
    await link(page, "a – b: .*; cut").waitFor();
    await seen(
      async () => (await ran(page))[0].startsWith("fleetbox fault partition a b done"),
      "it is cut",
    );
    box.accident("a"); // it pings b
    await link(page, "a – b: .* dropped.*; cut").waitFor();
    await button(page, "Heal").click();
    await link(page, "a – b").and(page.getByLabel("cut")).waitFor({ state: "detached" });
    await page.keyboard.press("1");
    await events.getByText(/^cut: a \| b \[\w+\]/).nth(1).waitFor(); // its beginning and its end

    await page.getByRole("tab", { name: "Network" }).click();
    await button(page, "Capture").click();
    const capture = page.getByLabel("Details").getByRole("button", { name: "End capture" });
    await capture.waitFor();
    const file = await until(
      "its file",
      () => [...Deno.readDirSync(box.root)].find(({ name }) => name.endsWith(".pcapng")),
    );
    await capture.click();
    await seen(
      async () => (await ran(page))[0].startsWith(`fleetbox capture a,b -w ${file.name} done`),
      "it is captured",
    );

    await page.getByRole("button", { name: /^a, running/ }).click();
    await button(page, "Console").click();
    const screen = page.locator(".xterm-accessibility");
    await seen(async () => (await screen.innerText()).trim() !== "", "the console");
    await page.keyboard.type("hello");
    await page.keyboard.press("Enter");
    await seen(async () => (await screen.innerText()).includes(`you typed "hello"`), "what the guest says to it");
    await page.keyboard.press("Control+]");
    await page.reload();
    await seen(async () => (await ran(page)).length === 3, "what was run before");
    assert.deepEqual(viewer.errors, []);

    // Another site, which has even seen the token, gets nothing: no answer, and no frame.
    await using other = await LiveStub.start();
    const stranger = await browser.newPage();
    await stranger.goto(`${other.origin}/plain`);
    const asked = await stranger.evaluate(`(async () => {
      const headers = { authorization: "Bearer ${new URL(address).hash.slice(1)}" };
      const tries = ["/", "/stream"].flatMap((path) => [{}, { headers }, { mode: "no-cors" }].map((how) =>
        fetch("${origin}" + path, how).then(async (answer) => answer.type + (await answer.text()), () => "nothing")));
      return [...new Set(await Promise.all(tries))];
    })()`);
    assert.deepEqual(asked, ["nothing"]);
    await stranger.setContent(`<iframe src="${origin}/"></iframe>`);
    await becomes(async () => {
      await stranger.title();
      return stranger.frames()[1]?.url() ?? "";
    }, "chrome-error://chromewebdata/");
    await stranger.close();

    command.kill("SIGINT");
    await seen(async () => await status.innerText() === "the command has ended", "its end");
    assert.equal(await status.getAttribute("title"), "fleetbox view was ended");
    assert.equal((await command.done).code, 0);
    await viewer[Symbol.asyncDispose]();
  } finally {
    await browser.close();
  }
});
