# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How does a scenario become a TAP stream and an exit code?
# In the guest: bash scenario.sh FILE. The file is read with all helpers at hand
# and "set -e": a command that fails outside of a check ends it, and fails it.

set -eEuo pipefail
shopt -s inherit_errexit

LAB=/lab
# Files that run was given with --add.
export LAB_FILES=$LAB/files

for lib in tap cleanup settings disks product faults snapshots misses inflight; do
	# shellcheck source=/dev/null
	. "$LAB/lib/$lib.sh"
done

trap 'tap_note_failure "$LINENO" "$BASH_COMMAND"' ERR
trap 'tap_finish $?' EXIT

# shellcheck source=/dev/null
. "$1"
