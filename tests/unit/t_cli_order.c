// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is everything on disk before something that relies on it?  The calls that order
 * it are traced, with the names of the files; a power cut between any two of them
 * must find an image that is right, or one that says that it is not.
 */
#include "t_cli_run.h"
#include <sys/file.h>

enum { TRACE_BYTES = 8192 };

static char *trace;	/* shared with the run, a process of its own */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_fallocate(int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t length);
ssize_t __real_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __real_write(int fd, const void *data, size_t length);
ssize_t __wrap_write(int fd, const void *data, size_t length);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

/* The name within the directory, "." for itself, without what mkostemp() chose. */
static const char *short_name(const char *path)
{
	static char name[256];
	size_t dir = strlen(fake->dir);
	char *random;

	if (strncmp(path, fake->dir, dir))
		return NULL;
	snprintf(name, sizeof(name), "%s", path[dir] ? path + dir + 1 : ".");
	random = strstr(name, ".part.") ?: strstr(name, ".json.") ?: strstr(name, ".sums.");
	if (random)
		random[6] = 0;
	return name;
}

static void note(const char *what, const char *path)
{
	const char *name = short_name(path);
	char line[300];
	size_t have = strlen(trace), length;

	if (!name || !strcmp(name, "stdout") || !strcmp(name, "stderr"))
		return;
	if (!strcmp(name, "image") && strcmp(what, "direct"))	/* the fake daemon's own */
		return;
	length = snprintf(line, sizeof(line), "%s %s\n", what, name);
	/* many writes are one */
	if (have >= length && !strcmp(trace + have - length, line))
		return;
	assert_true(have + length < TRACE_BYTES);
	strcpy(trace + have, line);
}

static void note_fd(const char *what, int fd)
{
	char path[64], name[256] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, name, sizeof(name) - 1) > 0)
		note(what, name);
}

int __wrap_fsync(int fd)
{
	note_fd("sync", fd);
	return __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
	note("rename", from);
	return __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
	note("unlink", path);
	return __real_unlink(path);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t length)
{
	note_fd("write", fd);
	return __real_fallocate(fd, mode, offset, length);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset)
{
	note_fd("write", fd);
	return __real_pwrite(fd, data, length, offset);
}

ssize_t __wrap_write(int fd, const void *data, size_t length)
{
	note_fd("write", fd);
	return __real_write(fd, data, length);
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, int) : 0;
	va_end(ap);
	if (flags & O_DIRECT)
		note("direct", path);
	return __real_open(path, flags, mode);
}

#define traced(...)	(trace[0] = 0, run(__VA_ARGS__))

static const char sidecar_goes[] =
	"unlink b.bpfsnap.json\n"
	"sync .\n";
static const char sidecar_comes[] =
	"write b.bpfsnap.json.\n"
	"sync b.bpfsnap.json.\n"
	"rename b.bpfsnap.json.\n"
	"sync .\n";

static const char sums_come[] =
	"sync b.bpfsnap.sums.\n"
	"rename b.bpfsnap.sums.\n"
	"sync .\n";

/* The new image is on disk before it replaces the old one, whose sidecar is gone by then. */
static void full_replaces_in_order(void **state)
{
	char expected[1024];

	(void)state;
	fake_write(100000, 5000, 'x');
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b")), 0);
	assert_int_equal(traced("backup", "/dev/fake0", fake_path("b"), "--verify"), 0);
	snprintf(expected, sizeof(expected),
		 "direct image\n"
		 "write b.part.\n"
		 "sync b.part.\n"
		 "direct b.part.\n"
		 "%s"
		 "rename b.part.\n"
		 "sync .\n"
		 "%s%s", sidecar_goes, sums_come, sidecar_comes);
	assert_string_equal(trace, expected);
}

/* A first one has nothing to lose; a failed one takes its empty file along. */
static void first_full_leaves_nothing(void **state)
{
	(void)state;
	strcpy(fake->image_error, "storage full");
	assert_int_equal(traced("backup", "/dev/fake0", fake_path("b")), 7);
	assert_string_equal(trace, "unlink b.part.\nunlink b\n");
}

/* "patching" is on disk before the first write, and the last one before "complete". */
static void update_says_patching_first(void **state)
{
	char expected[1024];

	(void)state;
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b")), 0);
	fake_write(100000, 5000, 'x');
	assert_int_equal(traced("backup", "/dev/fake0", fake_path("b"), "--since", "image",
				"--verify"), 0);
	snprintf(expected, sizeof(expected),
		 "direct image\n"
		 "%s"
		 "write b\n"
		 "sync b\n"
		 "direct b\n"
		 "%s%s", sidecar_comes, sums_come, sidecar_comes);
	assert_string_equal(trace, expected);
}

/* What is compared has been written, and comes from the disk. */
static void restore_reads_the_disk(void **state)
{
	(void)state;
	fake_write(100000, 5000, 'x');
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b")), 0);
	close(open(fake_path("target"), O_WRONLY | O_CREAT, 0600));
	assert_int_equal(traced("restore", fake_path("b"), fake_path("target")), 0);
	assert_string_equal(trace, "write target\nsync target\ndirect target\n");
}

static int start(void **state)
{
	trace = mmap(NULL, TRACE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return trace == MAP_FAILED ? -1 : fake_start(state);
}

static int stop(void **state)
{
	munmap(trace, TRACE_BYTES);
	return fake_stop(state);
}

int main(void)
{
#define with_fake(f)	cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		with_fake(full_replaces_in_order),
		with_fake(first_full_leaves_nothing),
		with_fake(update_says_patching_first),
		with_fake(restore_reads_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
