# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# Who is measured?  Each subject has
#   NAME_begin      sets target, the disk that is written to
#   NAME_snapshot N the Nth snapshot of it is held from now on
#   NAME_image      prints the disk that shows the first snapshot, or nothing
#   NAME_drop N, NAME_end
# Peers are what Debian's kernel has. All of them are given $a, and the disks of store N.

store_disks=()

# store N - sets store, the Nth disk for old content; its pages are there before it is used.
store() {
	local size_mib=$other_mib
	if [ -z "${store_disks[$1]:-}" ]; then
		# Only the first is ever to hold more than the random workloads.
		[ "$1" != 0 ] || size_mib=$disk_mib
		# A filesystem takes some of it for itself.
		case $storage in ext4 | aside) size_mib=$((size_mib + 64)) ;; esac
		store_disks[$1]=$(make_media "$size_mib")
		settle "${store_disks[$1]}"
	fi
	store=${store_disks[$1]}
}

raw_begin() { target=$a; }
raw_snapshot() { :; }
raw_image() { echo "$a"; }
raw_drop() { :; }
raw_end() { :; }

bpfsnap_ids=()
bpfsnap_begin() {
	bpfsnapd_runs || start_bpfsnapd
	bpfsnap device attach "$a" >/dev/null
	target=$a
}
bpfsnap_snapshot() {
	local place options=()
	store "$1"
	place=$store
	case $storage in
	tmpfs)
		place=/run/store$1
		mkdir -p "$place"
		mount -t tmpfs -o size=400M store "$place"
		;;
	ext4 | aside)
		place=/run/store$1
		mkdir -p "$place"
		mkfs.ext4 -qF -b 4096 "$store"
		mount "$store" "$place"
		;;
	esac
	[ "$storage" != aside ] || options=(--set-aside --limit "$(($(size_of "$store") / 1048576 - 72))M")
	bpfsnap --json snapshot create "$a" --storage "$place" "${options[@]}" >"/run/lab/snapshot$1"
	bpfsnap_ids[$1]=$(jq -r .snapshot.snapshot "/run/lab/snapshot$1")
}
bpfsnap_image() { jq -r '.snapshot.devices[0].image' /run/lab/snapshot0; }
bpfsnap_drop() {
	bpfsnap snapshot destroy "${bpfsnap_ids[$1]}" >/dev/null
	[ "$storage" = disk ] || umount "/run/store$1"
}
bpfsnap_end() { bpfsnap device detach "$a"; }

# dm NAME TABLE - a device of the device mapper; dm_remove NAME
dm() { dmsetup create "$1" --noudevsync --table "$2" && dmsetup mknodes "$1"; }
dm_remove() { dmsetup remove --retry --noudevsync "$1" && rm -f "/dev/mapper/$1"; }
dm_again() { dmsetup suspend "$1" && "${@:2}" && dmsetup resume "$1"; }
sectors() { blockdev --getsz "$1"; }

# dm-snapshot, with chunks of 8 or 128 sectors.
dmsnap_begin() {
	modprobe dm_snapshot
	dm origin "0 $(sectors "$a") snapshot-origin $a"
	target=/dev/mapper/origin
}
dmsnap_snapshot() {
	store "$1"
	dd if=/dev/zero of="$store" bs=64k count=1 oflag=direct status=none
	dm_again origin dm "snap$1" "0 $(sectors "$a") snapshot $a $store P $dmsnap_chunk_sect"
}
dmsnap_image() { echo /dev/mapper/snap0; }
dmsnap_drop() { dm_again origin dm_remove "snap$1"; }
dmsnap_end() { dm_remove origin; }

# dm-era tracks only: its snapshot is a new era.
dmera_begin() {
	modprobe dm_era
	store 0
	dd if=/dev/zero of="$store" bs=64k count=1 oflag=direct status=none
	dm era "0 $(sectors "$a") era $store $a 128"
	target=/dev/mapper/era
}
dmera_snapshot() { dmsetup message era 0 checkpoint; }
dmera_image() { :; }
dmera_drop() { :; }
dmera_end() { dm_remove era; }

# dm-thin keeps old content on the disk itself, where a written block of 64 KiB moves away:
# it has a larger disk for both.
pool=
dmthin_begin() {
	modprobe dm_thin_pool
	[ -n "$pool" ] || { pool=$(make_media "$pool_mib") && settle "$pool"; }
	store 0
	dd if=/dev/zero of="$store" bs=64k count=1 oflag=direct status=none
	dm pool "0 $(sectors "$pool") thin-pool $store $pool 128 0 1 skip_block_zeroing"
	dmsetup message pool 0 "create_thin 0"
	dm thin "0 $thin_sect thin /dev/mapper/pool 0"
	target=/dev/mapper/thin
	settle "$target"
}
dmthin_snapshot() {
	dm_again thin dmsetup message pool 0 "create_snap $(($1 + 1)) 0"
	dm "thinsnap$1" "0 $thin_sect thin /dev/mapper/pool $(($1 + 1))"
}
dmthin_image() { echo /dev/mapper/thinsnap0; }
dmthin_drop() {
	dm_remove "thinsnap$1"
	dmsetup message pool 0 "delete $(($1 + 1))"
}
dmthin_end() { dm_remove thin; dm_remove pool; }
