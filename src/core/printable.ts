/** Text without escape sequences and control characters (ECMA-48), lines kept: a console's output for a person to read. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_c])/g, "")
    .replace(/\r+\n?/g, "\n")
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "");
}
