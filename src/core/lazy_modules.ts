/**
 * Modules that are loaded when they are needed.
 *
 * Before a program's first line Deno reads every module that an `import()` of a literal names anywhere in it, executed
 * or not: `fleetbox version` would read all 130 of them, and take half as long again. Here a module is named by a
 * value, its path in this checkout, which Deno does not see. The type argument, which `arrows` and the type checker
 * read, names it once more. `deno compile` and bundlers do not see it either: for them `main.ts` names all of these
 * modules, and {@link provide}s them.
 */

let provided: Record<string, () => Promise<unknown>> = {};

/** Provides the modules of a compiled program, which has no checkout. */
export function provide(modules: Record<string, () => Promise<unknown>>): void {
  provided = modules;
}

/** A module by its path in this checkout, such as `src/holder.ts`; the type argument is its type. */
export async function lazyModule<Module>(path: string): Promise<Module> {
  const load = provided[path] ?? (() => import(new URL(`../../${path}`, import.meta.url).href));
  return await load() as Module;
}
