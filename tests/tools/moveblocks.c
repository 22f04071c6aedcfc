// SPDX-License-Identifier: GPL-2.0-only
/*
 * moveblocks FILE DONOR - has ext4 exchange the first block of two files, as a defragmenter does
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

/* As in the kernel's fs/ext4/ext4.h, which is not among its headers for programs. */
struct move_extent {
	uint32_t reserved;
	uint32_t donor_fd;
	uint64_t orig_start_blk;
	uint64_t donor_start_blk;
	uint64_t nr_blk;
	uint64_t moved_blk;
};

#define EXT4_IOC_MOVE_EXT _IOWR('f', 15, struct move_extent)

int main(int argc, char **argv)
{
	struct move_extent move = { .nr_blk = 1 };
	int fd, donor_fd;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	donor_fd = open(argv[2], O_RDWR | O_CLOEXEC);
	if (fd < 0 || donor_fd < 0) {
		perror(fd < 0 ? argv[1] : argv[2]);
		return 2;
	}
	move.donor_fd = (uint32_t)donor_fd;
	if (ioctl(fd, EXT4_IOC_MOVE_EXT, &move) < 0) {
		perror("EXT4_IOC_MOVE_EXT");
		return 1;
	}
	return move.moved_blk == 1 ? 0 : 1;
}
