// SPDX-License-Identifier: GPL-2.0-only
/*
 * racer: threads that use the control device, the disks and the images at random, against
 * each other.  What can't be right is printed: an image that reads differently the second
 * time without having failed, an error that the interface does not know.
 *
 *   racer SEED SECONDS EPOCH STORAGE-DIR DISK...
 *
 * The disks are known to the daemon; EPOCH is the first one that is not used yet.  At the end no snapshot is left,
 * and all disks are attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include "uapi/bpfsnap.h"

enum { DISKS_MAX = 8, NAMES = 6, READ_BYTES = 65536, IMAGES = 64 };

static struct disk {
	const char *path;
	dev_t dev;
	off_t bytes;
} disks[DISKS_MAX];
static unsigned int nr_disks;
static const char *storage;
static int control;
static atomic_uint epoch, wrong;
static atomic_bool is_over;

/* What the threads have done, and how it ended. */
enum kind { ATTACH, DETACH, CREATE, DESTROY, LIST, EXTEND, EVENTS, IMAGE, WRITE, NR_KINDS };
static const char *const kind_names[] = {
	"attach", "detach", "create", "destroy", "list", "extend", "events", "image", "write",
};
static atomic_ulong succeeded[NR_KINDS], refused[NR_KINDS];

static void report(const char *what, int error)
{
	/* The first ones tell enough. */
	if (atomic_fetch_add(&wrong, 1) < 20)
		printf("%s: %s\n", what, strerror(error));
	fflush(stdout);
}

/* One of @allowed, which 0 ends, is an answer; all others are not. */
static void account(enum kind kind, int ret, const int *allowed)
{
	int error = errno;

	if (ret >= 0) {
		atomic_fetch_add(&succeeded[kind], 1);
		return;
	}
	atomic_fetch_add(&refused[kind], 1);
	while (*allowed && *allowed != error)
		allowed++;
	if (!*allowed)
		report(kind_names[kind], error);
}

static uint32_t below(uint64_t *dice, uint32_t n)
{
	*dice = *dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*dice >> 33) % n;
}

static void nap(uint64_t *dice, uint32_t max_us) { usleep(below(dice, max_us) + 1); }

static void attach(uint64_t *dice)
{
	const struct disk *disk = &disks[below(dice, nr_disks)];
	struct bpfsnap_ioc_attach arg = { major(disk->dev), minor(disk->dev), 30000, 0 };

	account(ATTACH, ioctl(control, BPFSNAP_IOC_ATTACH, &arg),
		(const int[]){ EEXIST, ETIMEDOUT, 0 });
}

static void detach(uint64_t *dice)
{
	const struct disk *disk = &disks[below(dice, nr_disks)];
	struct bpfsnap_ioc_detach arg = { major(disk->dev), minor(disk->dev), 0, 0 };

	account(DETACH, ioctl(control, BPFSNAP_IOC_DETACH, &arg),
		(const int[]){ ENODEV, EBUSY, ETIMEDOUT, 0 });
}

