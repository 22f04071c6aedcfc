// SPDX-License-Identifier: GPL-2.0-only
/*
 * faultwalk: what becomes of an operation of which one allocation, or one copy to or from
 * its caller, fails?  The first, the second, the third ... until none is left.  After each
 * try the operation must have succeeded, or failed with nothing left of it.
 *
 * Takes a kernel with fault injection, and root.  The disks are attached already; "spare"
 * is one that is not.  Prints a line for each operation, and exits 1 if something is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "uapi/bpfsnap.h"

enum { DISKS_MAX = 8, FAULTS_MAX = 20000, IO_BYTES = 65536, LIMIT_BYTES = 64 << 20 };

static const char help[] =
	"usage: faultwalk [options] OPERATION...\n"
	"  -a DISK     attached; several make up a snapshot\n"
	"  -s DISK     not attached\n"
	"  -f DEVICE   whose filesystem is frozen for a snapshot\n"
	"  -d PATH     storage: a directory, a block device, or a file to pin\n"
	"  -p          it is a file to pin\n"
	"  -o BYTES    where writes to the first disk begin: 0\n"
	"  -e EPOCH    the first that may be used\n";

static int control = -1, fail_nth = -1;
static struct stat disks[DISKS_MAX], spare;
static unsigned int nr_disks;
static struct bpfsnap_dev freeze;
static unsigned int nr_freeze;
static const char *storage = "/tmp", *first_disk;
static bool pinned;
static unsigned int epoch = 2;

static struct bpfsnap_ioc_snap_create create;
static struct bpfsnap_snap_device devices[DISKS_MAX];
static char image[64];
static char *buffer;

static void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fflush(stdout);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static __u32 count(unsigned long cmd)
{
	struct bpfsnap_ioc_list list = { 0 };

	if (ioctl(control, cmd, &list))
		die("list: %s", strerror(errno));
	return list.nr_items;
}

static bool is_attached(const struct stat *disk)
{
	struct bpfsnap_origin_info infos[64] = { 0 };
	struct bpfsnap_ioc_list list = { .items = (unsigned long)infos, .nr_items = 64 };

	if (ioctl(control, BPFSNAP_IOC_ORIGIN_LIST, &list))
		die("list: %s", strerror(errno));
	for (__u32 i = 0; i < list.nr_items && i < 64; i++)
		if (makedev(infos[i].major, infos[i].minor) == disk->st_rdev)
			return true;
	return false;
}

static int attach(void)
{
	struct bpfsnap_ioc_attach arg = { major(spare.st_rdev), minor(spare.st_rdev), 20000, 0 };

	return ioctl(control, BPFSNAP_IOC_ATTACH, &arg);
}

static int detach(void)
{
	struct bpfsnap_ioc_detach arg = { major(spare.st_rdev), minor(spare.st_rdev), 0, 0 };

	return ioctl(control, BPFSNAP_IOC_DETACH, &arg);
}

static void must(const char *what, int ret)
{
	if (ret < 0)
		die("%s: %s", what, strerror(errno));
}

static void attach_first(void) { must("attach", attach()); }
static void detach_after(void) { must("detach", detach()); }

static bool not_attached(void) { return !is_attached(&spare); }
static bool still_attached(void) { return is_attached(&spare); }

static int open_storage(void)
{
	struct stat st;
	int fd;

	must(storage, stat(storage, &st));
	fd = open(storage, (S_ISDIR(st.st_mode) ? O_TMPFILE : 0) | O_RDWR | O_CLOEXEC, 0600);
	must(storage, fd);
	return fd;
}

static void prepare_create(void)
{
	int fd = open_storage();

	memset(devices, 0, sizeof(devices));
	for (unsigned int i = 0; i < nr_disks; i++)
		devices[i] = (struct bpfsnap_snap_device){
			.major = major(disks[i].st_rdev),
			.minor = minor(disks[i].st_rdev),
			.nr_sect = (__u64)disks[i].st_size / 512,
			.limit_bytes = LIMIT_BYTES,
			.store_fd = fd,
			.store_flags = pinned ? BPFSNAP_STORE_PINNED : 0,
		};
	create = (struct bpfsnap_ioc_snap_create){
		.id = { 'f', 'a', 'u', 'l', 't' },
		.devices = (unsigned long)devices,
		.freeze = (unsigned long)&freeze,
		.nr_devices = nr_disks,
		.nr_freeze = nr_freeze,
		.timeout_ms = 30000,
		.epoch = epoch++,
	};
}

static int take(void)
{
	return ioctl(control, BPFSNAP_IOC_SNAP_CREATE, &create);
}

static int destroy(void)
{
	struct bpfsnap_ioc_snap_destroy arg = { 0 };

	memcpy(arg.id, create.id, sizeof(arg.id));
	return ioctl(control, BPFSNAP_IOC_SNAP_DESTROY, &arg);
}

/* If the answer can't be delivered there is a snapshot all the same: uapi/bpfsnap.h. */
static bool no_snapshot(void)
{
	int error = errno;

	close(devices[0].store_fd);
	return (error == EFAULT && !destroy()) || !count(BPFSNAP_IOC_SNAP_LIST);
}

