# Completion of bkp for fish. Load it once:
#
#     bkp completion fish | source
#
# or put it where fish looks:
#
#     bkp completion fish > ~/.config/fish/completions/bkp.fish

function __bkp_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    test (count $lines) -gt 0; or return
    set -l fallback $lines[-1]
    set -e lines[-1]
    # fish replaces the whole word, so the flag of --flag=value comes back.
    set -l flag (string match -r -- '^-[^=]*=' "$current")
    set -l value (string replace -r -- '^-[^=]*=' '' "$current")
    for line in $lines
        echo -- "$flag$line"
    end
    switch $fallback
        case files
            for path in (__fish_complete_path "$value")
                echo -- "$flag$path"
            end
        case plans
            for path in (__fish_complete_path "$value" | string match -r -v -- '\.(bkp\.hcl|bkp\.hcl\.json|bkpvars)(\t|$)')
                echo -- "$flag$path"
            end
        case folders
            for path in (__fish_complete_directories "$value" '')
                echo -- "$flag$path"
            end
    end
end

complete -c bkp -f -a '(__bkp_complete)'