static void create(uint64_t *dice)
{
	struct bpfsnap_snap_device devices[DISKS_MAX] = { 0 };
	struct bpfsnap_ioc_snap_create arg = {
		.id = { 'r', (__u8)below(dice, NAMES) }, .devices = (unsigned long)devices,
		.timeout_ms = 1 + below(dice, 3) * 10000, .epoch = atomic_fetch_add(&epoch, 1),
		.memory_bytes = below(dice, 2) ? 1 << 20 : 0,
		.flags = below(dice, 2) ? BPFSNAP_SNAP_WRITABLE : 0,
	};
	unsigned int first = below(dice, nr_disks);
	int fd = open(storage, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	arg.nr_devices = 1 + below(dice, nr_disks - first);
	for (unsigned int i = 0; i < arg.nr_devices; i++)
		devices[i] = (struct bpfsnap_snap_device){
			.major = major(disks[first + i].dev), .minor = minor(disks[first + i].dev),
			.nr_sect = (__u64)disks[first + i].bytes / 512, .store_fd = fd,
			.limit_bytes = below(dice, 3) ? 0 : 4096 * (1 + below(dice, 1000)),
		};
	account(CREATE, ioctl(control, BPFSNAP_IOC_SNAP_CREATE, &arg),
		(const int[]){ EEXIST, ENODEV, ETIMEDOUT, ENOPROTOOPT, 0 });
	close(fd);
}

static void destroy(uint64_t *dice)
{
	struct bpfsnap_ioc_snap_destroy arg = { .id = { 'r', (__u8)below(dice, NAMES) } };

	account(DESTROY, ioctl(control, BPFSNAP_IOC_SNAP_DESTROY, &arg),
		(const int[]){ ENOENT, EBUSY, 0 });
}

static void extend(uint64_t *dice)
{
	struct bpfsnap_ioc_snap_extend arg = {
		.id = { 'r', (__u8)below(dice, NAMES) }, .index = below(dice, 2),
		.limit_bytes = 1ull << (20 + below(dice, 10)),
	};

	account(EXTEND, ioctl(control, BPFSNAP_IOC_SNAP_EXTEND, &arg), (const int[]){ ENOENT, EINVAL, 0 });
}

static __u32 list(struct bpfsnap_snap_info *infos)
{
	struct bpfsnap_ioc_list arg = { .items = (unsigned long)infos, .nr_items = IMAGES };

	account(LIST, ioctl(control, BPFSNAP_IOC_SNAP_LIST, &arg), (const int[]){ 0 });
	return arg.nr_items < IMAGES ? arg.nr_items : IMAGES;
}

static void events(uint64_t *dice)
{
	struct bpfsnap_event seen[16];
	struct pollfd poll_fd = { .fd = open("/dev/" BPFSNAP_CONTROL_NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC),
				  .events = POLLIN };

	if (poll(&poll_fd, 1, (int)below(dice, 50)) > 0)
		account(EVENTS, (int)read(poll_fd.fd, seen, sizeof(seen)), (const int[]){ EAGAIN, 0 });
	close(poll_fd.fd);
}

/* Twice the same, if both can be read: the image can't go away while it is open. */
static void read_twice(int fd, off_t bytes, uint64_t *dice)
{
	static __thread char *first, *second;
	int is_read_only = 0;
	off_t place = (off_t)below(dice, (uint32_t)(bytes / READ_BYTES)) * READ_BYTES;

	/* Asked of the image itself: it may be another than the one that was listed. */
	ioctl(fd, BLKROGET, &is_read_only);
	if (!first) {
		first = aligned_alloc(4096, READ_BYTES);
		second = aligned_alloc(4096, READ_BYTES);
	}
	for (int i = 0; i < 4; i++) {
		ssize_t a = pread(fd, first, READ_BYTES, place), b;

		nap(dice, 20000);
		b = pread(fd, second, READ_BYTES, place);
		/* An image that takes writes may have been written to by another thread. */
		if (a == READ_BYTES && b == READ_BYTES && is_read_only &&
		    memcmp(first, second, READ_BYTES))
			report("an image reads differently the second time", 0);
	}
}

static void use_image(uint64_t *dice)
{
	static atomic_uint nodes;
	static struct bpfsnap_snap_info infos_of[64][IMAGES];
	static atomic_uint threads;
	static __thread unsigned int self;
	const struct bpfsnap_snap_info *info;
	char path[64];
	bool writes;
	__u32 nr;
	int fd;

	if (!self)
		self = 1 + atomic_fetch_add(&threads, 1) % 63;
	nr = list(infos_of[self]);
	if (!nr)
		return;
	info = &infos_of[self][below(dice, nr)];
	writes = info->flags & BPFSNAP_SNAP_WRITABLE && below(dice, 2);
	snprintf(path, sizeof(path), "/run/racer.%u", atomic_fetch_add(&nodes, 1));
	if (mknod(path, S_IFBLK | 0600, makedev(info->image_major, info->image_minor)) < 0) {
		report(path, errno);
		return;
	}
	fd = open(path, (writes ? O_RDWR : O_RDONLY) | (below(dice, 3) ? O_DIRECT : 0) | O_CLOEXEC);
	account(IMAGE, fd, (const int[]){ ENXIO, ENODEV, EBUSY, EROFS, EACCES, EPERM, 0 });
	unlink(path);
	if (fd < 0)
		return;
	if (writes) {
		char *data = aligned_alloc(4096, READ_BYTES);

		memset(data, 'w', READ_BYTES);
		/* Another image may have got this number meanwhile, of another size. */
		(void)!pwrite(fd, data, READ_BYTES, (off_t)below(dice, 100) * 4096);
		free(data);
	} else if (below(dice, 4)) {
		read_twice(fd, (off_t)info->nr_sect * 512, dice);
	}
	close(fd);
}

static void write_disk(uint64_t *dice)
{
	const struct disk *disk = &disks[below(dice, nr_disks)];
	size_t len = 4096u * (1 + below(dice, 32));
	char *data = aligned_alloc(4096, len);
	int fd = open(disk->path, O_WRONLY | (below(dice, 4) ? O_DIRECT : 0) | O_CLOEXEC);
	ssize_t done;

	memset(data, (int)below(dice, 256), len);
	done = pwrite(fd, data, len, (off_t)below(dice, (uint32_t)((disk->bytes - (off_t)len) / 4096)) * 4096);
	account(WRITE, done == (ssize_t)len ? 0 : -1, (const int[]){ 0 });
	close(fd);
	free(data);
}

static const struct role {
	void (*step)(uint64_t *dice);
	unsigned int threads;
	uint32_t nap_us;
} roles[] = {
	{ attach, 1, 300000 }, { detach, 1, 300000 }, { create, 3, 200000 }, { destroy, 2, 200000 },
	{ extend, 1, 100000 }, { events, 1, 50000 }, { use_image, 4, 50000 }, { write_disk, 4, 3000 },
};

struct thread {
	pthread_t pthread;
	const struct role *role;
	uint64_t dice;
};

static void *thread_main(void *arg)
{
	struct thread *thread = arg;

	while (!is_over) {
		thread->role->step(&thread->dice);
		nap(&thread->dice, thread->role->nap_us);
	}
	return NULL;
}

/* No snapshot is left, and the disks are attached. */
static void tidy(void)
{
	struct bpfsnap_snap_info infos[IMAGES];

	for (__u8 i = 0; i < NAMES; i++) {
		struct bpfsnap_ioc_snap_destroy arg = { .id = { 'r', i } };

		if (ioctl(control, BPFSNAP_IOC_SNAP_DESTROY, &arg) < 0 && errno != ENOENT)
			report("destroy at the end", errno);
	}
	if (list(infos))
		report("a snapshot is left", 0);
	for (unsigned int i = 0; i < nr_disks; i++) {
		struct bpfsnap_ioc_attach arg = { major(disks[i].dev), minor(disks[i].dev), 30000, 0 };

		if (ioctl(control, BPFSNAP_IOC_ATTACH, &arg) < 0 && errno != EEXIST)
			report("attach at the end", errno);
	}
}

int main(int argc, char **argv)
{
	struct thread threads[64];
	unsigned int nr = 0;
	uint64_t seed;

	if (argc < 6 || argc > 5 + DISKS_MAX) {
		fprintf(stderr, "usage: racer SEED SECONDS EPOCH STORAGE-DIR DISK...\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 10);
	epoch = (unsigned int)atoi(argv[3]);
	storage = argv[4];
	control = open("/dev/" BPFSNAP_CONTROL_NAME, O_RDWR | O_CLOEXEC);
	if (control < 0) {
		perror("/dev/" BPFSNAP_CONTROL_NAME);
		return 1;
	}
	for (int i = 5; i < argc; i++, nr_disks++) {
		struct stat st;
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || fstat(fd, &st) < 0) {
			perror(argv[i]);
			return 1;
		}
		disks[nr_disks] = (struct disk){ argv[i], st.st_rdev, lseek(fd, 0, SEEK_END) };
		close(fd);
	}
	for (size_t r = 0; r < sizeof(roles) / sizeof(roles[0]); r++)
		for (unsigned int i = 0; i < roles[r].threads; i++, nr++) {
			threads[nr] = (struct thread){ .role = &roles[r], .dice = seed * 1000003 + nr };
			pthread_create(&threads[nr].pthread, NULL, thread_main, &threads[nr]);
		}
	sleep((unsigned int)atoi(argv[2]));
	is_over = true;
	while (nr)
		pthread_join(threads[--nr].pthread, NULL);
	tidy();
	for (int i = 0; i < NR_KINDS; i++)
		printf("%s%s %lu/%lu", i ? ", " : "", kind_names[i], succeeded[i], succeeded[i] + refused[i]);
	printf("; %u wrong\n", wrong);
	return wrong != 0;
}
