# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How much is to be tried?  What "run --set NAME=VALUE" says, else a default that
# is meant for every day.

# setting NAME DEFAULT
setting() {
	local word
	# shellcheck disable=SC2013 # words are wanted
	for word in $(cat /proc/cmdline); do
		case $word in
		"lab.set.$1="*) echo "${word#*=}"; return ;;
		esac
	done
	echo "$2"
}

# draw_seed - sets seed, of everything random: a new one each time, unless it is told.
draw_seed() {
	# shellcheck disable=SC2034 # for the scenario
	seed=$(setting seed $SRANDOM)
	diag "seed $seed; run --set seed=$seed repeats it"
}
