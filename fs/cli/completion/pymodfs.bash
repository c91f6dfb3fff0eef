# SPDX-License-Identifier: MIT
# Completion of pymodfs for bash, with bash-completion. The program itself tells what may follow.

_pymodfs() {
	local cur words cword line word kept breaks
	# bash parts words at = and : (and @, as it is set); here they belong together.
	_get_comp_words_by_ref -n '=:@' cur words cword || return
	COMPREPLY=()
	breaks=${COMP_WORDBREAKS//[^=:@]/}
	kept=${cur%"${cur##*[$breaks]}"}
	while IFS= read -r line; do
		case $line in
		:file) compopt -o filenames; _filedir ;;
		:dir) compopt -o filenames; _filedir -d ;;
		*)
			word=${line%%$'\t'*}
			COMPREPLY+=("${word#"$kept"}")
			;;
		esac
	done < <("${words[0]/#\~/$HOME}" --complete "${words[@]:1:cword}" 2>/dev/null)
	# An option's value, the next in a list, or the version may follow without a space.
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then
		compopt -o nospace
	fi
} &&
	complete -F _pymodfs pymodfs
