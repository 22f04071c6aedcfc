# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Does tracking notice what the kernel keeps from it? A disk that is written to by tasks, by
# soft interrupts and by hard ones, while BPF maps are updated all the time; and that
# remembers by itself which of its blocks were touched.

lab_disk=/dev/ram100
lab() { cat "/sys/module/lab_disk/parameters/$1"; }
set_lab() { echo "$2" >"/sys/module/lab_disk/parameters/$1"; }

# make_lab_disk SIZE_MIB - with a partition for writers, and one for interrupts.
make_lab_disk() {
	cleanup_fn eval '! grep -q ^lab_disk /proc/modules || { set_lab period_us 0; rmmod lab_disk; }'
	modprobe lab_disk "size_mib=$1" from_sect=26624
	printf 'start=2048, size=24576\nstart=26624\n' | sfdisk -q "$lab_disk"
	await_node "${lab_disk}p2" >/dev/null
}

# skipped PROGRAM - how often the kernel did not run it.
skipped() {
	bpftool --json prog show | jq "[.[] | select(.name == \"$1\") | .recursion_misses // 0] | add // 0"
}

# hammer_maps - until the scenario ends.
hammer_maps() {
	hammer 3 &
	cleanup_fn eval "kill $!; wait $! || true"
}

# touched FILE - the blocks of 4 KiB that were written since set_lab forget, one a line.
touched() {
	od -An -v -tu1 -w1 /sys/kernel/debug/lab_disk_touched | awk '$1 { print NR - 1 }' | sort >"$1"
}

# ask FILE - the list of all changes, one block a line; sets state. Status 7 says uncertain.
ask() {
	local since
	since=$(($(bpfsnap --json device list | jq '.devices[0].first_epoch') - 1))
	{ bpfsnap --json changes "$lab_disk" --since "$since" || [ $? -eq 7 ]; } >/run/lab/answer
	state=$(jq -r .state /run/lab/answer)
	jq -r '.extents[] | range(.offset / 4096; (.offset + .length) / 4096)' /run/lab/answer |
		sort >"$1"
}

# missing - how many touched blocks the list lacks.
missing() {
	touched /run/lab/touched
	ask /run/lab/listed
	lacking=$(comm -23 /run/lab/touched /run/lab/listed | wc -l)
}

# storm_with_module SNAPSHOTS - nothing is missed, and each snapshot is verified.
storm_with_module() {
	local rc=0 lacking state
	make_lab_disk 16
	start_bpfsnapd --storage /tmp
	bpfsnap device attach "$lab_disk" --granularity 4096 >/dev/null
	set_lab forget 1
	set_lab period_us "$(setting period 200)"
	storm --seed "$seed" --snapshots "$1" --writers 8 --target "${lab_disk}p1" \
		--watch "${lab_disk}p2" >/run/lab/storm 2>&1 || rc=$?
	set_lab period_us 0
	is $rc 0 "with the module: each snapshot is verified, its list whole"
	diag </run/lab/storm
	diag "$(lab submitted) writes from interrupts, of $(lab writes) in all"
	diag "skipped: on_write $(skipped on_write), on_queue $(skipped on_queue)"
	is "$(skipped on_write)" 0 "the channel that counts was never skipped"
	check "it was not for lack of trying: the second one was" test "$(skipped on_queue)" -gt 0
	missing
	is "$lacking of $(wc -l </run/lab/touched), $state" "0 of $(wc -l </run/lab/touched), ok" \
		"no block that was touched lacks its mark"
	bpfsnap --json snapshot list | jq -r '.snapshots[].snapshot' | xargs -r -n 1 bpfsnap snapshot destroy
	bpfsnap device detach "$lab_disk" >/dev/null
	stop_bpfsnapd
	need "the module is unloaded" rmmod bpfsnap
	rmmod lab_disk
}

# storm_without_module ROUNDS - what may have been missed is said: a write that both programs
# were skipped for lacks its mark, and of none is it known which they were skipped for. The disk
# is larger: where a block is written again and again, one mark more or less is nothing.
storm_without_module() {
	local round silent=0 unsaid=0 made_up=0 skips=0 all_lacking=0 doubts=0 lacking state
	local queue again writer writers=()
	make_lab_disk 128
	start_bpfsnapd --storage /tmp --module /nonexistent
	for round in $(seq "$1"); do
		bpfsnap device attach "$lab_disk" --granularity 4096 >/dev/null
		queue=$(skipped on_queue) again=$(skipped on_queue_again)
		set_lab forget 1
		set_lab period_us "$(setting period 200)"
		for writer in 1 2 3 4 5 6 7 8; do
			writes "${lab_disk}p1" "$(setting writes 1200)" >/dev/null &
			writers[writer]=$!
		done
		wait "${writers[@]}"
		set_lab period_us 0
		missing
		queue=$(($(skipped on_queue) - queue)) again=$(($(skipped on_queue_again) - again))
		diag "round $round: of $(wc -l </run/lab/touched) blocks $lacking lack their mark; skipped: on_queue $queue, on_queue_again $again: $state"
		if [ "$state" = uncertain ]; then
			doubts=$((doubts + 1))
			[ $queue -gt 0 ] && [ $again -gt 0 ] || made_up=$((made_up + 1))
		else
			[ "$lacking" -eq 0 ] || silent=$((silent + 1))
			[ $queue -eq 0 ] || [ $again -eq 0 ] || unsaid=$((unsaid + 1))
		fi
		skips=$((skips + (queue < again ? queue : again)))
		all_lacking=$((all_lacking + lacking))
		bpfsnap device detach "$lab_disk" >/dev/null
	done
	diag "$1 rounds, $doubts uncertain, $all_lacking marks missing"
	check "without the module: both programs were skipped" test $skips -gt 0
	is $unsaid 0 "each time that is said: the list is uncertain"
	is $silent 0 "no list that lacks a mark is taken for certain"
	is $made_up 0 "and where one program saw all, there is no doubt"
	stop_bpfsnapd
	rmmod lab_disk
}
