/** The program as the argument parser sees it. */

import * as assert from "#assert";
import { buildProgram } from "./program.ts";

Deno.test("a command is loaded alone by its name and by each of its aliases, and is the one that all of them have", async () => {
  const program = await buildProgram();
  for (const command of program.commands.filter((one) => one.name() !== "help")) {
    for (const word of [command.name(), ...command.aliases()]) {
      const alone = await buildProgram(word);
      assert.deepEqual(alone.commands.map((one) => one.name()), [command.name(), "help"], word);
      assert.equal(alone.commands[0].helpInformation(), command.helpInformation());
    }
  }
});

Deno.test("for a word that is no command's, all of them are loaded", async () => {
  const all = (await buildProgram()).commands.length;
  for (const word of ["help", "nonsense", "--help", ""]) assert.equal((await buildProgram(word)).commands.length, all);
});
