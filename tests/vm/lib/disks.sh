# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Where does a scenario get its disks?
# Each make_ function prints the path of a new block device, which goes away when
# the scenario ends.  It names a kind of disk that bios reach in its own way.

# disk NAME - a scratch disk that the scenario asked for by "# vm: disks=NAME:SIZE".
disk() { readlink -e "/dev/disk/by-id/virtio-$1"; }

# free_name PREFIX DIR - the first PREFIX0, PREFIX1, ... that DIR does not have.
free_name() {
	local n=0
	while [ -e "$2/$1$n" ]; do n=$((n + 1)); done
	echo "$1$n"
}

# make_null_blk SIZE_MIB [BLOCK_SIZE_BYTES [MEMORY_BACKED [ATTRIBUTE=VALUE...]]]
# One that is not backed by memory forgets what is written: for speed only.
make_null_blk() {
	local name dir attribute
	modprobe null_blk nr_devices=0
	mountpoint -q /sys/kernel/config ||
		mount -t configfs config /sys/kernel/config
	name=$(free_name nullb /sys/block)
	dir=/sys/kernel/config/nullb/$name
	mkdir "$dir"
	cleanup_fn rmdir "$dir"
	echo "$1" >"$dir/size"
	echo "${2:-512}" >"$dir/blocksize"
	echo "${3:-1}" >"$dir/memory_backed"
	[ "${3:-1}" = 0 ] || echo 1 >"$dir/discard"
	for attribute in "${@:4}"; do
		echo "${attribute#*=}" >"$dir/${attribute%%=*}"
	done
	echo 1 >"$dir/power"
	cleanup_fn eval "echo 0 >$dir/power"
	# Before 6.13 the disk is called after its index, not after the directory.
	read -r name <"$dir/index"
	await_node "/dev/nullb$name"
}

# make_brd SIZE_MIB - a RAM disk; there is one size for all, so only one call.
make_brd() {
	modprobe brd rd_nr=1 "rd_size=$(($1 * 1024))"
	cleanup_fn rmmod brd
	await_node /dev/ram0
}

# make_zram SIZE_MIB
make_zram() {
	local n
	modprobe zram num_devices=0
	n=$(cat /sys/class/zram-control/hot_add)
	cleanup_fn eval "echo $n >/sys/class/zram-control/hot_remove"
	echo "$1M" >"/sys/block/zram$n/disksize"
	await_node "/dev/zram$n"
}

# make_loop SIZE_MIB - over a sparse file in the guest's memory.
make_loop() {
	local file device
	modprobe loop
	file=$(mktemp /tmp/loop.XXXXXX)
	cleanup_fn rm "$file"
	truncate -s "$1M" "$file"
	device=$(losetup --find --show "$file")
	cleanup_fn losetup --detach "$device"
	echo "$device"
}

# make_linear DEVICE... - the devices one after another, by the device mapper.
make_linear() {
	local name device size_sect start_sect=0 table=''
	modprobe dm_mod
	name=$(free_name linear /dev/mapper)
	for device; do
		size_sect=$(blockdev --getsz "$device")
		table+="$start_sect $size_sect linear $device 0"$'\n'
		start_sect=$((start_sect + size_sect))
	done
	cleanup_fn rm -f "/dev/mapper/$name"
	dmsetup create "$name" <<<"${table%$'\n'}"
	cleanup_fn dmsetup remove --retry "$name"
	dmsetup mknodes "$name"		# udev would have done it
	await_node "/dev/mapper/$name"
}

# make_multipath DEVICE [FEATURES] - with this one path: it sends its path requests, or bios if
# FEATURES are "2 queue_mode bio".
make_multipath() {
	local name
	modprobe -a dm_multipath dm_round_robin
	name=$(free_name multipath /dev/mapper)
	cleanup_fn rm -f "/dev/mapper/$name"
	dmsetup create "$name" -u "mpath-$name" --table \
		"0 $(blockdev --getsz "$1") multipath ${2:-0} 0 1 1 round-robin 0 1 1 $1 1"
	cleanup_fn dmsetup remove --retry "$name"
	dmsetup mknodes "$name"
	await_node "/dev/mapper/$name"
}

# make_holdable NAME DEVICE [START_SECT [SIZE_SECT]] - /dev/mapper/NAME: what is written to it between
# hold_writes NAME and release_writes NAME is on its way for so long.
make_holdable() {
	local size_sect=${4:-$(blockdev --getsz "$2")}
	modprobe dm_mod
	dmsetup create "$1-below" --table "0 $size_sect linear $2 ${3:-0}"
	cleanup_fn dmsetup remove --retry "$1-below"
	dmsetup mknodes "$1-below"
	dmsetup create "$1" --table "0 $size_sect linear $(await_node "/dev/mapper/$1-below") 0"
	cleanup_fn dmsetup remove --retry "$1"
	cleanup_fn release_writes "$1"
	dmsetup mknodes "$1"
	await_node "/dev/mapper/$1"
}
hold_writes() { dmsetup suspend --noflush --nolockfs "$1-below"; }
release_writes() { dmsetup resume "$1-below"; }

