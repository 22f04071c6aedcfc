// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do the tracking programs mark what is written, on this machine's own kernel?
 * Without the module.  Disks are zram and loop; what the kernel does not have is
 * skipped, and said.  Each test compares the marks with a shadow that the test keeps
 * itself, and each program that is there for redundancy has to do it alone, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include "bpfsnap_track.h"
#include "bpf/track.skel.h"

enum { DISK_BYTES = 256 << 20, BLOCK_SHIFT = 16, NR_BLK = DISK_BYTES >> BLOCK_SHIFT,
       SLOT = 3 };

/* Which programs are attached. */
enum { QUEUE = 1, AGAIN = 2, ISSUE = 4, ALL = QUEUE | AGAIN | ISSUE };

struct disk {
	char path[64];
	int takes_requests;
	int fd;
	int control;		/* loop: the backing file */
	unsigned int key;
	int pages;
	struct track_bpf *skel;
	unsigned short shadow[NR_BLK];
};

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return ret < 0 ? -errno : 0;
}

/* Return: 0, or -errno where this kernel has none to give. */
static int zram_open(struct disk *disk)
{
	char text[64] = "";
	int fd = open("/sys/class/zram-control/hot_add", O_RDONLY | O_CLOEXEC), n;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -ENODEV;
	close(fd);
	n = atoi(text);
	snprintf(text, sizeof(text), "/sys/block/zram%d/disksize", n);
	if (write_text(text, "256M"))
		return -ENODEV;
	snprintf(disk->path, sizeof(disk->path), "/dev/zram%d", n);
	disk->takes_requests = 0;
	return 0;
}

static void zram_close(struct disk *disk)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/reset", disk->path + 5);
	write_text(path, "1");
	write_text("/sys/class/zram-control/hot_remove", disk->path + strlen("/dev/zram"));
}

/* Over the backing file.  Return: 0, or -EBUSY if somebody else was faster to take it. */
static int loop_take(struct disk *disk, int control)
{
	int n = ioctl(control, LOOP_CTL_GET_FREE), fd, ret = 0;

	if (n < 0)
		return -ENODEV;
	snprintf(disk->path, sizeof(disk->path), "/dev/loop%d", n);
	fd = open(disk->path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -ENODEV;
	if (ioctl(fd, LOOP_SET_FD, disk->control))
		ret = errno == EBUSY ? -EBUSY : -ENODEV;
	close(fd);
	return ret;
}

static int loop_open(struct disk *disk)
{
	char file[] = "/tmp/t_track.XXXXXX";
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), ret;

	if (control < 0)
		return -ENODEV;
	disk->control = mkostemp(file, O_CLOEXEC);
	unlink(file);
	if (disk->control < 0 || ftruncate(disk->control, DISK_BYTES))
		return -errno;
	for (int tries = 0; (ret = loop_take(disk, control)) == -EBUSY && tries < 100; tries++)
		usleep(10000);
	close(control);
	disk->takes_requests = 1;
	return ret;
}

static void loop_close(struct disk *disk)
{
	int fd = open(disk->path, O_RDWR | O_CLOEXEC);

	ioctl(fd, LOOP_CLR_FD);
	close(fd);
	close(disk->control);
}

static void put_value(const struct bpf_map *map, unsigned int key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), &key, value, 0), 0);
}

static void set_epoch(struct disk *disk, unsigned int epoch)
{
	struct bpfsnap_state state = {
		.abi = BPFSNAP_TRACK_ABI, .epoch = epoch, .mark = epoch, .mark_max = BPFSNAP_MARK_MAX,
	};

	put_value(disk->skel->maps.state, 0, &state);
}

