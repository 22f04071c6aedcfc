/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can go wrong while a backup is made?  Faults, at calls between files of the
 * command (ld --wrap), and short names for the runs that meet them.
 */
#ifndef _T_CLI_FAULTS_H
#define _T_CLI_FAULTS_H

#include "t_cli_run.h"
#include <sys/file.h>

#include "copy.h"
#include "sidecar.h"

static enum { NO_FAULT, KILL_COMPLETE, KILL_PATCH, TERM_COPY, LATE_WRITE,
	      LATE_WRITE_TERM, RACE_LOCK, RACE_NAME, SPOIL_TARGET,
	      SWAP_IMAGE, RECREATE } fault;
static int patches;

int __real_sidecar_write(const char *image_path, const struct sidecar *sidecar);
int __wrap_sidecar_write(const char *image_path, const struct sidecar *sidecar);
int __real_copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __wrap_copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __real_copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __wrap_copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);

int __real_copy_expand(struct copy *copy, int from_fd, int to_fd, uint64_t size);
int __wrap_copy_expand(struct copy *copy, int from_fd, int to_fd, uint64_t size);
int __real_copy_open(const char *path, int flags, int *ret_fd, uint64_t *ret_size_bytes);
int __wrap_copy_open(const char *path, int flags, int *ret_fd, uint64_t *ret_size_bytes);
int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

int __wrap_sidecar_write(const char *image_path, const struct sidecar *sidecar)
{
	if (fault == KILL_COMPLETE && sidecar->state == SIDECAR_COMPLETE)
		raise(SIGKILL);
	return __real_sidecar_write(image_path, sidecar);
}

int __wrap_copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length)
{
	if (fault == KILL_PATCH && ++patches == 2)
		raise(SIGKILL);
	if (fault == TERM_COPY)
		raise(SIGTERM);
	if (fault == LATE_WRITE_TERM)
		raise(SIGTERM);
	if (fault == LATE_WRITE || fault == LATE_WRITE_TERM)	/* what the change list lacks */
		return 0;
	return __real_copy_patch(copy, from_fd, to_fd, offset, length);
}

static bool name_is_locked(int part_fd);

int __wrap_copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length)
{
	if (!name_is_locked(to_fd))
		raise(SIGABRT);
	if (fault == TERM_COPY)
		raise(SIGTERM);
	return __real_copy_new(copy, from_fd, to_fd, offset, length);
}

/* Is the name of the image locked that a part is to become? */
static bool name_is_locked(int part_fd)
{
	char path[64], name[256] = "";
	bool locked;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", part_fd);
	if (readlink(path, name, sizeof(name) - 1) <= 0)
		return false;
	strstr(name, ".part.")[0] = 0;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	locked = fd >= 0 && __real_flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

	close(fd);
	return locked;
}

/* Another run replaces the image, or gives the name away, just before we lock it. */
int __wrap_flock(int fd, int operation)
{
	char path[64], name[256] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, name, sizeof(name) - 1) > 0 && !strcmp(name, fake_path("b")) &&
	    (fault == RACE_LOCK || fault == RACE_NAME)) {
		if (fault == RACE_LOCK && rename(fake_path("other"), fake_path("b")))
			abort();
		if (fault == RACE_NAME)
			unlink(fake_path("b"));
		fault = NO_FAULT;
	}
	return __real_flock(fd, operation);
}

int __wrap_copy_expand(struct copy *copy, int from_fd, int to_fd, uint64_t size)
{
	int r = __real_copy_expand(copy, from_fd, to_fd, size);

	if (fault == SPOIL_TARGET && pwrite(to_fd, "!", 1, size / 2) != 1)
		abort();
	return r;
}

/* Meanwhile other clients are at work. */
int __wrap_copy_open(const char *path, int flags, int *ret_fd, uint64_t *ret_size_bytes)
{
	int r = __real_copy_open(path, flags, ret_fd, ret_size_bytes);

	fake->swapped_image |= fault == SWAP_IMAGE;
	fake->recreated |= fault == RECREATE;
	return r;
}

static inline int start(void **state)
{
	fault = NO_FAULT;
	return fake_start(state);
}

static inline struct sidecar read_sidecar(void)
{
	struct sidecar sidecar;
	const char *reason;

	assert_int_equal(sidecar_read(fake_path("b"), &sidecar, &reason), 0);
	return sidecar;
}

static inline int full(void)
{
	return run("backup", "/dev/fake0", fake_path("b"), "--json", "--verify");
}

static inline int incremental(void)
{
	return run("backup", "/dev/fake0", fake_path("b"), "--since", "image", "--json");
}

static inline int count_files(const char *pattern)
{
	char command[256], text[32] = "";
	FILE *f;

	snprintf(command, sizeof(command), "ls %s | grep -c -- '%s'", fake->dir, pattern);
	f = popen(command, "r");
	assert_non_null(fgets(text, sizeof(text), f));
	pclose(f);
	return atoi(text);
}

#endif /* _T_CLI_FAULTS_H */
