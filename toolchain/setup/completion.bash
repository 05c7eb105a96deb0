# Completion of ./x in bash: source toolchain/setup/completion.bash
# Verbs and options are asked of x itself, so this file knows none of them.

_pluot_x() {
	local x=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}
	local choices
	if ((COMP_CWORD == 1)); then
		choices=$("$x" help 2>/dev/null | awk 'NR > 1 { print $1 }')
	elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --variant ]]; then
		choices="release debug"
	elif [[ $word == -* ]]; then
		choices=$("$x" "$verb" --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u)
	fi
	COMPREPLY=($(compgen -W "$choices" -- "$word"))
	if ((${#COMPREPLY[@]} == 0)); then
		compopt -o default
	fi
}

complete -F _pluot_x x ./x