# make_md LEVEL DEVICE... - an array that has not to be synchronized first.
make_md() {
	local level=$1 device
	shift
	modprobe -a md_mod "raid$level"
	device=/dev/$(free_name md /sys/block)
	mdadm --create "$device" --run --quiet --metadata=1.2 --assume-clean \
		--level="$level" --raid-devices=$# "$@" >&2
	cleanup_fn mdadm --quiet --zero-superblock "$@"
	cleanup_fn mdadm --quiet --stop "$device"
	await_node "$device"
}

# await_node DEVICE - prints it once it is there.
await_node() {
	local tries=300
	while [ ! -b "$1" ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { echo "$1 does not appear" >&2; return 1; }
		sleep 0.1
	done
	echo "$1"
}

# size_of DEVICE - in bytes.
size_of() { blockdev --getsize64 "$1"; }

# fill DEVICE SEED [OFFSET_MIB [COUNT_MIB]] - write data that only SEED tells, past
# the page cache. Without COUNT_MIB up to the end.
fill() {
	local count_mib=${4:-$(($(size_of "$1") / 1048576 - ${3:-0}))}
	pattern "$2" "$count_mib" |
		dd of="$1" bs=1M seek="${3:-0}" iflag=fullblock oflag=direct \
			conv=notrunc,fsync status=none
}

# holds DEVICE SEED [OFFSET_MIB [COUNT_MIB]] - is what "fill" wrote still there?
holds() {
	local count_mib=${4:-$(($(size_of "$1") / 1048576 - ${3:-0}))}
	dd if="$1" bs=1M skip="${3:-0}" count="$count_mib" iflag=direct status=none |
		cmp - <(pattern "$2" "$count_mib")
}

# pattern SEED COUNT_MIB - lines of 32 bytes, so that no two sectors are alike.
# Counting upwards in decimal is the fastest source of such data in slow guests.
pattern() {
	local sum last
	sum=$(cksum <<<"$1")
	printf -v sum '1%015d' "${sum%% *}"
	printf -v last '%015d' $(($2 * 32768 - 1))
	seq "${sum}000000000000000" "$sum$last"
}

# make_big DIR - 16 TiB that are not there: a loop device over a sparse file in memory.
make_big() {
	local device
	mkdir "$1/big"
	mount -t tmpfs tmpfs "$1/big"
	cleanup_fn umount "$1/big"
	truncate -s 16T "$1/big/file"
	device=$(losetup --find --show "$1/big/file")
	cleanup_fn losetup --detach "$device"
	echo "$device"
}

# make_zoned SIZE_MIB ZONE_MIB - a host-managed zoned disk in memory.
make_zoned() {
	local name dir
	modprobe null_blk nr_devices=0
	mountpoint -q /sys/kernel/config || mount -t configfs config /sys/kernel/config
	name=$(free_name nullb /sys/block)
	dir=/sys/kernel/config/nullb/$name
	mkdir "$dir"
	cleanup_fn rmdir "$dir"
	echo 4096 >"$dir/blocksize"
	echo "$1" >"$dir/size"
	echo 1 >"$dir/memory_backed"
	echo 1 >"$dir/zoned"
	echo "$2" >"$dir/zone_size"
	echo 1 >"$dir/power"
	cleanup_fn eval "echo 0 >$dir/power"
	read -r name <"$dir/index"
	await_node "/dev/nullb$name"
}

# make_slow_null_blk SIZE_MIB COMPLETION_NS DEPTH - each request takes so long, and no more
# than DEPTH of them are on their way.
make_slow_null_blk() {
	local name dir
	modprobe null_blk nr_devices=0
	mountpoint -q /sys/kernel/config || mount -t configfs config /sys/kernel/config
	name=$(free_name nullb /sys/block)
	dir=/sys/kernel/config/nullb/$name
	mkdir "$dir"
	cleanup_fn rmdir "$dir"
	echo "$1" >"$dir/size"
	echo 4096 >"$dir/blocksize"
	echo 1 >"$dir/memory_backed"
	echo 2 >"$dir/irqmode"
	echo "$2" >"$dir/completion_nsec"
	echo "$3" >"$dir/hw_queue_depth"
	echo 1 >"$dir/power"
	cleanup_fn eval "echo 0 >$dir/power"
	read -r name <"$dir/index"
	await_node "/dev/nullb$name"
}

# make_scsi SIZE_MIB [PARAMETER=VALUE...] - a SCSI disk in memory; there is only one.
make_scsi() {
	local tries=300 names=()
	modprobe sd_mod
	modprobe scsi_debug "dev_size_mb=$1" "${@:2}"
	cleanup_fn eval 'for i in 1 2 3 4 5; do rmmod scsi_debug && break; sleep 1; done'
	until [ -e "${names[0]:-}" ]; do
		names=(/sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/*)
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { echo "the SCSI disk does not appear" >&2; return 1; }
		sleep 0.1
	done
	await_node "/dev/${names[0]##*/}"
}
