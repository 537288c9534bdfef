/** A program that locks `FB_LOCK`, says so, and lets go at the end of its input. */

import process from "node:process";

import { lockFile } from "../../src/system/locks.ts";

const file = (await lockFile(Deno.env.get("FB_LOCK")!))!;
console.log("locked");
process.stdin.resume().on("end", () => {
  file.close();
  console.log("let go");
});
