// Completion scripts for bash, zsh and fish. Each hands the words so far to `__complete` and shows what comes back.

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Returns the script that completes `program` in a shell. */
export function completionScript(shell: Shell, program: string): string {
  return SCRIPTS[shell](program);
}

const SCRIPTS: Readonly<Record<Shell, (program: string) => string>> = { bash, zsh, fish };

function bash(program: string): string {
  return `# bash completion for ${program}; source it, or put it into /usr/share/bash-completion/completions/${program}
_${program}() {
  local words cword cur out line directive
  # Words that bash splits at = and : stay in one piece where bash-completion is there to join them.
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n =: words cword cur
  else
    words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD cur=\${COMP_WORDS[COMP_CWORD]}
  fi
  out=$("\${words[0]}" __completeNoDesc "\${words[@]:1:cword-1}" "$cur" 2>/dev/null) || return
  directive=\${out##*:}
  COMPREPLY=()
  while IFS= read -r line; do
    [[ $line == :* || -z $line ]] || COMPREPLY+=("$line")
  done <<<"$out"
  if ((\${#COMPREPLY[@]} == 0 && (directive & 4) == 0)); then
    compopt -o default 2>/dev/null
    COMPREPLY=()
    return
  fi
  declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *: ]] && compopt -o nospace
}
complete -F _${program} ${program}
`;
}

function zsh(program: string): string {
  return `#compdef ${program}
# zsh completion for ${program}; put it into a folder of $fpath as _${program}, or source it
_${program}() {
  local out line value text directive
  local -a values
  out=$("\${words[1]}" __complete "\${(@)words[2,CURRENT-1]}" "\${words[CURRENT]}" 2>/dev/null) || return 1
  directive=\${out##*:}
  while IFS= read -r line; do
    [[ $line == :* || -z $line ]] && continue
    value=\${line%%$'\\t'*}
    text=\${line#*$'\\t'}
    value=\${value//:/\\\\:}
    if [[ $line == *$'\\t'* ]]; then values+=("$value:$text"); else values+=("$value"); fi
  done <<<"$out"
  if (( \${#values} == 0 )); then
    (( directive & 4 )) || _files
    return
  fi
  _describe -t ${program} ${program} values
}
if [ "$funcstack[1]" = "_${program}" ]; then
  _${program} "$@"
else
  compdef _${program} ${program}
fi
`;
}

function fish(program: string): string {
  return `# fish completion for ${program}; put it into ~/.config/fish/completions/${program}.fish, or source it
function __${program}_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l out ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    or return
    set -l directive (string replace ':' '' -- $out[-1])
    set -e out[-1]
    if test (count $out) -eq 0; and test (math "bitand($directive, 4)") -eq 0
        __fish_complete_path "$current"
        return
    end
    printf '%s\\n' $out
end
complete -c ${program} -f -a '(__${program}_complete)'
`;
}
