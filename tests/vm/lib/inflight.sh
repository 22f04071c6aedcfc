# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What becomes of writes that are on their way at a boundary, and land after somebody else's
# snapshot? A scenario that asks tells how writes are held up below its device and let go
# (hold, let_go), and how to look at what has landed (below FILE).

scratch=${own:-/run/lab}

advance() { bpfsnap --json epoch advance "$@" | jq .devices[0].since; }
# first - what changed since is all that is known of the only device.
first() { echo $(($(bpfsnap --json device list | jq '.devices[0].first_epoch') - 1)); }

# listed DEVICE SINCE - changed blocks of 4 KiB, one a line.
listed() {
	bpfsnap changes "$1" --since "$2" |
		awk '{ for (i = 0; i < $2 / 4096; i++) print $1 / 4096 + i }' | sort
}

# write_blocks DEVICE FIRST COUNT - each by a process of its own; sets writers.
write_blocks() {
	local blk
	writers=()
	for ((blk = $2; blk < $2 + $3; blk++)); do
		dd if=/dev/urandom of="$1" bs=4k seek=$((blk * 5)) count=1 oflag=direct conv=notrunc \
			status=none &
		writers+=($!)
	done
}

are_listed() { [ "$(listed "$1" "$2" | wc -l)" -eq "$3" ]; }
sys_of() { echo "/sys/dev/block/$((0x$(stat -c %t "$1"))):$((0x$(stat -c %T "$1")))"; }
are_inflight() { read -r _ n <"$(sys_of "$1")/inflight" && [ "$n" -eq "$2" ]; }
# has_inflight DEVICE - at least one write.
has_inflight() {
	local nr
	read -r _ nr <"$(sys_of "$1")/inflight" && [ "$nr" -gt 0 ]
}

# A dm-delay that holds back what it was given has nothing in flight, as sysfs has it: only
# devices above it have, and its status tells.
# delays NAME - does it hold back a write?
delays() { [ "$(dmsetup status "$1" | awk '{ print $5 }')" -gt 0 ]; }
# delays_read NAME
delays_read() { [ "$(dmsetup status "$1" | awk '{ print $4 }')" -gt 0 ]; }

# set_delay NAME READ_MS WRITE_MS - from now on. What is held back goes on at once.
set_delay() {
	local size_sect device
	read -r _ size_sect _ device _ <<<"$(dmsetup table "$1")"
	dmsetup load "$1" --table "0 $size_sect delay $device 0 $2 $device 0 $3"
	dmsetup suspend --nolockfs "$1"
	dmsetup resume "$1"
}

# send_slowly NAME SEED - 1 MiB to a dm-delay, which holds it back when this returns; sets writer.
# No flush comes behind it.
# shellcheck disable=SC2034 # writer is for the scenario
send_slowly() {
	pattern "$2" 1 | dd of="/dev/mapper/$1" bs=1M iflag=fullblock oflag=direct conv=notrunc status=none &
	writer=$!
	await delays "$1"
}

# sleeps WHERE PID... - one of them does, in a function of that name. Looks as long as any of them
# lives, for 20 s at most.
sleeps() {
	local where=$1 end=$((SECONDS + 20)) pid stack alive=yes
	shift
	while [ "$alive" ] && [ $SECONDS -lt $end ]; do
		alive=
		for pid; do
			[ ! -e "/proc/$pid/exe" ] || alive=yes
			# He may have ended: bash does not survive that in $(<).
			stack=
			read -rd "" stack <"/proc/$pid/stack" || true
			[[ $stack != *"$where"* ]] || return 0
		done
	done 2>/dev/null
	return 1
}

# few_requests LOOP - so 4 writes are with the driver, and others wait, marked, for a request.
few_requests() {
	echo none >"/sys/block/${1##*/}/queue/scheduler" || true
	echo 4 >"/sys/block/${1##*/}/queue/nr_requests"
}

# straddle NAME DEVICE - 16 writes are held up below, a boundary made, a snapshot taken, and
# the writes let go.
straddle() {
	local name=$1 device=$2 since started missed
	started=$(advance "$device")
	hold
	write_blocks "$device" 0 16
	check "$name: 4 are with the driver" await are_inflight "$device" 4
	check "$name: all 16 are marked already, in the epoch that ends" await are_listed "$device" "$started" 16
	since=$(advance "$device")
	below $scratch/old
	is "$(listed "$device" "$since" | wc -l)" 0 "$name: nothing has changed since the boundary"
	let_go
	wait "${writers[@]}"
	below $scratch/new
	(blockdiff $scratch/old $scratch/new 4096 || true) | sort >$scratch/differ
	listed "$device" "$since" >$scratch/listed
	is "$(wc -l <$scratch/differ)" 16 "$name: 16 blocks landed after the snapshot"
	missed=$(comm -23 $scratch/differ $scratch/listed | wc -l)
	is "$missed" 0 "$name: none of them is missing in the list"
	is "$(wc -l <$scratch/listed)" 16 "$name: and nothing else is in it"
	is "$(bpfsnap --json changes "$device" --since "$since" | jq -r .state)" ok "$name: without a doubt"
}

