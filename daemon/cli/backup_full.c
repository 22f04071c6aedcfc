// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is a full backup made?
 *
 * Into a file of another name beside the image, so that an older image stays
 * whole until the new one is safe on disk.  The order at the end: the old
 * sidecar goes (it must never describe the new image: a later "since" than the
 * image's would lose changes), the new image takes the name, its sidecar follows.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "backup.h"
#include "copy.h"
#include "signals.h"

static void unlinkp(char **path)
{
	if (*path && unlink(*path) && errno != ENOENT)
		cli_warn("%s is left over: %s", *path, strerror(errno));
	free(*path);
}

/* Names of ids and devices fit, or the daemon is not to be trusted. */
static int fill_sidecar(const struct backup *backup, struct sidecar *ret)
{
	const struct backup_snapshot *snapshot = &backup->snapshot;
	struct sidecar sidecar = {
		.size_bytes = snapshot->size_bytes,
		.since = snapshot->since,
		.state = SIDECAR_COMPLETE,
		.created_ns = snapshot->created_ns,
	};

	if (strlen(snapshot->device) >= sizeof(sidecar.device) ||
	    strlen(snapshot->generation) >= sizeof(sidecar.generation) ||
	    strlen(snapshot->id) >= sizeof(sidecar.snapshot))
		return -ENAMETOOLONG;
	strcpy(sidecar.device, snapshot->device);
	strcpy(sidecar.generation, snapshot->generation);
	strcpy(sidecar.snapshot, snapshot->id);
	*ret = sidecar;
	return 0;
}

static int create_part(struct backup *backup, const struct stat *old, char **ret_path, int *ret_fd)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s.part.XXXXXX", backup->path) < 0)
		return cli_fail_errno(backup->cli, -ENOMEM, "create", backup->path);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		free(path);
		return cli_fail_errno(backup->cli, -errno, "create a file beside", backup->path);
	}
	*ret_path = path;
	*ret_fd = fd;
	/* locked from its birth until the sidecar is there too */
	if (flock(fd, LOCK_EX | LOCK_NB))
		return cli_fail_errno(backup->cli, -errno, "lock", path);
	if (old && (fchown(fd, old->st_uid, old->st_gid) || fchmod(fd, old->st_mode & 07777)))
		cli_warn("%s: can't keep the owner of the old image: %s", path, strerror(errno));
	return 0;
}

static int fill_part(struct backup *backup, int source_fd, int part_fd)
{
	struct copy copy = { .progress = backup_progress, .data = backup };
	uint64_t size_bytes = backup->snapshot.size_bytes;
	int r;

	if (ftruncate(part_fd, size_bytes))
		return backup_fail_copy(backup, -errno, "copy");
	progress_start(&backup->progress, "copy", size_bytes);
	r = copy_new(&copy, source_fd, part_fd, 0, size_bytes);
	if (r == 0 && fsync(part_fd))
		r = -errno;
	progress_end(&backup->progress);
	backup->copied_bytes = copy.written_bytes;
	backup->changed_bytes = size_bytes;
	return r < 0 ? backup_fail_copy(backup, r, "copy") : 0;
}

static int publish(struct backup *backup, const char *part, bool replace)
{
	struct cli *cli = backup->cli;
	struct sidecar sidecar;
	int r;

	r = fill_sidecar(backup, &sidecar);
	if (r == 0)
		r = sidecar_remove(backup->path);
	if (r < 0)
		return cli_fail_errno(cli, r, "replace the sidecar of", backup->path);
	r = renameat2(AT_FDCWD, part, AT_FDCWD, backup->path, replace ? 0 : RENAME_NOREPLACE);
	if (r && errno == EINVAL)	/* a filesystem without NOREPLACE */
		r = rename(part, backup->path);
	if (r && errno == EEXIST) {
		struct json_object *members = json_object_new_object();

		member_add_string(members, "path", backup->path);
		return cli_fail(cli, "ImageBusy", members, "%s was made by another run meanwhile",
				backup->path);
	}
	if (r)
		return cli_fail_errno(cli, -errno, "rename a file to", backup->path);
	r = sync_directory_of(backup->path);
	if (r == 0)
		r = sidecar_write(backup->path, &sidecar);
	return r < 0 ? cli_fail_errno(cli, r, "write the sidecar of", backup->path) : 0;
}

int backup_full(struct backup *backup)
{
	_cleanup_close_ int old_fd = -1, source_fd = -1, part_fd = -1;
	_cleanup_(unlinkp) char *part = NULL;
	struct stat old;
	int r;

	r = backup_lock_image(backup->cli, backup->path, O_RDONLY, true, &old_fd);
	if (r < 0 && r != -ENOENT)
		return r;
	if (old_fd >= 0 && fstat(old_fd, &old))
		return cli_fail_errno(backup->cli, -errno, "stat", backup->path);
	/* made before the snapshot: a directory that can't be written is found for free */
	r = create_part(backup, old_fd >= 0 ? &old : NULL, &part, &part_fd);
	if (r == 0)
		r = backup_take_snapshot(backup);
	if (r < 0)
		return r;
	if (signals_caught())
		return backup_fail_copy(backup, -EINTR, "copy");
	backup->uncertain = backup->snapshot.uncertain;
	if (backup->uncertain)
		cli_warn("%s: tracking is uncertain, this image can't be updated later: %s",
			 backup->snapshot.device,
			 backup->snapshot.reason ?: "no reason given");
	r = backup_open_source(backup, &source_fd);
	if (r == 0)
		r = fill_part(backup, source_fd, part_fd);
	if (r == 0 && backup->verify)
		r = backup_verify(backup, source_fd, part, part_fd);
	if (r == 0)
		r = publish(backup, part, old_fd >= 0);
	return r;
}