static void destroy_after(void)
{
	must("destroy", destroy());
	close(devices[0].store_fd);
	if (count(BPFSNAP_IOC_SNAP_LIST))
		die("a snapshot is left");
}

static void await_node(dev_t dev)
{
	snprintf(image, sizeof(image), "/run/faultwalk.%d", getpid());
	unlink(image);
	must(image, mknod(image, S_IFBLK | 0600, dev));
}

static void take_first(void)
{
	prepare_create();
	must("create", take());
	await_node(makedev(devices[0].image_major, devices[0].image_minor));
}

static bool snapshot_there(void) { return count(BPFSNAP_IOC_SNAP_LIST) == nr_disks; }

static void close_storage(void)
{
	close(devices[0].store_fd);
	if (count(BPFSNAP_IOC_SNAP_LIST))
		die("a snapshot is left");
}

static int extend(void)
{
	struct bpfsnap_ioc_snap_extend arg = { .limit_bytes = LIMIT_BYTES };

	memcpy(arg.id, create.id, sizeof(arg.id));
	return ioctl(control, BPFSNAP_IOC_SNAP_EXTEND, &arg);
}

static int list_origins(void)
{
	struct bpfsnap_origin_info infos[64];
	struct bpfsnap_ioc_list list = { .items = (unsigned long)infos, .nr_items = 64 };

	return ioctl(control, BPFSNAP_IOC_ORIGIN_LIST, &list);
}

static int list_snapshots(void)
{
	static struct bpfsnap_snap_info infos[64];
	struct bpfsnap_ioc_list list = { .items = (unsigned long)infos, .nr_items = 64 };

	return ioctl(control, BPFSNAP_IOC_SNAP_LIST, &list);
}

static int version(void)
{
	struct bpfsnap_ioc_version arg;

	return ioctl(control, BPFSNAP_IOC_VERSION, &arg);
}

static int open_control(void)
{
	int fd = open("/dev/" BPFSNAP_CONTROL_NAME, O_RDWR | O_CLOEXEC);
	int ret = fd, error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return ret < 0 ? -1 : 0;
}

static int read_image(void)
{
	int fd = open(image, O_RDONLY | O_DIRECT | O_CLOEXEC), ret = -1, error;

	if (fd >= 0)
		ret = pread(fd, buffer, IO_BYTES, 0) == IO_BYTES ? 0 : -1;
	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return ret;
}

/* The next place of the disk that was not written to since the snapshot. */
static off_t place_bytes;

static int write_disk(void)
{
	int fd = open(first_disk, O_WRONLY | O_DIRECT | O_CLOEXEC), ret = -1, error;

	if (fd >= 0)
		ret = pwrite(fd, buffer, IO_BYTES, place_bytes) == IO_BYTES ? 0 : -1;
	error = errno;
	if (fd >= 0)
		close(fd);
	place_bytes = (place_bytes + IO_BYTES) % (disks[0].st_size - IO_BYTES);
	errno = error;
	return ret;
}

/* Whatever became of the write, the image must be whole. */
static bool image_whole(void)
{
	static struct bpfsnap_snap_info infos[64];
	struct bpfsnap_ioc_list list = { .items = (unsigned long)infos, .nr_items = 64 };

	must("list", ioctl(control, BPFSNAP_IOC_SNAP_LIST, &list));
	return list.nr_items == nr_disks && !infos[0].error;
}

static void image_still_whole(void)
{
	if (!image_whole())
		die("the image has failed");
}

static bool nothing(void) { return true; }
static void no_step(void) { }

/**
 * struct operation - what is tried with faults
 * @before: once before all tries, @after: once after them
 * @prepare: before each try
 * @run: the try; 0 or -1 with errno
 * @undo: after one that succeeded
 * @left_nothing: after one that failed: is everything as it was before @run?
 */
