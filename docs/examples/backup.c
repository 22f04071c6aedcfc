// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * backup DEVICE FILE - copy a device to FILE, and from the second time on only what changed.
 *
 *   cc -o backup backup.c $(pkg-config --cflags --libs libbpfsnap)
 *
 * FILE.state remembers up to where FILE is good; it is written last, so that a backup that was
 * interrupted is made good by the next one.  Where there are no snapshots, because the kernel
 * module is missing, DEVICE itself is read: then it must not be written to meanwhile.
 * The snapshot has a lease: if this program is killed, the daemon destroys it.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libbpfsnap.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LEASE_S = 600 };

static struct bpfsnap *bpfsnap;
static struct bpfsnap_snapshot *snapshot;
static struct bpfsnap_error *error;

static void give_back(void)
{
	if (snapshot)
		bpfsnap_snapshot_destroy(bpfsnap, snapshot->snapshot, NULL);
}

static void fail(const char *what)
{
	errx(1, "%s: %s: %s", what, bpfsnap_error_name(error), bpfsnap_error_message(error));
}

/* Called between two pieces: often enough, and for most of them it does nothing. */
static void renew_lease(void)
{
	static time_t last;
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	if (!snapshot || now.tv_sec - last < LEASE_S / 4)
		return;
	last = now.tv_sec;
	/* A daemon that is just being restarted takes leases over. */
	if (bpfsnap_lease_renew(bpfsnap, snapshot->snapshot, 0, NULL, &error) < 0) {
		if (bpfsnap_error_reason(error) != BPFSNAP_REASON_UNREACHABLE)
			fail("lease");
		bpfsnap_error_free(error);
	}
}

static void copy(int from, int to, uint64_t offset, uint64_t length)
{
	static char buffer[1 << 20];

	while (length) {
		ssize_t n;

		renew_lease();
		n = pread(from, buffer, length < sizeof(buffer) ? length : sizeof(buffer), offset);
		if (n <= 0 || pwrite(to, buffer, n, offset) != n)
			err(1, "copying at %" PRIu64, offset);
		offset += n;
		length -= n;
	}
}

/* What changed, if FILE.state says since when, and tracking can tell.  -1: copy everything. */
static int64_t copy_changes(const char *device, const char *state, int from, int to)
{
	struct bpfsnap_changes_options options = BPFSNAP_INIT(options);
	struct bpfsnap_changes *changes;
	struct bpfsnap_extent extent;
	char generation[64];
	FILE *file = fopen(state, "r");
	int64_t copied = 0;
	int r;

	if (!file)
		return -1;
	r = fscanf(file, "%63s %" SCNu64, generation, &options.since);
	fclose(file);
	options.device = device;
	options.generation = generation;
	if (r != 2 || bpfsnap_changes_begin(bpfsnap, &options, &changes, NULL) < 0)
		return -1;	/* another history, or none */
	while ((r = bpfsnap_changes_next(changes, &extent, NULL)) > 0) {
		copy(from, to, extent.offset_bytes, extent.length_bytes);
		copied += extent.length_bytes;
	}
	if (r < 0 || bpfsnap_changes_info(changes)->is_uncertain)
		copied = -1;	/* only a look at the end tells */
	bpfsnap_changes_end(changes);
	return copied;
}

int main(int argc, char *argv[])
{
	struct bpfsnap_snapshot_options options = BPFSNAP_INIT(options);
	struct bpfsnap_boundary **boundaries = NULL;
	const char *const devices[] = { argv[1] }, *source = argv[1], *generation;
	char state[4096], new_state[4100];
	uint64_t since, size;
	int64_t copied;
	int from, to;
	FILE *file;

	if (argc != 3)
		errx(2, "usage: backup DEVICE FILE");
	if (bpfsnap_connect(NULL, &bpfsnap, &error) < 0)
		fail("connect");
	if (bpfsnap_device_attach(bpfsnap, argv[1], 0, NULL, &error) < 0 &&
	    bpfsnap_error_reason(error) != BPFSNAP_REASON_ALREADY_ATTACHED)
		fail(argv[1]);

	options.devices = devices;
	options.nr_devices = 1;
	options.lease_s = LEASE_S;
	if (bpfsnap_snapshot_create(bpfsnap, &options, &snapshot, &error) == 0) {
		atexit(give_back);
		source = snapshot->devices[0]->image;
		generation = snapshot->devices[0]->generation;
		since = snapshot->devices[0]->since;
	} else if (bpfsnap_error_reason(error) == BPFSNAP_REASON_MODULE_UNAVAILABLE) {
		if (bpfsnap_epoch_advance(bpfsnap, devices, 1, NULL, false, 0, &boundaries, &error) < 0)
			fail(argv[1]);
		generation = boundaries[0]->generation;
		since = boundaries[0]->since;
	} else {
		fail(argv[1]);
	}

	from = open(source, O_RDONLY | O_CLOEXEC);
	to = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (from < 0 || to < 0)
		err(1, "%s", from < 0 ? source : argv[2]);
	size = lseek(from, 0, SEEK_END);
	snprintf(state, sizeof(state), "%s.state", argv[2]);
	copied = (uint64_t)lseek(to, 0, SEEK_END) == size ? copy_changes(argv[1], state, from, to) : -1;
	if (copied < 0) {
		unlink(state);	/* till FILE is whole, it is nothing to build on */
		if (ftruncate(to, size) < 0)
			err(1, "%s", argv[2]);
		copy(from, to, 0, size);
	}
	printf("%s: %" PRIu64 " bytes\n", copied < 0 ? "full" : "incremental",
	       copied < 0 ? size : (uint64_t)copied);

	snprintf(new_state, sizeof(new_state), "%s.new", state);
	file = fopen(new_state, "w");
	if (fsync(to) < 0 || !file || fprintf(file, "%s %" PRIu64 "\n", generation, since) < 0 ||
	    fflush(file) != 0 || fsync(fileno(file)) < 0 || fclose(file) != 0 ||
	    rename(new_state, state) < 0)
		err(1, "%s", state);
	close(from);	/* else the snapshot is busy */
	return 0;
}
