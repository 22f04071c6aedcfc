// SPDX-License-Identifier: GPL-2.0-only
/*
 * Speaks to the control device without the daemon, for tests of the module's own
 * behaviour: ioc version | attach MAJ:MIN | detach MAJ:MIN | origins | pin MAJ:MIN FILE |
 * create MAJ:MIN SECTORS FILE | snapshots | bad.
 * Prints the errno's name on failure and exits 1.  "pin" tries to store in the blocks of a file,
 * and names the step that failed, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "uapi/bpfsnap.h"

static int fd;

static int result(int ret)
{
	if (!ret) {
		puts("ok");
		return 0;
	}
	puts(strerrorname_np(errno));
	return 1;
}

static int dev_arg(const char *text, __u32 *major, __u32 *minor)
{
	return sscanf(text, "%u:%u", major, minor) == 2 ? 0 : -1;
}

static int origins(void)
{
	struct bpfsnap_origin_info items[64] = { 0 };
	struct bpfsnap_ioc_list list = { .items = (unsigned long)items, .nr_items = 64 };

	if (ioctl(fd, BPFSNAP_IOC_ORIGIN_LIST, &list))
		return result(-1);
	for (unsigned int i = 0; i < list.nr_items && i < 64; i++)
		printf("%u:%u bios %llu sectors %llu diverted %llu\n", items[i].major,
		       items[i].minor, items[i].gate_bios, items[i].gate_sect,
		       items[i].diverted_bios);
	return 0;
}

/* Of a disk that nobody tracks: what the storage lets through, nobody acknowledges. */
static int pin(const struct bpfsnap_ioc_attach *disk, const char *path)
{
	static const char *const steps[] = {
		"none", "origin", "store", "image", "freeze", "drain", "switch",
	};
	struct bpfsnap_snap_device device = {
		.major = disk->major, .minor = disk->minor, .nr_sect = 8,
		.store_fd = open(path, O_RDWR | O_CLOEXEC), .store_flags = BPFSNAP_STORE_PINNED,
	};
	struct bpfsnap_ioc_snap_create create = {
		.id = { 'p' }, .devices = (unsigned long)&device, .nr_devices = 1,
		.timeout_ms = 5000, .epoch = 2,
	};

	if (device.store_fd < 0) {
		perror(path);
		return 2;
	}
	if (!ioctl(fd, BPFSNAP_IOC_SNAP_CREATE, &create))
		return result(0);
	printf("%s ", steps[create.failed_step]);
	return result(-1);
}

/* A snapshot of the first sectors of a disk, with old content in a new file. */
static int create(struct bpfsnap_snap_device *device, const char *file)
{
	struct bpfsnap_ioc_snap_create arg = {
		.id = { 1 }, .devices = (unsigned long)device, .nr_devices = 1,
		.timeout_ms = 5000, .epoch = 2,
	};

	device->store_fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (device->store_fd < 0 || !ioctl(fd, BPFSNAP_IOC_SNAP_CREATE, &arg))
		return result(device->store_fd < 0 ? -1 : 0);
	printf("%s at step %u, device %u\n", strerrorname_np(errno), arg.failed_step,
	       arg.failed_index);
	return 1;
}

static int snapshots(void)
{
	struct bpfsnap_snap_info items[64] = { 0 };
	struct bpfsnap_ioc_list list = { .items = (unsigned long)items, .nr_items = 64 };

	if (ioctl(fd, BPFSNAP_IOC_SNAP_LIST, &list))
		return result(-1);
	for (unsigned int i = 0; i < list.nr_items && i < 64; i++)
		printf("%u:%u epoch %u copied %llu\n", items[i].major, items[i].minor,
		       items[i].epoch, items[i].copied_bytes);
	return 0;
}

