// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvmeio DISK io|admin OPCODE [SECTOR]: passes an NVMe command through, with the opcode in
 * hex; with a sector, one sector of data out.
 */
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static unsigned char data[4096] __attribute__((aligned(4096)));
	struct nvme_passthru_cmd cmd = { 0 };
	int fd, r;

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: nvmeio DISK io|admin OPCODE [SECTOR]\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	cmd.opcode = (uint8_t)strtoul(argv[3], NULL, 16);
	cmd.nsid = (uint32_t)ioctl(fd, NVME_IOCTL_ID);
	if (argc == 5) {
		memset(data, 0x77, sizeof(data));
		cmd.addr = (uintptr_t)data;
		cmd.data_len = 512;
		cmd.cdw10 = (uint32_t)strtoul(argv[4], NULL, 10);
	}
	r = ioctl(fd, strcmp(argv[2], "io") ? NVME_IOCTL_ADMIN_CMD : NVME_IOCTL_IO_CMD, &cmd);
	if (r)
		fprintf(stderr, "status %d\n", r);
	return r != 0;
}
