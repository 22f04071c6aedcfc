// SPDX-License-Identifier: GPL-2.0-only
/*
 * sgio DISK in|out|none BYTE...: passes a SCSI command through, with the command's bytes
 * in hex, and one sector of data in or out.
 */
#include <fcntl.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned char command[16] = { 0 }, sense[64], data[512];
	struct sg_io_hdr io = {
		.interface_id = 'S', .cmdp = command, .sbp = sense, .mx_sb_len = sizeof(sense),
		.timeout = 20000,
	};
	int fd;

	if (argc < 4 || argc > 3 + (int)sizeof(command)) {
		fprintf(stderr, "usage: sgio DISK in|out|none BYTE...\n");
		return 2;
	}
	for (int i = 3; i < argc; i++)
		command[io.cmd_len++] = (unsigned char)strtoul(argv[i], NULL, 16);
	io.dxfer_direction = SG_DXFER_NONE;
	if (strcmp(argv[2], "none")) {
		io.dxfer_direction = strcmp(argv[2], "in") ? SG_DXFER_TO_DEV : SG_DXFER_FROM_DEV;
		io.dxferp = data;
		io.dxfer_len = sizeof(data);
		memset(data, 0x77, sizeof(data));
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, SG_IO, &io) < 0) {
		perror(argv[1]);
		return 1;
	}
	if (io.status || io.host_status) {
		fprintf(stderr, "status %d, host status %d\n", io.status, io.host_status);
		return 1;
	}
	return 0;
}
