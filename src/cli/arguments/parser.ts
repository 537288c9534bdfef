/**
 * The argument parser, as the commands know it: commander. It stands in for `@cliffy/command` (decision 0014), and the rest
 * of the command line imports it from here alone. What is bent to our ways is in `program.ts`.
 */

export { Argument, Command, CommanderError, type Option } from "commander";
