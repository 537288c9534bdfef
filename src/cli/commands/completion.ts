/** `fleetbox completion`: the script with which a shell completes commands, options, members and images. */

import { Argument, Command } from "../arguments/parser.ts";
import { SCRIPTS, type Shell, SHELLS } from "../completion/scripts.ts";
import { write } from "../terminal/output.ts";

export function completionCommand(): Command {
  return new Command("completion")
    .description("print the script with which a shell completes members, images and options")
    .addArgument(new Argument("<shell>", "which one").choices(SHELLS))
    .addHelpText(
      "after",
      `
To install it, for you alone:
  bash  echo 'source <(fleetbox completion bash)' >> ~/.bashrc
  zsh   echo 'source <(fleetbox completion zsh)' >> ~/.zshrc, after the line with compinit
  fish  fleetbox completion fish > ~/.config/fish/completions/fleetbox.fish
The scripts ask fleetbox itself at each key, so that members are those of now, and a newer fleetbox needs no newer
script.

Example:
  source <(fleetbox completion bash)`,
    )
    .action((shell: Shell) => write(SCRIPTS[shell]));
}
