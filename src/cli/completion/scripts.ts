/**
 * The shells' scripts: a function that asks `fleetbox __complete` and passes its answer on. `complete.ts` has all
 * knowledge of commands and members; these scripts only know how each shell gives the words and takes candidates.
 *
 * They ask the program on the command line, so that `./fleetbox` completes by itself.
 */

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = typeof SHELLS[number];

/**
 * Bash splits words at `=`, `:` and `@`; the script joins them again, and omits the part before in the answer. Bash gives
 * words as they were typed: backslashes are taken out, and put back by `%q` where candidates need them.
 */
const BASH = `# bash completion for fleetbox: source <(fleetbox completion bash)
_fleetbox() {
  local word line flags before= index cur=\${COMP_WORDS[COMP_CWORD]}
  local -a words=() answer=()
  COMPREPLY=()
  for ((index = 1; index <= COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if ((\${#words[@]})) && { [[ $word == [=:@]* && $word != ::* ]] || [[ $before == [=:@] ]]; }; then
      words[\${#words[@]}-1]+=$word
    else
      words+=("$word")
    fi
    before=$word
  done
  [[ $cur == [=:@] ]] && cur=
  ((\${#words[@]})) || words=("")
  local whole=\${words[\${#words[@]}-1]}
  local head=\${whole%"$cur"} program=\${COMP_WORDS[0]/#\\~\\//$HOME/}
  mapfile -t answer < <("$program" __complete "\${words[@]//\\\\/}" 2>/dev/null)
  flags=\${answer[0]:-}
  for line in "\${answer[@]:1}"; do
    line=\${line%%$'\\t'*}
    line=\${line#"$head"}
    [[ $flags == *quote* ]] && printf -v line %q "$line"
    COMPREPLY+=("$line")
  done
  if [[ $flags == *files* ]]; then
    compopt -o filenames
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur")
    ((\${#COMPREPLY[@]} == 1)) && [[ \${COMPREPLY[0]} != *: ]] && return
  fi
  [[ $flags == *nospace* ]] && compopt -o nospace
}
complete -F _fleetbox fleetbox
`;

const ZSH = `#compdef fleetbox
# zsh completion for fleetbox: source <(fleetbox completion zsh), after compinit
_fleetbox() {
  local -a answer described
  local line flags
  local -a typed=("\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}")
  answer=("\${(@f)$("\${(Q)words[1]/#\\~\\//$HOME/}" __complete "\${typed[@]}" 2>/dev/null)}")
  flags=\${answer[1]}
  for line in "\${(@)answer[2,-1]}"; do
    [[ -n $line ]] || continue
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}\${\${(M)line:#*$'\\t'*}:+:\${line#*$'\\t'}}")
  done
  local found=1
  if (( $#described )); then
    if [[ $flags == *nospace* ]]; then
      _describe fleetbox described -S '' && found=0
    else
      _describe fleetbox described && found=0
    fi
  fi
  if [[ $flags == *files* ]]; then
    [[ $PREFIX == --*=* ]] && compset -P '*='
    _files && found=0
  fi
  return found
}
if [[ $funcstack[1] == _fleetbox ]]; then _fleetbox "$@"; else compdef _fleetbox fleetbox; fi
`;

const FISH = `# fish completion for fleetbox: fleetbox completion fish | source
function __fleetbox_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l typed (string unescape -- "$current"; or echo -- "$current")
    set -l answer ($program __complete $words[2..] "$typed" 2>/dev/null)
    for line in $answer[2..]
        echo $line
    end
    if string match -q '*files*' -- $answer[1]
        __fish_complete_path "$current"
    end
end
complete -c fleetbox -f -a '(__fleetbox_complete)'
`;

/** The script for a shell. */
export const SCRIPTS: Record<Shell, string> = { bash: BASH, zsh: ZSH, fish: FISH };
