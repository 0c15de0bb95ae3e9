# Completion of podctl in bash:  source <(podctl completion bash)
#
# podctl itself says what may come next, from the table of its commands and from
# the pod (names of slices), so this script knows nothing of either.
_podctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} words
    local IFS=$'\n'
    words=$("${COMP_WORDS[0]}" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _podctl podctl
