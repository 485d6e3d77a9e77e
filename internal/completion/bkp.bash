# Completion of bkp for bash. Load it once:
#
#     source <(bkp completion bash)
#
# or put it where bash-completion looks:
#
#     bkp completion bash > /etc/bash_completion.d/bkp
#
# It is written for bash 3.2 and later.

_bkp() {
    local current=${COMP_WORDS[COMP_CWORD]} flag= fallback= line
    COMPREPLY=()
    # bash makes "--flag", "=" and "value" of --flag=value, unless "=" was taken
    # out of COMP_WORDBREAKS.
    case $current in
    =) current= ;;
    -*=*) flag=${current%%=*}= current=${current#*=} ;;
    esac
    while IFS= read -r line; do
        [ -n "$fallback" ] && COMPREPLY[${#COMPREPLY[@]}]=$flag${fallback%%$'\t'*}
        fallback=$line
    done < <("${COMP_WORDS[0]/#\~/$HOME}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    case $fallback in
    files) _bkp_paths -f ;;
    plans) _bkp_paths -f plans ;;
    folders) _bkp_paths -d ;;
    esac
}

# _bkp_paths adds files or folders, and has bash quote them. With "plans" it leaves
# out the files of a configuration.
_bkp_paths() {
    type compopt >/dev/null 2>&1 && compopt -o filenames 2>/dev/null
    while IFS= read -r line; do
        case ${2:-}:$line in
        plans:*.bkp.hcl | plans:*.bkp.hcl.json | plans:*.bkpvars) continue ;;
        esac
        COMPREPLY[${#COMPREPLY[@]}]=$flag$line
    done < <(compgen "$1" -- "$current")
}

complete -F _bkp bkp
