#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Which Debian packages does it take to build and test bpfsnap?
# Installs the ones that are missing, and nothing else.

set -eu

# To build the daemon, the command and the BPF programs.
BUILD='build-essential clang llvm bpftool pkg-config perl bc flex bison
libbpf-dev libelf-dev zlib1g-dev libjson-c-dev uuid-dev libsmartcols-dev
libkmod-dev libblkid-dev libmount-dev libdevmapper-dev libsystemd-dev'

# The 6.12 headers generate BTF for modules, and want this for it.
MODULE='pahole'

# To test without a virtual machine.
TEST='libcmocka-dev jq netcat-openbsd shellcheck sparse groff-base git bpftrace bmap-tools
 python3-prometheus-client'

# To build and check Debian packages.
PACKAGES='debhelper dh-dkms dkms fakeroot lintian debootstrap'

# To boot Debian kernels in QEMU: the machine, the keys of other releases' kernels,
# and what the guest is made of.
LABORATORY='qemu-system-x86 debian-archive-keyring
busybox-static cpio xz-utils zstd kmod fio btrfs-progs
e2fsprogs xfsprogs dmsetup lvm2 mdadm util-linux mount fdisk strace
coreutils diffutils findutils grep sed bash procps'

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in $BUILD $MODULE $TEST $PACKAGES $LABORATORY; do
	installed "$package" || missing="$missing $package"
done
missing=${missing# }

if [ -z "$missing" ]; then
	echo "deps: all packages are installed"
	exit 0
fi

if [ "$(id -u)" -ne 0 ]; then
	echo "deps: missing: $missing" >&2
	echo "deps: run as root: apt-get install --no-install-recommends $missing" >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
wait_for_lock='-o DPkg::Lock::Timeout=300'

echo "deps: installing $missing"
# One unreachable third-party source must not stop an installation from Debian.
# shellcheck disable=SC2086 # both are lists of words
apt-get $wait_for_lock -q update ||
	echo "deps: apt-get update failed, trying with the lists at hand" >&2
# shellcheck disable=SC2086
apt-get $wait_for_lock -q -y install --no-install-recommends $missing