static const struct operation {
	const char *name;
	void (*before)(void), (*prepare)(void);
	int (*run)(void);
	void (*undo)(void);
	bool (*left_nothing)(void);
	void (*after)(void);
} operations[] = {
	{ "open", no_step, no_step, open_control, no_step, nothing, no_step },
	{ "version", no_step, no_step, version, no_step, nothing, no_step },
	{ "attach", no_step, no_step, attach, detach_after, not_attached, no_step },
	{ "detach", attach_first, no_step, detach, attach_first, still_attached, detach_after },
	{ "origins", no_step, no_step, list_origins, no_step, nothing, no_step },
	{ "create", no_step, prepare_create, take, destroy_after, no_snapshot, no_step },
	{ "snapshots", take_first, no_step, list_snapshots, no_step, snapshot_there, destroy_after },
	{ "extend", take_first, no_step, extend, no_step, snapshot_there, destroy_after },
	{ "read", take_first, no_step, read_image, no_step, image_whole, destroy_after },
	{ "write", take_first, no_step, write_disk, image_still_whole, image_whole, destroy_after },
	{ "destroy", take_first, no_step, destroy, take_first, snapshot_there, destroy_after },
};

static void close_first(void) { close_storage(); take_first(); }

static void set_fail_nth(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	/* What is left of the last walk may hit this very call. */
	for (int i = 0; i < 3; i++)
		if (pwrite(fail_nth, text, (size_t)len, 0) == len)
			return;
	die("fail-nth: %s", strerror(errno));
}

/* Has the fault come about? */
static bool fault_fired(void)
{
	char text[16] = "";

	return pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
}

/* Return: is it right? */
static bool walk(const struct operation *op)
{
	unsigned int n, survived = 0;
	const bool is_destroy = !strcmp(op->name, "destroy");

	op->before();
	for (n = 1; n <= FAULTS_MAX; n++) {
		bool fired;
		int ret, error;

		op->prepare();
		set_fail_nth(n);
		ret = op->run();
		error = errno;
		fired = fault_fired();
		set_fail_nth(0);
		if (ret < 0 && !fired) {
			printf("%s: failed after %u faults: %s\n", op->name, n - 1, strerror(error));
			return false;
		}
		errno = error;
		if (ret < 0 && !op->left_nothing()) {
			printf("%s: fault %u (%s) left something behind\n", op->name, n, strerror(error));
			return false;
		}
		if (ret == 0 && is_destroy)
			close_first();
		else if (ret == 0)
			op->undo();
		if (!fired)
			break;
		survived += ret == 0;
	}
	op->after();
	printf("%s: %u faults, %u of them survived\n", op->name, n - 1, survived);
	return n <= FAULTS_MAX;
}

static const struct operation *find(const char *name)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	die("no operation is called %s", name);
	return NULL;
}

/* The size of a block device is in none of its stat fields. */
static void take_disk(const char *path, struct stat *ret_disk)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	must(path, fd);
	must(path, fstat(fd, ret_disk));
	ret_disk->st_size = lseek(fd, 0, SEEK_END);
	close(fd);
}

static void take_options(int argc, char **argv)
{
	struct stat st;
	int option;

	while ((option = getopt(argc, argv, "a:s:f:d:po:e:")) >= 0) {
		switch (option) {
		case 'a':
			if (!nr_disks)
				first_disk = optarg;
			if (nr_disks < DISKS_MAX)
				take_disk(optarg, &disks[nr_disks++]);
			break;
		case 's': take_disk(optarg, &spare); break;
		case 'f':
			take_disk(optarg, &st);
			freeze = (struct bpfsnap_dev){ major(st.st_rdev), minor(st.st_rdev) };
			nr_freeze = 1;
			break;
		case 'd': storage = optarg; break;
		case 'o': place_bytes = atoll(optarg); break;
		case 'p': pinned = true; break;
		case 'e': epoch = (unsigned int)atoi(optarg); break;
		default: die("%s", help);
		}
	}
}

int main(int argc, char **argv)
{
	bool right = true;

	take_options(argc, argv);
	buffer = aligned_alloc(4096, IO_BYTES);
	if (!buffer)
		die("no memory");
	memset(buffer, 'f', IO_BYTES);
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	must("/proc/thread-self/fail-nth", fail_nth);
	control = open("/dev/" BPFSNAP_CONTROL_NAME, O_RDWR | O_CLOEXEC);
	must("/dev/" BPFSNAP_CONTROL_NAME, control);
	for (int i = optind; i < argc && right; i++) {
		right = walk(find(argv[i]));
		fflush(stdout);
	}
	unlink(image);
	return right ? 0 : 1;
}
