# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What does an interactive shell in the guest begin with?

PS1='[\h \W]\$ '
for lib in tap cleanup settings disks product faults snapshots misses inflight; do
	# shellcheck source=/dev/null
	. "/lab/lib/$lib.sh"
done
echo "Linux $(uname -r); disks: $(cd /dev/disk/by-id && echo virtio-*)"
echo "The helpers of /lab/lib are loaded: make_null_blk 64, start_bpfsnapd, ..."
echo "The scenario is /lab/scenario: bash /lab/lib/scenario.sh /lab/scenario"
