/** The page of `fleetbox trace show` in a browser. */

import * as assert from "#assert";
import { sandbox, steps, test } from "../support/sandbox.ts";
import { bundleFiles } from "./bundle.ts";
import { launch, seen, show, Viewer } from "./browser.ts";

const SMALL = { seconds: 60, packets: 3000, consoleBytes: 20_000 };

/** Of all consoles: each piece is a line, and each file has a header. */
const LINES = [...bundleFiles(SMALL)].filter(([name]) => name.endsWith(".cast"))
  .reduce((sum, [, content]) => sum + new TextDecoder().decode(content).trimEnd().split("\n").length - 1, 0);

test("the viewer", async (context) => {
  await using box = await sandbox({ fakeQemu: {} });
  const path = await show(box, SMALL);
  const browser = await launch();
  try {
    await steps(context, undefined, [
      ["shows lanes, lists and what is known of the group, and asks nobody for anything", async () => {
        await using viewer = await Viewer.open(browser, path);
        const { page } = viewer;
        assert.equal(await page.title(), "a · fleetbox");
        assert.deepEqual(await viewer.counts(), { Events: 85, Packets: 3000, "Space-time": 3000, Consoles: LINES });
        assert.match(
          await page.locator("aside").innerText(),
          /expected 3 replicas, got 2[^]*fleetbox up a,b,c[^]*10\.88\.0\.13/,
        );
        const [first, second] = await viewer.rows();
        assert.match(first, /0:00\.000\s+holder\s+began, process 4000/);
        assert.match(second, /0:00\.020\s+a\s+state\s+480 ms\s+starting \(disk\)/);
        assert.match(await page.locator(".lanes canvas").getAttribute("aria-label") ?? "", /Lanes of a, b, c/);
        // The bar of states of a is green in the middle, as its running state.
        await seen(async () => /^(16|17)\d,2\d\d,/.test(await laneColour(viewer, 0.9, 135)), "a runs");
        await page.getByRole("tab", { name: /Packets/ }).click();
        assert.match((await viewer.rows())[0], /0:02\.500\s+\w\s+\w\s+\w+\s+\d+/);
        await page.getByRole("tab", { name: /Space-time/ }).click();
        assert.ok(await page.locator(".arrow").count() > 10);
        await page.getByRole("tab", { name: /Consoles/ }).click();
        assert.match((await viewer.rows())[0], /0:00\.050\s+a\s+\[/);
        await page.getByRole("button", { name: "screen of b" }).click();
        await page.locator(".xterm-rows, .xterm-screen canvas").first().waitFor();
        assert.deepEqual([viewer.requests, viewer.errors], [[`file://${path}`], []]);
      }],
      ["a range that is drawn over the lanes filters every list, and Esc clears it", async () => {
        await using viewer = await Viewer.open(browser, path);
        const { page } = viewer, whole = await viewer.counts();
        await page.mouse.move(400, 150);
        await page.mouse.down();
        await page.mouse.move(500, 150, { steps: 4 });
        await page.mouse.up();
        const some = await viewer.countsOtherThan(whole);
        for (const [name, count] of Object.entries(some)) {
          assert.ok(count > 0 && count < whole[name] / 3, `${name}: ${count} of ${whole[name]}`);
        }
        const range = await page.getByRole("button", { name: "Clear the range" }).innerText();
        assert.match(range, /^0:1\d\.\d{3} – 0:2\d\.\d{3} +[67]\.\d+ s/);
        await page.keyboard.press("2");
        const times = (await viewer.rows()).map((row) => Number(/^0:(\d+\.\d+)/.exec(row)![1]));
        const [from, to] = [.../0:(\d+\.\d+) – 0:(\d+\.\d+)/.exec(range)!].slice(1).map(Number);
        assert.ok(
          times.length > 5 && times.every((time) => time >= from - 0.001 && time <= to),
          `${times} in ${from}–${to}`,
        );
        await page.keyboard.press("Escape");
        assert.deepEqual(await viewer.countsOtherThan(some), whole);
      }],
      ["search looks at everything; a member that is hidden is in no list", async () => {
        await using viewer = await Viewer.open(browser, path);
        const { page } = viewer, whole = await viewer.counts();
        await page.keyboard.press("/");
        await page.keyboard.insertText("Partition");
        const found = await viewer.countsOtherThan(whole);
        assert.ok(
          found.Events === 3 && found.Packets > 50 && found.Packets < 1000,
          JSON.stringify(found),
        );
        assert.equal(found.Consoles, 0);
        await page.keyboard.press("Escape");
        await page.getByLabel("Search in everything").fill("");
        await viewer.countsOtherThan(found);
        await page.getByRole("button", { name: "c", exact: true }).click();
        await viewer.countsOtherThan(whole);
        await page.keyboard.press("2");
        assert.ok((await viewer.rows()).every((row) => !/\tc\t|\nc\n/.test(row)));
      }],
      ["is used by keys alone: lists, lanes, zoom, theme, help", async () => {
        await using viewer = await Viewer.open(browser, path);
        const { page } = viewer;
        await page.getByRole("listbox", { name: "Events" }).focus();
        for (const key of ["ArrowDown", "ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
        assert.match(await page.locator(".row.selected").innerText(), /0:00\.021/);
        assert.match(await page.locator("aside").innerText(), /state b\n[^]*Do this again[^]*fleetbox up b/i);
        await page.keyboard.press("End");
        assert.match(await page.locator("aside").innerText(), /at\s+0:5\d/);
        await page.locator(".lanes canvas").focus();
        await page.keyboard.press("ArrowLeft");
        const before = await page.locator("aside").innerText();
        await page.keyboard.press("ArrowLeft");
        await seen(async () => await page.locator("aside").innerText() !== before, "the event before is shown");
        const colour = await laneColour(viewer, 0.01, 135);
        for (let count = 0; count < 4; count++) await page.keyboard.press("+");
        await seen(async () => await laneColour(viewer, 0.01, 135) !== colour, "it is zoomed"); // from starting to running
        await page.keyboard.press("Escape");
        await seen(async () => await laneColour(viewer, 0.01, 135) === colour, "all of it is shown");
        assert.equal(await page.evaluate("document.documentElement.dataset.theme"), "light");
        await page.keyboard.press("t");
        assert.equal(await page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(20, 23, 27)");
        await page.keyboard.press("?");
        assert.equal(await page.getByRole("dialog").count(), 1);
        await seen(
          async () => await page.evaluate("document.activeElement.textContent") === "Close",
          "the help has the focus",
        );
        await page.keyboard.press("Escape");
        assert.equal(await page.getByRole("dialog").count(), 0);
        // Every part is reached by Tab, and its focus is seen.
        const reached = new Set<string>();
        for (let count = 0; count < 30; count++) {
          await page.keyboard.press("Tab");
          reached.add(
            String(
              await page.evaluate("document.activeElement.getAttribute('role') ?? document.activeElement.type ?? ''"),
            ),
          );
          const outline = await page.evaluate(
            "document.activeElement.matches('body, .xterm *') || getComputedStyle(document.activeElement).outlineStyle",
          );
          assert.ok(outline === true || outline === "solid", `${outline} around ${[...reached].at(-1)}`);
        }
        for (const part of ["search", "application", "tab", "listbox", "button"]) {
          assert.ok(reached.has(part), `no ${part}: ${[...reached]}`);
        }
      }],
      ["begins dark where the system is", async () => {
        await using viewer = await Viewer.open(browser, path, { theme: "dark", width: 1920, height: 1080 });
        assert.equal(await viewer.page.evaluate("document.documentElement.dataset.theme"), "dark");
        assert.equal(await viewer.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
      }],
      ["what guests say never becomes a script, an element or a link", async () => {
        const says =
          `</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1"><a href="javascript:hacked()">` +
          `\x1b]8;;https://example.invalid/\x07link\x1b]8;;\x07\x1b]0;title\x07\u202e`;
        const hostile = await show(box, { ...SMALL, says, members: ["a", `b${says}`, "c"] });
        await using viewer = await Viewer.open(browser, hostile);
        const { page } = viewer;
        for (const key of ["1", "2", "3", "4"]) {
          await page.keyboard.press(key);
          await page.locator(".rows .row").nth(3).click();
          await page.locator("aside h2").waitFor();
        }
        await page.keyboard.press("1");
        await page.getByLabel("Search in everything").fill("writes begin");
        await page.locator(".rows .row").filter({ hasText: "writes begin</script><script>" }).first().click();
        assert.match(
          await page.locator("aside").innerText(),
          /writes begin<\/script><script>window\.hacked=1<\/script><img/,
        );
        await page.keyboard.press("4");
        await page.getByRole("button", { name: "screen of a" }).click();
        await page.locator(".xterm-screen").waitFor();
        assert.equal(await page.evaluate("window.hacked"), undefined);
        assert.equal(await page.evaluate("document.querySelectorAll('img, a, iframe, object, embed, link').length"), 0);
        assert.deepEqual([viewer.requests, viewer.errors], [[`file://${hostile}`], []]);
      }],
      ["a recording that was killed is shown up to then, and says what is missing", async () => {
        const killed = await show(box, SMALL, (files) => {
          const { ended: _, ...meta } = JSON.parse(new TextDecoder().decode(files.get("meta.json")));
          files.set("meta.json", new TextEncoder().encode(JSON.stringify(meta)));
          files.set("events.ndjson", files.get("events.ndjson")!.slice(0, -30));
          files.set("net-0001.pcapng", files.get("net.pcapng")!.slice(0, 100_001));
          files.delete("net.pcapng");
          files.set("b.cast", files.get("b.cast")!.slice(0, -7));
        });
        await using viewer = await Viewer.open(browser, killed);
        const { Packets, Consoles, Events } = await viewer.counts();
        assert.ok(
          Packets > 400 && Packets < 3000 && Consoles === LINES - 1 && Events > 70,
          `${Packets} ${Consoles} ${Events}`,
        );
        assert.match(
          await viewer.page.locator("aside").innerText(),
          /has no end: it was killed[^]*ends in the middle of a record/,
        );
        assert.deepEqual(viewer.errors, []);
      }],
    ]);
  } finally {
    await browser.close();
  }
});

/** The colour of the lanes at a part of the width, and a height: `r,g,b`. */
async function laneColour({ page }: Viewer, part: number, y: number): Promise<string> {
  return String(
    await page.evaluate(`new Promise(requestAnimationFrame).then(() => {
    const canvas = document.querySelector(".lanes canvas");
    const x = 132 + (canvas.clientWidth - 132) * ${part};
    return [...canvas.getContext("2d").getImageData(x * devicePixelRatio, ${y} * devicePixelRatio, 1, 1).data].slice(0, 3).join();
  })`),
  );
}
