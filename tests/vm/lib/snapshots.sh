# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How does a scenario take snapshots, and see that nothing of them is left?
# shellcheck disable=SC2034 # id and image are for the scenario

# take DEVICE... OPTION... - a snapshot; sets id, and image to that of the first device.
take() {
	local snapshot
	snapshot=$(bpfsnap --json snapshot create "$@")
	id=$(jq -r .snapshot.snapshot <<<"$snapshot")
	image=$(jq -r '.snapshot.devices[0].image' <<<"$snapshot")
}

# about ID WHAT - by a filter of jq.
about() {
	bpfsnap --json snapshot list | jq -r --arg id "$1" ".snapshots[] | select(.snapshot == \$id) | $2"
}

# error_of ID - of the first device's image: null, or why it failed.
error_of() { about "$1" '.devices[0].error'; }

# is_stored ID - is nothing of it in memory any more?
is_stored() { [ "$(about "$1" .memory_bytes)" = 0 ]; }

# same IMAGE FILE - past the page cache.
same() {
	blockdev --flushbufs "$1"
	cmp <(dd if="$1" bs=1M iflag=direct status=none) "$2"
}

# whole NAME ID - it is verified, and no image has failed.
whole() {
	is "$(about "$2" '.devices[] | .state, .error' | sort -u | xargs)" "null verified" \
		"$1: verified, and no error"
}

# broken NAME ID IMAGE - the snapshot says so, and no read of its image succeeds.
broken() {
	diag "$1: $(error_of "$2")"
	check_fails "$1: the snapshot has failed" test "$(error_of "$2")" = null
	blockdev --flushbufs "$3"
	check_fails "$1: its image can't be read" dd if="$3" of=/dev/null bs=4k count=1 iflag=direct
	check_fails "$1: anywhere" dd if="$3" of=/dev/null bs=4k count=1 iflag=direct \
		skip=$(($(size_of "$3") / 4096 - 1))
}

# all_destroyed - every snapshot that there is, within 20 s each.
all_destroyed() {
	bpfsnap --json snapshot list | jq -r '.snapshots[].snapshot' |
		xargs -r -n 1 timeout 20 bpfsnap snapshot destroy
}

# nothing_left NAME DEVICE... - they are detached, and the module goes without a trace.
nothing_left() {
	local name=$1 device
	shift
	is "$(bpfsnap --json snapshot list | jq '.snapshots | length')" 0 "$name: no snapshot is left"
	for device; do
		check "$name: $device is detached" timeout 20 bpfsnap device detach "$device"
	done
	is "$(ioc origins)" "" "$name: the module has no disk any more"
	check "$name: and is unloaded" unload
	check_fails "$name: no hook is left" grep -q submit_bio_noacct_nocheck \
		/sys/kernel/tracing/enabled_functions
}
