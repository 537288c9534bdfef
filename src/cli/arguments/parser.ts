/**
 * The argument parser: commander, which stands in for `@cliffy/command` (decision 0014). The rest of the command line
 * imports it only from here; `program.ts` has its settings.
 */

export { Argument, Command, CommanderError, type Option } from "commander";
