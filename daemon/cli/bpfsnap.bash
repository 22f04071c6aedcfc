# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion for bash: the command itself knows its words, and asks the daemon for names.

_bpfsnap() {
	local word=${COMP_WORDS[COMP_CWORD]} line
	COMPREPLY=()
	[ "$word" != = ] || word=
	while IFS= read -r line; do
		case $line in
		@files) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word") ;;
		@directories) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$word") ;;
		*) COMPREPLY+=("$line") ;;
		esac
	done < <("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o filenames -F _bpfsnap bpfsnap