/* What the daemon does when a disk is attached: its slot is 3. */
static void track(struct disk *disk, unsigned int nr_blk, int programs)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	struct bpfsnap_device dev = {
		.nr_blk = nr_blk, .block_shift = BLOCK_SHIFT, .first_epoch = 1,
		.nr_sect = DISK_BYTES >> 9,
	};
	static struct bpfsnap_disks disks;
	struct track_bpf *skel = track_bpf__open();
	unsigned int nr_pages = (nr_blk + BPFSNAP_PAGE_BLOCKS - 1) / BPFSNAP_PAGE_BLOCKS;
	struct stat st;

	assert_non_null(skel);
	bpf_program__set_autoload(skel->progs.on_write, false);
	bpf_program__set_autoload(skel->progs.on_switch, false);
	assert_int_equal(track_bpf__load(skel), 0);
	disk->skel = skel;
	set_epoch(disk, 1);
	assert_int_equal(stat(disk->path, &st), 0);
	disk->key = dev.dev = major(st.st_rdev) << 20 | minor(st.st_rdev);
	disk->pages = bpf_map_create(BPF_MAP_TYPE_ARRAY, "marks", 4, sizeof(struct bpfsnap_page),
				     nr_pages, &opts);
	assert_true(disk->pages >= 0);
	put_value(skel->maps.devices, SLOT, &dev);
	put_value(skel->maps.marks, SLOT, &disk->pages);
	memset(&disks, 0, sizeof(disks));
	/* Behind one that has left: that one is looked past. */
	disks.room[bpfsnap_disk_hash(dev.dev)].dev = BPFSNAP_DISK_LEFT;
	disks.room[(bpfsnap_disk_hash(dev.dev) + 1) % BPFSNAP_DISK_ROOMS] =
		(struct bpfsnap_disk){ dev.dev, SLOT };
	put_value(skel->maps.disks, 0, &disks);
	if (programs & QUEUE)
		assert_non_null(skel->links.on_queue = bpf_program__attach(skel->progs.on_queue));
	if (programs & AGAIN)
		assert_non_null(skel->links.on_queue_again =
				bpf_program__attach(skel->progs.on_queue_again));
	if (programs & ISSUE)
		assert_non_null(skel->links.on_issue = bpf_program__attach(skel->progs.on_issue));
}

static struct bpfsnap_device device_of(struct disk *disk)
{
	unsigned int slot = SLOT;
	struct bpfsnap_device dev;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(disk->skel->maps.devices), &slot, &dev), 0);
	return dev;
}

static struct bpfsnap_stripe counters_of(struct disk *disk)
{
	unsigned int slot = SLOT;
	struct bpfsnap_counters all;
	struct bpfsnap_stripe sum = { 0 };

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(disk->skel->maps.counters), &slot, &all), 0);
	for (int i = 0; i < BPFSNAP_STRIPES; i++) {
		sum.queue_bios += all.stripe[i].queue_bios;
		sum.queue_sect += all.stripe[i].queue_sect;
		sum.discard_sect += all.stripe[i].discard_sect;
		sum.changed_blk += all.stripe[i].changed_blk;
	}
	return sum;
}

static void untrack(struct disk *disk)
{
	track_bpf__destroy(disk->skel);
	close(disk->pages);
}

/* Discarded is what a discard covers wholly. */
static void shadow(struct disk *disk, uint64_t offset, uint64_t bytes, unsigned int mark, int discards)
{
	for (uint64_t blk = offset >> BLOCK_SHIFT; blk <= (offset + bytes - 1) >> BLOCK_SHIFT; blk++) {
		int is_whole = blk << BLOCK_SHIFT >= offset &&
			       (blk + 1) << BLOCK_SHIFT <= offset + bytes;

		disk->shadow[blk] = mark | (discards && is_whole ? BPFSNAP_MARK_DISCARDED : 0);
	}
}

/* Every mark that must be there is, and no other. */
static void assert_marks(struct disk *disk)
{
	struct bpfsnap_page page;

	for (unsigned int blk = 0; blk < NR_BLK; blk++) {
		unsigned int key = blk / BPFSNAP_PAGE_BLOCKS;

		if (blk % BPFSNAP_PAGE_BLOCKS == 0)
			assert_int_equal(bpf_map_lookup_elem(disk->pages, &key, &page), 0);
		if (page.mark[blk % BPFSNAP_PAGE_BLOCKS] != disk->shadow[blk])
			fail_msg("%s: block %u is marked %x, should be %x", disk->path, blk,
				 page.mark[blk % BPFSNAP_PAGE_BLOCKS], disk->shadow[blk]);
	}
}

