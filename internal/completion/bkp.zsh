#compdef bkp
# Completion of bkp for zsh. Load it once, after compinit:
#
#     source <(bkp completion zsh)
#
# or put it into a folder of $fpath:
#
#     bkp completion zsh > "${fpath[1]}/_bkp"

_bkp() {
    local fallback line value
    local -a lines candidates
    lines=("${(@f)$(${(Q)~words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    fallback=$lines[-1]
    lines[-1]=()
    for line in $lines; do
        value=${line%%$'\t'*}
        candidates+=("${value//:/\\:}:${line#*$'\t'}")
    done
    [[ $words[CURRENT] == -*=* ]] && compset -P '*='
    (( $#candidates )) && _describe -V 'bkp' candidates
    case $fallback in
    files) _files ;;
    plans) _files -F '(*.bkp.hcl *.bkp.hcl.json *.bkpvars)' ;;
    folders) _files -/ ;;
    esac
}

if [[ $funcstack[1] == _bkp ]]; then
    _bkp "$@"
else
    compdef _bkp bkp
fi
