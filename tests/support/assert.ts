/**
 * The assertions of all tests, which import them as `#assert` (deno.json): Node's, which stand in for `@std/assert`
 * (decision 0014). To swap, define these functions with that package's: `equal` with `assertStrictEquals`, `deepEqual`
 * with `assertEquals`, and so on. `scripts/arrows.ts` finds a test that imports others.
 */

export {
  deepEqual,
  doesNotMatch,
  doesNotThrow,
  equal,
  fail,
  match,
  notDeepEqual,
  notEqual,
  ok,
  rejects,
  throws,
} from "node:assert/strict";
