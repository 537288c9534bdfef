/** What the parser finds wrong, command by command: the question, the example, and the command that was meant. */

import * as assert from "#assert";
import type { Command } from "./parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import { FOREIGN_WORDS } from "./foreign_commands.ts";
import { EXAMPLES } from "./parser_errors.ts";
import { buildProgram, runCommandLine } from "../program.ts";

const program = await buildProgram();
const commands = program.commands.flatMap((one) => [one, ...one.commands]);
const path = (command: Command): string =>
  command.parent === program ? command.name() : `${command.parent!.name()} ${command.name()}`;

/** What a command line that is refused before it does anything says: the message, and the hint behind an arrow. */
async function refused(line: string): Promise<string> {
  const thrown = await runCommandLine(line.split(" ").filter(Boolean)).then(() => undefined, (thrown) => thrown);
  assert.ok(thrown instanceof FleetboxError && thrown.code === "misuse", `${line}: ${thrown}`);
  return `${thrown.message} -> ${thrown.hint}`;
}

Deno.test("every command with a required argument asks for it, and shows a command line that has it", async () => {
  for (const command of commands.filter(({ registeredArguments: [first] }) => first?.required)) {
    const words = path(command);
    const example = EXAMPLES[words];
    assert.ok(example?.startsWith(`fleetbox ${words} `), `${words} has no example: ${example}`);
    const question = words === "join" ? "--via is missing\\." : "(Which|Copy what).*\\?";
    assert.match(await refused(words), new RegExp(`^${question} For example: ${example} -> `), words);
  }
});

const CASES: [line: string, said: string][] = [
  ["wait", "Which members? For example: fleetbox wait a,b -> fleetbox help wait"],
  ["rename a", "Which new name? For example: fleetbox rename a database -> fleetbox help rename"],
  ["stop", "Which members? For example: fleetbox stop a,b -> Every one: fleetbox stop --all"],
  ["rm", "Which members? For example: fleetbox rm a,b -> Every one: fleetbox rm --all"],
  ["rm a --all", "Expected members' names or --all, found both -> fleetbox rm a"],
  ["exec a", "Which program? For example: fleetbox exec a -- uname -r -> fleetbox help exec"],
  ["join a", "--via is missing. For example: fleetbox join d --via b -> fleetbox help join"],
  ["up a --memory", "--memory needs a value. For example: --memory 2G -> fleetbox help up"],
  ["up a --egress", "--egress needs a value. For example: --egress off -> fleetbox help up"],
  ["up a -p", "--publish needs a value. For example: --publish 8080:80 -> fleetbox help up"],
  ["up a --fixture", "--fixture needs a value. For example: --fixture ./data:/srv/data -> fleetbox help up"],
  ["ls --nonsense", "fleetbox ls has no option --nonsense -> fleetbox help ls"],
  ["up a --memry 1G", "fleetbox up has no option --memry -> Did you mean --memory?"],
  ["image ls --jsno", "fleetbox image ls has no option --jsno -> Did you mean --json?"],
  ["ls a", "ls takes no names or words, found a -> All about one member: fleetbox status a"],
  ["status a b", "status takes one member, found 2: a, b -> fleetbox help status"],
  ["image", "Which of image's commands? There are: ls, pull, build, rm -> fleetbox help image"],
  ["checkpoint a,b", "--as is missing. For example: fleetbox checkpoint a,b --as seeded -> fleetbox help checkpoint"],
  ["checkpoint ls --as x", "fleetbox checkpoint ls has no option --as -> fleetbox help checkpoint ls"],
  ["checkpoint --as x", "Which members? For example: fleetbox checkpoint a,b --as seeded -> fleetbox help checkpoint"],
  ["help checkpoint l", 'There is no command "checkpoint l" -> There are: ls, rm'],
  ["suspend", "Which members? For example: fleetbox suspend a,b -> Every one: fleetbox suspend --all"],
  ["image nonsense", 'There is no command "image nonsense" -> There are: ls, pull, build, rm'],
  ["image delet x", 'There is no command "image delet" -> Did you mean delete?'],
  ["help image pul", 'There is no command "image pul" -> Did you mean pull?'],
  ["completion tcsh", 'There is no completion for "tcsh"; expected one of bash, zsh, fish -> fleetbox help completion'],
  // Words of other tools: the command line that does it.
  ["kill a", 'There is no command "kill" -> fleetbox stop a --force'],
  ["kill", 'There is no command "kill" -> fleetbox stop NAME --force'],
  ["reload a", 'There is no command "reload" -> fleetbox restart a'],
  ["help reload a", 'There is no command "reload" -> fleetbox restart a'],
  ["run -it a", 'There is no command "run" -> fleetbox up NAME && fleetbox exec NAME -- COMMAND'],
  ["launch 24.04", 'There is no command "launch" -> fleetbox up NAME --image IMAGE'],
  ["create a", 'There is no command "create" -> fleetbox up a'],
  ["snapshot a", 'There is no command "snapshot" -> fleetbox checkpoint a --as CHECKPOINT'],
  ["hibernate a", 'There is no command "hibernate" -> fleetbox suspend a'],
  ["connect a", 'There is no command "connect" -> fleetbox ssh a'],
  ["transfer ./x a:", 'There is no command "transfer" -> fleetbox cp ./x a:'],
  ["mount . a", 'There is no command "mount" -> fleetbox up NAME --fixture HOST_DIR:GUEST_DIR'],
  ["inspect a", 'There is no command "inspect" -> fleetbox status a --json'],
  ["pull debian-12", 'There is no command "pull" -> fleetbox image pull debian-12'],
  // Typing mistakes; in a word of two letters nothing is one.
  ["stpo", 'There is no command "stpo" -> Did you mean stop?'],
  ["destory a", 'There is no command "destory" -> Did you mean destroy?'],
  ["pu a", 'There is no command "pu" -> fleetbox help'],
  ["nonsense", 'There is no command "nonsense" -> fleetbox help'],
];

for (const [line, said] of CASES) {
  Deno.test(`parser errors: fleetbox ${line}`, async () => assert.equal(await refused(line), said));
}

Deno.test("a word of another tool's is answered, or is an alias, and never both", () => {
  const ours = program.commands.flatMap((one) => [one.name(), ...one.aliases()]);
  assert.deepEqual(FOREIGN_WORDS.filter((word) => ours.includes(word)), []);
  const aliases = ["start", "down", "halt", "delete", "destroy", "list", "ps", "info", "shell", "copy", "reboot"];
  for (const word of aliases) assert.ok(ours.includes(word), word);
  for (const word of ["run", "kill", "reload", "launch", "create", "connect", "transfer", "mount", "snapshot"]) {
    assert.ok(FOREIGN_WORDS.includes(word), word);
  }
});
