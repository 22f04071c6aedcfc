// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do the tracking programs mark what is written, on this machine's own kernel?
 * Without the module: only on_queue runs.  Disks are zram and loop; what the
 * kernel does not have is skipped, and said.  Each test compares the marks with
 * a shadow that the test keeps itself.
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

enum { DISK_BYTES = 256 << 20, BLOCK_SHIFT = 16, NR_BLK = DISK_BYTES >> BLOCK_SHIFT };

struct disk {
	char path[64];
	int fd;
	int control;		/* loop: the backing file */
	unsigned int key;
	int pages;
	struct track_bpf *skel;
	unsigned char shadow[NR_BLK];
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
	return 0;
}

static void zram_close(struct disk *disk)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/reset", disk->path + 5);
	write_text(path, "1");
	write_text("/sys/class/zram-control/hot_remove", disk->path + strlen("/dev/zram"));
}

static int loop_open(struct disk *disk)
{
	char file[] = "/tmp/t_track.XXXXXX";
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int n = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE), fd;

	if (control >= 0)
		close(control);
	if (n < 0)
		return -ENODEV;
	snprintf(disk->path, sizeof(disk->path), "/dev/loop%d", n);
	disk->control = mkostemp(file, O_CLOEXEC);
	unlink(file);
	if (disk->control < 0 || ftruncate(disk->control, DISK_BYTES))
		return -errno;
	fd = open(disk->path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_SET_FD, disk->control))
		return -ENODEV;
	close(fd);
	return 0;
}

static void loop_close(struct disk *disk)
{
	int fd = open(disk->path, O_RDWR | O_CLOEXEC);

	ioctl(fd, LOOP_CLR_FD);
	close(fd);
	close(disk->control);
}

static void track(struct disk *disk, unsigned int nr_blk)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	struct bpfsnap_device dev = { .nr_blk = nr_blk, .block_shift = BLOCK_SHIFT, .first_epoch = 1 };
	struct bpfsnap_state state = { .abi = BPFSNAP_TRACK_ABI, .epoch = 1 };
	struct track_bpf *skel = track_bpf__open();
	unsigned int zero = 0, nr_pages = (nr_blk + BPFSNAP_PAGE_BLOCKS - 1) / BPFSNAP_PAGE_BLOCKS;
	struct stat st;

	assert_non_null(skel);
	bpf_program__set_autoload(skel->progs.on_write, false);
	bpf_program__set_autoload(skel->progs.on_switch, false);
	assert_int_equal(track_bpf__load(skel), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.state), &zero, &state, 0), 0);
	assert_int_equal(stat(disk->path, &st), 0);
	disk->key = major(st.st_rdev) << 20 | minor(st.st_rdev);
	disk->pages = bpf_map_create(BPF_MAP_TYPE_ARRAY, "marks", 4, sizeof(struct bpfsnap_page),
				     nr_pages, &opts);
	assert_true(disk->pages >= 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.devices), &disk->key, &dev, 0), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.marks), &disk->key, &disk->pages, 0), 0);
	skel->links.on_queue = bpf_program__attach(skel->progs.on_queue);
	assert_non_null(skel->links.on_queue);
	disk->skel = skel;
}

static struct bpfsnap_device device_of(struct disk *disk)
{
	struct bpfsnap_device dev;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(disk->skel->maps.devices), &disk->key, &dev), 0);
	return dev;
}

static void set_epoch(struct disk *disk, unsigned int epoch)
{
	struct bpfsnap_state state = { .abi = BPFSNAP_TRACK_ABI, .epoch = epoch };
	unsigned int zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(disk->skel->maps.state), &zero, &state, 0), 0);
}

static void untrack(struct disk *disk)
{
	track_bpf__destroy(disk->skel);
	close(disk->pages);
}

static void shadow(struct disk *disk, uint64_t offset, uint64_t bytes, unsigned char epoch)
{
	for (uint64_t blk = offset >> BLOCK_SHIFT; blk <= (offset + bytes - 1) >> BLOCK_SHIFT; blk++)
		disk->shadow[blk] = epoch;
}

/* Every mark that must be there is, and no other. */
static void assert_marks(struct disk *disk)
{
	struct bpfsnap_page page;

	for (unsigned int blk = 0; blk < NR_BLK; blk++) {
		unsigned int key = blk / BPFSNAP_PAGE_BLOCKS;

		if (blk % BPFSNAP_PAGE_BLOCKS == 0)
			assert_int_equal(bpf_map_lookup_elem(disk->pages, &key, &page), 0);
		if (page.epoch[blk % BPFSNAP_PAGE_BLOCKS] != disk->shadow[blk])
			fail_msg("%s: block %u is marked %u, should be %u", disk->path, blk,
				 page.epoch[blk % BPFSNAP_PAGE_BLOCKS], disk->shadow[blk]);
	}
}

static void store(struct disk *disk, void *buf, uint64_t offset, size_t bytes, unsigned char epoch)
{
	assert_int_equal(pwrite(disk->fd, buf, bytes, offset), bytes);
	shadow(disk, offset, bytes, epoch);
}

static void marks_what_is_written(struct disk *disk)
{
	unsigned int seed = time(NULL), state = seed;
	uint64_t range[2];
	void *buf = NULL;

	print_message("seed %u\n", seed);
	memset(disk->shadow, 0, sizeof(disk->shadow));
	track(disk, NR_BLK);
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
	}
	assert_marks(disk);

	set_epoch(disk, 4);
	range[0] = 3 << 16;
	range[1] = 100 << 20;
	if (!ioctl(disk->fd, BLKDISCARD, range))
		shadow(disk, range[0], range[1], 4);
	range[0] = (120 << 20) + 4096;
	range[1] = 70 << 20;
	if (!ioctl(disk->fd, BLKZEROOUT, range))
		shadow(disk, range[0], range[1], 4);
	assert_marks(disk);
	assert_int_equal(device_of(disk).uncertain, 0);
	assert_true(device_of(disk).queue_bios >= 300);
	assert_true(device_of(disk).discard_sect > 0);

	free(buf);
	close(disk->fd);
	untrack(disk);
}

/* A disk that grew: what lies past the map can't be marked, and that is said. */
static void says_what_it_cannot_mark(struct disk *disk)
{
	static char buf[65536] __attribute__((aligned(4096)));

	track(disk, BPFSNAP_PAGE_BLOCKS);
	disk->fd = open(disk->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	assert_int_equal(pwrite(disk->fd, buf, 4096, 0), 4096);
	assert_int_equal(device_of(disk).uncertain, 0);
	assert_int_equal(pwrite(disk->fd, buf, 4096, (uint64_t)BPFSNAP_PAGE_BLOCKS << BLOCK_SHIFT), 4096);
	assert_int_equal(device_of(disk).uncertain, BPFSNAP_UNCERTAIN_RANGE);
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
	marks_what_is_written(&disk);
	says_what_it_cannot_mark(&disk);
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
