/**
 * Whether every public symbol of the library, and every method of its machines, has an example in its documentation; run
 * by `scripts/check`, which then type-checks the examples themselves. Prints those that have none.
 */

const FACES = ["mod.ts", "testing.ts", "vitest.ts"];

interface Documented {
  name: string;
  jsDoc?: { doc?: string; tags?: { kind: string; doc?: string }[] };
}

interface Declaration extends Documented {
  def?: { methods?: Documented[] };
}

/** What `deno doc --json` prints for a file: its exports, by specifier. */
interface Page {
  symbols: { name: string; declarations: Declaration[] }[];
}

function hasExample({ jsDoc }: Documented): boolean {
  return (jsDoc?.tags ?? []).some(({ kind, doc }) => kind === "example" && doc?.includes("```"));
}

/** The names without an example in any declaration (an overload, or one that is exported again elsewhere). */
function missing([name, declarations]: [string, Declaration[]]): string[] {
  const methods = Map.groupBy(
    declarations.flatMap(({ def }) => def?.methods ?? []).filter((one) => !one.name.startsWith("[")),
    (one) => one.name,
  );
  return [
    ...(declarations.some(hasExample) ? [] : [name]),
    ...[...methods].filter(([, all]) => !all.some(hasExample)).map(([method]) => `${name}.${method}`),
  ];
}

const { stdout, success } = await new Deno.Command(Deno.execPath(), { args: ["doc", "--json", ...FACES] }).output();
if (!success) Deno.exit(1);
const pages: Page[] = Object.values(JSON.parse(new TextDecoder().decode(stdout)).nodes);
const symbols = pages.flatMap((page) => page.symbols);
if (symbols.length < 20) throw new Error(`deno doc tells of ${symbols.length} symbols: has its form changed?`);
const byName = Map.groupBy(symbols, ({ name }) => name);
const without = [...byName].map((
  [name, all],
): [string, Declaration[]] => [name, all.flatMap((one) => one.declarations)])
  .flatMap(missing);
if (without.length > 0) {
  console.error(`examples: without one in its documentation: ${without.join(", ")}`);
  Deno.exit(1);
}
console.log(`examples: ${byName.size} public symbols`);