/* Calls that must be refused; prints each with what came of it. */
static int bad(void)
{
	static struct bpfsnap_snap_device device = { .store_fd = -1, .nr_sect = 1 };
	struct {
		const char *name;
		unsigned long cmd;
		union {
			struct bpfsnap_ioc_attach attach;
			struct bpfsnap_ioc_detach detach;
			struct bpfsnap_ioc_snap_create create;
			struct bpfsnap_ioc_snap_destroy destroy;
			struct bpfsnap_ioc_list list;
		} arg;
		int want;
	} calls[] = {
		{ "unknown call", _IO(BPFSNAP_IOC_MAGIC, 99), {}, ENOTTY },
		{ "attach: flags", BPFSNAP_IOC_ATTACH,
		  { .attach = { 7, 0, 1000, 1 } }, EINVAL },
		{ "attach: no deadline", BPFSNAP_IOC_ATTACH,
		  { .attach = { 7, 0, 0, 0 } }, EINVAL },
		{ "attach: deadline of a day", BPFSNAP_IOC_ATTACH,
		  { .attach = { 7, 0, 86400000, 0 } }, EINVAL },
		{ "attach: no such disk", BPFSNAP_IOC_ATTACH,
		  { .attach = { 4000, 1, 1000, 0 } }, ENODEV },
		{ "attach: number that is cut short", BPFSNAP_IOC_ATTACH,
		  { .attach = { 0xffffffff, 0xffffffff, 1000, 0 } }, ENODEV },
		{ "detach: not attached", BPFSNAP_IOC_DETACH,
		  { .detach = { 7, 0, 0, 0 } }, ENODEV },
		{ "create: no name", BPFSNAP_IOC_SNAP_CREATE,
		  { .create = { .devices = (unsigned long)&device, .nr_devices = 1,
				.timeout_ms = 1000, .epoch = 2 } }, EINVAL },
		{ "create: no devices", BPFSNAP_IOC_SNAP_CREATE,
		  { .create = { .id = { 1 }, .timeout_ms = 1000, .epoch = 2 } }, EINVAL },
		{ "create: 4 billion devices", BPFSNAP_IOC_SNAP_CREATE,
		  { .create = { .id = { 1 }, .devices = (unsigned long)&device,
				.nr_devices = ~0u, .timeout_ms = 1000, .epoch = 2 } }, EINVAL },
		{ "create: bad pointer", BPFSNAP_IOC_SNAP_CREATE,
		  { .create = { .id = { 1 }, .devices = 8, .nr_devices = 1,
				.timeout_ms = 1000, .epoch = 2 } }, EFAULT },
		{ "create: disk not attached", BPFSNAP_IOC_SNAP_CREATE,
		  { .create = { .id = { 1 }, .devices = (unsigned long)&device,
				.nr_devices = 1, .timeout_ms = 1000, .epoch = 2 } }, ENODEV },
		{ "destroy: unknown", BPFSNAP_IOC_SNAP_DESTROY,
		  { .destroy = { .id = { 1 } } }, ENOENT },
		{ "destroy: flags", BPFSNAP_IOC_SNAP_DESTROY,
		  { .destroy = { .id = { 1 }, .flags = 2 } }, EINVAL },
		{ "list: reserved field", BPFSNAP_IOC_SNAP_LIST,
		  { .list = { .reserved = 1 } }, EINVAL },
		{ "list: bad pointer is fine for no items", BPFSNAP_IOC_SNAP_LIST,
		  { .list = { .items = 8, .nr_items = 10 } }, 0 },
	};
	int wrong = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int got = ioctl(fd, calls[i].cmd, &calls[i].arg) ? errno : 0;

		printf("%s: %s", calls[i].name, got ? strerrorname_np(got) : "ok");
		if (got != calls[i].want) {
			printf(", expected %s", strerrorname_np(calls[i].want) ?: "ok");
			wrong = 1;
		}
		putchar('\n');
	}
	return wrong;
}

int main(int argc, char **argv)
{
	struct bpfsnap_ioc_attach attach = { .timeout_ms = 5000 };
	struct bpfsnap_ioc_detach detach = { 0 };
	struct bpfsnap_snap_device device = { 0 };
	struct bpfsnap_ioc_version version;
	const char *verb = argc > 1 ? argv[1] : "";

	fd = open("/dev/" BPFSNAP_CONTROL_NAME, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		perror("/dev/" BPFSNAP_CONTROL_NAME);
		return 1;
	}
	if (!strcmp(verb, "version")) {
		if (ioctl(fd, BPFSNAP_IOC_VERSION, &version))
			return result(-1);
		printf("%u\n", version.abi);
		return 0;
	}
	if (!strcmp(verb, "attach") && argc == 3 &&
	    !dev_arg(argv[2], &attach.major, &attach.minor))
		return result(ioctl(fd, BPFSNAP_IOC_ATTACH, &attach));
	if (!strcmp(verb, "detach") && argc == 3 &&
	    !dev_arg(argv[2], &detach.major, &detach.minor))
		return result(ioctl(fd, BPFSNAP_IOC_DETACH, &detach));
	if (!strcmp(verb, "pin") && argc == 4 && !dev_arg(argv[2], &attach.major, &attach.minor))
		return pin(&attach, argv[3]);
	if (!strcmp(verb, "origins"))
		return origins();
	if (!strcmp(verb, "create") && argc == 5 &&
	    !dev_arg(argv[2], &device.major, &device.minor)) {
		device.nr_sect = strtoull(argv[3], NULL, 10);
		return create(&device, argv[4]);
	}
	if (!strcmp(verb, "snapshots"))
		return snapshots();
	if (!strcmp(verb, "bad"))
		return bad();
	fprintf(stderr, "usage: ioc version|attach MAJ:MIN|detach MAJ:MIN|origins|pin MAJ:MIN FILE|"
			"create MAJ:MIN SECTORS FILE|snapshots|bad\n");
	return 2;
}
