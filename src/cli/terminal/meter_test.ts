import * as assert from "#assert";
import { bar, transferText } from "./meter.ts";

const MIB = 1024 * 1024;

Deno.test("a transfer shows bytes, total, rate and time left", () => {
  assert.equal(transferText({ bytes: 0, total: 300 * MIB, rate: 0 }), "0%  0K of 300M");
  assert.match(
    transferText({ bytes: 100 * MIB, total: 300 * MIB, rate: 5 * MIB }),
    /^33% {2}100M of 300M {2}5M\/s {2}40\.0 s left$/,
  );
  assert.equal(transferText({ bytes: 300 * MIB, total: 300 * MIB, rate: 5 * MIB }), "100%  300M of 300M  5M/s");
});

Deno.test("what is not known of a transfer is left out", () => {
  assert.equal(transferText({ bytes: 3 * MIB, rate: MIB }), "3M  1M/s");
  assert.equal(transferText({ step: "verifying", bytes: 3 * MIB, rate: MIB }), "verifying");
});

Deno.test("a bar has its width, whatever its content", () => {
  assert.equal(bar(0, 100, 12), "[>         ]");
  assert.equal(bar(50, 100, 12), "[=====>    ]");
  assert.equal(bar(100, 100, 12), "[==========]");
  assert.equal(bar(200, 100, 12), "[==========]", "more came than was said");
  assert.equal(bar(0, 0, 12).length, 12);
});