static void store(struct disk *disk, void *buf, uint64_t offset, size_t bytes, unsigned int mark)
{
	assert_int_equal(pwrite(disk->fd, buf, bytes, offset), bytes);
	shadow(disk, offset, bytes, mark, 0);
}

static void discard(struct disk *disk, unsigned long op, uint64_t offset, uint64_t bytes,
		    unsigned int mark)
{
	uint64_t range[2] = { offset, bytes };

	if (!ioctl(disk->fd, op, range))
		shadow(disk, offset, bytes, mark, 1);
}

static void marks_what_is_written(struct disk *disk, int programs)
{
	unsigned int seed = time(NULL), state = seed;
	uint64_t nr_sect = 0, nr_blk = 0;
	void *buf = NULL;

	print_message("seed %u\n", seed);
	memset(disk->shadow, 0, sizeof(disk->shadow));
	track(disk, NR_BLK, programs);
	disk->fd = open(disk->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	assert_true(disk->fd >= 0);
	assert_int_equal(posix_memalign(&buf, 4096, 1 << 20), 0);
	memset(buf, 0x5a, 1 << 20);

	for (int i = 0; i < 300; i++) {
		size_t bytes = 4096ul << (rand_r(&state) % 9);
		uint64_t offset = (uint64_t)(rand_r(&state) % ((DISK_BYTES - bytes) / 4096)) * 4096;

		if (i == 100 || i == 200)
			set_epoch(disk, i / 100 + 1);
		store(disk, buf, offset, bytes, i / 100 + 1);
		nr_sect += bytes >> 9;
	}
	assert_marks(disk);
	if (programs & QUEUE) {
		assert_int_equal(counters_of(disk).queue_sect, nr_sect);
		assert_int_equal(counters_of(disk).discard_sect, 0);
	}

	set_epoch(disk, 4);
	nr_blk = counters_of(disk).changed_blk;
	discard(disk, BLKDISCARD, 3 << 16, 100 << 20, 4);
	discard(disk, BLKZEROOUT, (120 << 20) + 4096, 70 << 20, 4);
	discard(disk, BLKZEROOUT, (200 << 20) + 4096, 4096, 4);		/* within one block */
	discard(disk, BLKDISCARD, 201 << 20, 1 << 16, 4);		/* one block */
	discard(disk, BLKDISCARD, (255 << 20) + (3 << 12), (1 << 20) - (3 << 12), 4);
	assert_marks(disk);
	nr_blk = counters_of(disk).changed_blk - nr_blk;
	if (programs & QUEUE) {
		assert_true(nr_blk >= (100 << 20) >> BLOCK_SHIFT);
		assert_true(nr_blk <= NR_BLK);
		assert_true(counters_of(disk).discard_sect > 0);
		assert_true(counters_of(disk).queue_bios >= 300);
	}
	/* What is written again is no longer discarded. */
	store(disk, buf, 4 << 16, 4096, 4);
	store(disk, buf, (130 << 20) + 4096, 1 << 20, 4);
	assert_marks(disk);
	assert_int_equal(device_of(disk).uncertain, 0);

	free(buf);
	close(disk->fd);
	untrack(disk);
}

/* What lies past the map can't be marked, and that is said. */
static void says_what_it_cannot_mark(struct disk *disk)
{
	static char buf[65536] __attribute__((aligned(4096)));
	struct bpfsnap_device dev;

	track(disk, BPFSNAP_PAGE_BLOCKS, ALL);
	set_epoch(disk, 9);
	disk->fd = open(disk->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	assert_int_equal(pwrite(disk->fd, buf, 4096, 0), 4096);
	assert_int_equal(device_of(disk).uncertain, 0);
	assert_int_equal(pwrite(disk->fd, buf, 4096, (uint64_t)BPFSNAP_PAGE_BLOCKS << BLOCK_SHIFT), 4096);
	dev = device_of(disk);
	assert_int_equal(dev.uncertain, BPFSNAP_UNCERTAIN_RANGE);
	assert_int_equal(dev.doubts[BPFSNAP_DOUBT_RANGE].epoch, 9);
	assert_true(dev.doubts[BPFSNAP_DOUBT_RANGE].count >= 1);
	assert_true(dev.doubts[BPFSNAP_DOUBT_RANGE].boot_ns > 0);
	close(disk->fd);
	untrack(disk);
}

/* A write while the disk has another size than its map. */
static void says_that_the_size_is_another(struct disk *disk)
{
	static char buf[4096] __attribute__((aligned(4096)));
	unsigned int slot = SLOT;
	struct bpfsnap_device dev;

	track(disk, NR_BLK, QUEUE);
	dev = device_of(disk);
	dev.nr_sect += 8;
	put_value(disk->skel->maps.devices, slot, &dev);
	disk->fd = open(disk->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	assert_int_equal(pwrite(disk->fd, buf, 4096, 0), 4096);
	assert_int_equal(device_of(disk).uncertain, BPFSNAP_UNCERTAIN_SIZE);
	close(disk->fd);
	untrack(disk);
}

/* The bytes of this process, under its own cgroup; rows that are taken make way for no one. */
static void tells_who_writes(struct disk *disk)
{
	static char buf[65536] __attribute__((aligned(4096)));
	static struct bpfsnap_writers all, full;
	unsigned int slot = SLOT;
	uint64_t bytes = 0;
	int fd;

	track(disk, NR_BLK, QUEUE);
	fd = bpf_map__fd(disk->skel->maps.writers);
	disk->fd = open(disk->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	for (int i = 0; i < 10; i++)
		assert_int_equal(pwrite(disk->fd, buf, sizeof(buf), i << 20), sizeof(buf));
	assert_int_equal(bpf_map_lookup_elem(fd, &slot, &all), 0);
	for (int i = 0; i < BPFSNAP_WRITER_ROWS; i++)
		bytes += all.row[i].bytes;
	assert_int_equal(bytes + all.other.bytes, 10 * sizeof(buf));
	assert_int_equal(all.other.bytes, 0);

	for (int i = 0; i < BPFSNAP_WRITER_ROWS; i++)
		full.row[i].cgroup = 1ull << 60 | (unsigned int)i;
	assert_int_equal(bpf_map_update_elem(fd, &slot, &full, 0), 0);
	assert_int_equal(pwrite(disk->fd, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(bpf_map_lookup_elem(fd, &slot, &all), 0);
	assert_int_equal(all.other.bytes, sizeof(buf));
	assert_int_equal(all.other.bios, 1);
	close(disk->fd);
	untrack(disk);
}

static void run(int (*get)(struct disk *), void (*put)(struct disk *))
{
	static struct disk disk;

	if (get(&disk)) {
		print_message("this kernel has no such disk to give\n");
		skip();
	}
	marks_what_is_written(&disk, ALL);
	marks_what_is_written(&disk, QUEUE);
	marks_what_is_written(&disk, AGAIN);
	if (disk.takes_requests)
		marks_what_is_written(&disk, ISSUE);
	says_what_it_cannot_mark(&disk);
	says_that_the_size_is_another(&disk);
	tells_who_writes(&disk);
	put(&disk);
}

static void on_zram(void **unused)
{
	run(zram_open, zram_close);
}

static void on_loop(void **unused)
{
	run(loop_open, loop_close);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_zram),
		cmocka_unit_test(on_loop),
	};

	if (geteuid() || access("/sys/kernel/btf/vmlinux", R_OK)) {
		puts("1..0 # SKIP bpf needs root and a kernel with BTF");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
