# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# What is done to a disk, and how fast was it?  Random workloads visit each block once, or
# $loops times: fio tells its time in ms only, and a short one would be rounded too much.
# Its own gauging of the processor's clock goes wrong in an emulator, hence clock_gettime.

fio_cell() {
	fio --clocksource=clock_gettime --name=cell --randrepeat=1 --random_generator=lfsr --iodepth=1 --loops="$loops" \
		--group_reporting --output-format=json --output=/run/lab/fio "$@" >&2
	jq -c '.jobs[0] | (if .write.total_ios > 0 then .write else .read end) as $most |
		{iops: (.read.iops + .write.iops), mean_us: ($most.lat_ns.mean / 1000), p99_us: (($most.clat_ns.percentile["99.000000"] // 0) / 1000)}' \
		/run/lab/fio
}

# run_workload NAME DEVICE - its figures as JSON.
run_workload() {
	local on=(--filename="$2" --direct=1 --ioengine=libaio) jobs
	case $1 in
	randwrite-1) fio_cell "${on[@]}" --rw=randwrite --bs=4k --size="$random_size" ;;
	randwrite-16) fio_cell "${on[@]}" --rw=randwrite --bs=4k --iodepth=16 --size="$random_size" ;;
	write-4k) fio_cell "${on[@]}" --rw=write --bs=4k --size="$random_size" ;;
	write-1m) fio_cell "${on[@]}" --rw=write --bs=1M --size="$sequential_size" ;;
	read-1m) fio_cell "${on[@]}" --rw=read --bs=1M --size="$sequential_size" ;;
	randread-1) fio_cell "${on[@]}" --rw=randread --bs=4k --size="$random_size" ;;
	jobs-*)
		jobs=${1#jobs-}
		fio_cell "${on[@]}" --rw=randwrite --bs=4k --numjobs="$jobs" \
			--size=$((32 / jobs))M --offset_increment=$((32 / jobs))M
		;;
	mixed) fio_cell "${on[@]}" --rw=randrw --rwmixread=70 --bs=4k --iodepth=4 --size=32M ;;
	sync) fio_cell "${on[@]}" --rw=randwrite --bs=4k --fdatasync=1 --size=16M ;;
	buffered-*)
		mount "$2" /mnt || return
		fio_cell --filename=/mnt/file --rw=randwrite --bs=4k --size=32M --end_fsync=1 --fsync=256
		umount /mnt
		;;
	esac
}

# prepare_workload NAME DEVICE - what it finds on the disk, before the snapshot.
prepare_workload() {
	case $1 in
	buffered-ext4) mkfs.ext4 -qF -b 4096 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$2" ;;
	buffered-xfs) mkfs.xfs --unsupported -qfK -s size=4096 "$2" ;;
	*) return 0 ;;
	esac && mount "$2" /mnt || return
	dd if=/dev/zero of=/mnt/file bs=1M count=32 status=none
	umount /mnt
}