# outcome DEVICE... [--timeout MS] - of a boundary with a freeze: "ok", or the error and its reason.
outcome() {
	local answer
	if answer=$(bpfsnap --json epoch advance --freeze --timeout 10000 "$@" 2>/dev/null); then
		echo ok
	else
		jq -r '.error | "\(.name): \(.reason)"' <<<"$answer"
	fi
}

# says PATTERN COMMAND...
says() {
	local said
	said=$("${@:2}")
	echo "$said"
	grep -q "$1" <<<"$said"
}

# freezes NAME DEVICE - a disk whose writes in flight nobody counts, and on which nothing is: has
# it a boundary when its filesystem is frozen for it, wherever that is mounted, and only then?
freezes() {
	local name=$1 device=$2 dir=$scratch/freezes other away
	local none="^DrainTimeout: .* no filesystem is mounted on $device .* freezing does not help"
	local hidden="^DrainTimeout: .* a filesystem on $device is mounted where .* freezing does not help"
	# What is frozen already can't be frozen once more: so it shows that it was tried.
	in_away() { nsenter --target "$away" --mount fsfreeze "$1" "$dir/away"; }
	tried() {
		in_away --freeze
		outcome "$device"
		in_away --unfreeze
	}
	is_frozen() {
		is "$(outcome "$device")" ok "$name: $1"
		check "$name: and frozen indeed" says "^FreezeFailed: .*busy" tried
	}

	check "$name: without a filesystem a freeze is no help" says "$none" outcome "$device"
	other=$(make_loop 16)
	mkfs.ext4 -qF "$other"
	mkfs.ext4 -qF "$device" 16M
	mkdir -p "$dir"/{on,away,elsewhere}
	touch "$dir/file"
	mkfifo "$dir/fifo"
	mount "$other" "$dir/elsewhere"
	bpfsnap device attach "$other" >/dev/null
	check "$name: nor with another disk's" says "$none" outcome "$other" "$device"
	bpfsnap device detach "$other" >/dev/null
	umount "$dir/elsewhere"

	unshare --mount sh -c "mount $device $dir/away && cd $dir/away && touch file && mkfifo fifo &&
		sync . && touch $dir/there && exec sleep 600" &
	away=$!
	cleanup_fn eval "kill $away 2>/dev/null || true"
	need "$name: a filesystem is mounted out of sight" await test -e "$dir/there"
	check "$name: it can't be frozen" says "$hidden" outcome "$device"

	mount "$device" "$dir/on"
	is_frozen "mounted here"
	mount --bind "$dir/on/file" "$dir/on/file"
	is_frozen "a file of it is mounted, too"
	umount "$dir/on/file"
	umount "$dir/on"
	mount "$device" "$dir/elsewhere"
	mount "$device" "$dir/on"
	mount "$other" "$dir/on"
	is_frozen "one of two mount points is covered"
	umount "$dir/elsewhere"
	check "$name: one that is covered can't be frozen" \
		says "^FreezeFailed: .*${device##*/}.*$dir/on .*over it" outcome "$device"
	bpfsnap device attach "$other" >/dev/null
	fsfreeze --freeze "$dir/on"
	check "$name: even with another" says "^FreezeFailed: .*over it" outcome "$other" "$device"
	check "$name: which stays frozen if it was" fsfreeze --unfreeze "$dir/on"
	bpfsnap device detach "$other" >/dev/null
	umount "$dir/on"
	mount --bind "$dir/on/file" "$dir/file"
	mount --bind "$dir/on/fifo" "$dir/fifo"
	umount "$dir/on"
	is_frozen "only a file and a fifo are mounted"
	umount "$dir/file"
	check "$name: a fifo is not waited for" \
		says "^FreezeFailed: .*${device##*/}.*$dir/fifo " outcome "$device"
	umount "$dir/fifo"

	check "$name: and nothing is left frozen" timeout 20 nsenter --target "$away" --mount \
		sh -c "touch $dir/away/after && sync -f $dir/away"
	kill "$away"
	wait "$away" || true
}
