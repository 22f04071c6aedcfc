// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is room set aside for old content on a filesystem?
 */
#include "aside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <uuid/uuid.h>

#include "cleanup.h"
#include "kctl.h"
#include "log.h"

/*
 * A symbolic link for each file: named like its snapshot, and after a dot its filesystem,
 * pointing to the file.
 */
#define RECORDS_DIR	"/var/lib/bpfsnap/aside"
#define FILE_PREFIX	".bpfsnap-"

enum {
	ZEROS_BYTES = 1 << 20,
	FS_TEXT_MAX = 17,
};

/* Which filesystem is mounted at @dir?  Return: 0 or -errno. */
static int filesystem_of(const char *dir, char *ret_text, size_t room)
{
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return -errno;
	snprintf(ret_text, room, "%08x%08x", (unsigned int)fs.f_fsid.__val[0],
		 (unsigned int)fs.f_fsid.__val[1]);
	return 0;
}

static int make_records_dir(void)
{
	if (mkdir("/var/lib/bpfsnap", 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mkdir(RECORDS_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Written in full: blocks that are only reserved could still move. */
static int write_zeros(int fd, uint64_t len_bytes)
{
	_cleanup_(freep) void *zeros = NULL;
	uint64_t done = 0;

	if (posix_memalign(&zeros, 4096, ZEROS_BYTES) != 0)
		return -ENOMEM;
	memset(zeros, 0, ZEROS_BYTES);
	/* Reserved at once, for few extents; not all filesystems can. */
	if (posix_fallocate(fd, 0, (off_t)len_bytes) == ENOSPC)
		return -ENOSPC;
	while (done < len_bytes) {
		uint64_t left_bytes = len_bytes - done;
		ssize_t n = pwrite(fd, zeros, left_bytes < ZEROS_BYTES ? left_bytes : ZEROS_BYTES,
				   (off_t)done);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (uint64_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int create_file(const char *path, uint64_t len_bytes)
{
	_cleanup_(closep) int fd = -1;
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, r;

	fd = open(path, flags | O_DIRECT, 0600);
	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags & ~O_EXCL, 0600);
	if (fd < 0)
		return -errno;
	r = write_zeros(fd, len_bytes);
	return r < 0 ? r : TAKE_FD(fd);
}

/* The module has the last word; but before it is asked, all has been written. */
static bool keeps_blocks(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) < 0 || fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC;
}

int aside_create(const char *dir, const uint8_t id[16], uint64_t len_bytes)
{
	char text[37], fs[FS_TEXT_MAX], where[PATH_MAX], path[PATH_MAX], record[PATH_MAX];
	struct stat asked, named;
	int r;

	/* It is found again by its name: not by one of ours in /proc, or one that may change. */
	if (!realpath(dir, where) || stat(dir, &asked) < 0 || stat(where, &named) < 0)
		return -errno;
	/* A name of another mount namespace, or below another mount, means something else here. */
	if (asked.st_dev != named.st_dev || asked.st_ino != named.st_ino)
		return -ESTALE;
	if (!keeps_blocks(where))
		return -EOPNOTSUPP;
	r = make_records_dir();
	if (r >= 0)
		r = filesystem_of(where, fs, sizeof(fs));
	if (r < 0)
		return r;
	uuid_unparse_lower(id, text);
	if (snprintf(path, sizeof(path), "%s/" FILE_PREFIX "%s", where, text) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	snprintf(record, sizeof(record), RECORDS_DIR "/%s.%s", text, fs);
	/* The record first: a file without one would stay for ever. */
	if (symlink(path, record) < 0)
		return -errno;
	r = create_file(path, len_bytes);
	if (r < 0) {
		unlink(path);
		unlink(record);
	}
	return r;
}

/* The snapshot that a record is about.  Return: is it one of ours? */
static bool parse_record(const char *name, char ret_text[37], const char **ret_fs)
{
	uuid_t id;

	if (strnlen(name, 38) < 38 || name[36] != '.')
		return false;
	memcpy(ret_text, name, 36);
	ret_text[36] = '\0';
	*ret_fs = name + 37;
	return uuid_parse(ret_text, id) == 0;
}

static bool is_held(const struct bpfsnap_snap_info *infos, size_t nr, const char *text)
{
	uuid_t id;

	if (uuid_parse(text, id) < 0)
		return true;
	for (size_t i = 0; i < nr; i++)
		if (memcmp(infos[i].id, id, sizeof(id)) == 0)
			return true;
	return false;
}

static void remove_file(const char *name, const char *text, const char *fs)
{
	char record[PATH_MAX], path[PATH_MAX], dir[PATH_MAX], there[FS_TEXT_MAX];
	char *slash;
	ssize_t len;

	snprintf(record, sizeof(record), RECORDS_DIR "/%s", name);
	len = readlink(record, path, sizeof(path) - 1);
	if (len < 0)
		return;
	path[len] = '\0';
	memcpy(dir, path, (size_t)len + 1);
	slash = strrchr(dir, '/');
	if (!slash || strncmp(slash + 1, FILE_PREFIX, strlen(FILE_PREFIX)) != 0 ||
	    strcmp(slash + 1 + strlen(FILE_PREFIX), text) != 0)
		return;
	slash[slash == dir] = '\0';
	/* Another one, or none, is mounted there: the file is on its own, for later. */
	if (filesystem_of(dir, there, sizeof(there)) < 0 || strcmp(there, fs) != 0)
		return;
	if (unlink(path) < 0 && errno != ENOENT) {
		log_warning("%s cannot be removed yet: %s", path, strerror(errno));
		return;
	}
	unlink(record);
}

bool aside_is_there(const uint8_t id[16])
{
	char wanted[37], text[37];
	const char *fs;
	struct dirent *entry;
	bool is_there = false;
	DIR *dir;

	uuid_unparse_lower(id, wanted);
	dir = opendir(RECORDS_DIR);
	while (dir && !is_there && (entry = readdir(dir)))
		is_there = parse_record(entry->d_name, text, &fs) && strcmp(text, wanted) == 0;
	if (dir)
		closedir(dir);
	return is_there;
}

void aside_clean(void)
{
	_cleanup_(freep) struct bpfsnap_snap_info *infos = NULL;
	struct dirent *entry;
	size_t nr = 0;
	DIR *dir;

	/* Without the module no snapshot is held; what it does not tell is held. */
	if (kctl_exists() && kctl_snapshots(&infos, &nr) < 0)
		return;
	dir = opendir(RECORDS_DIR);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		const char *fs;
		char text[37];

		if (parse_record(entry->d_name, text, &fs) && !is_held(infos, nr, text))
			remove_file(entry->d_name, text, fs);
	}
	closedir(dir);
}
