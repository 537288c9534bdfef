/** What is printed of an error: each thing once. */

import * as assert from "#assert";
import { FleetboxError } from "../core/errors.ts";
import { errorText } from "./error_text.ts";

const chain = (...messages: string[]) =>
  messages.reduceRight<Error | undefined>((cause, message) => new Error(message, { cause }), undefined)!;

const NOT_THERE = "No such file or directory (os error 2): stat '/x'";

const CASES: [what: string, thrown: unknown, lines: string[]][] = [
  ["what the message says in words", chain("There is no /x", NOT_THERE), ["There is no /x"]],
  ["what a cause says in words", chain("Cannot boot a", "its disk does not exist", NOT_THERE), [
    "Cannot boot a",
    "  because: its disk does not exist",
  ]],
  [
    "a cause that the message quotes without its number",
    chain("Cannot read /x: Is a directory", "Is a directory (os error 21)"),
    [
      "Cannot read /x: Is a directory",
    ],
  ],
  ["what a cause repeats at its beginning", chain("Cannot boot a", "Cannot boot a: no disk"), [
    "Cannot boot a",
    "  because: no disk",
  ]],
  ["a full disk", chain("There is no space left", "No space left on device (os error 28)"), ["There is no space left"]],
];

for (const [what, thrown, lines] of CASES) {
  Deno.test(`error text: ${what} is said once`, () => assert.equal(errorText(thrown), `fleetbox: ${lines.join("\n")}`));
}

Deno.test("error text: a cause that says more stays", () => {
  assert.equal(
    errorText(chain("Cannot read /x", "Permission denied (os error 13)", "Is a directory (os error 21)")),
    "fleetbox: Cannot read /x\n  because: Permission denied (os error 13)\n  because: Is a directory (os error 21)",
  );
});

Deno.test("error text: a next step has a mark, but a question and a list do not", () => {
  const text = (hint: string) => errorText(new FleetboxError("misuse", "x", { hint }));
  assert.equal(text("fleetbox ls"), "fleetbox: x\n  try: fleetbox ls");
  assert.equal(text("Did you mean y?"), "fleetbox: x\n  Did you mean y?");
  assert.equal(text("There are: a, c"), "fleetbox: x\n  There are: a, c");
});
