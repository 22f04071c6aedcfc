/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How does the content of a snapshot become a backup image?
 *
 * The law of an incremental backup: the image, as it is, differs from the new
 * snapshot only in blocks marked later than "since".  So "since" must be no
 * later than what the sidecar says, and no later than the new snapshot; and
 * the change list must be read after the snapshot was taken.
 */
#ifndef _BPFSNAP_CLI_BACKUP_H
#define _BPFSNAP_CLI_BACKUP_H

#include "changes.h"
#include "cli.h"
#include "output.h"
#include "sidecar.h"
#include "sums.h"

struct receive;

/**
 * struct backup_snapshot - the device of a snapshot that is copied
 * @id: of the snapshot; NULL: none
 * @device: kernel's name
 * @image: path of the image device
 * @disk_offset_bytes, @size_bytes: which bytes of its disk it is
 * @generation, @since: of the device, see the interface
 * @reason: why tracking is uncertain, or NULL
 * @uncertain: whether it is
 * @ours: made by this run, and destroyed by it
 */
struct backup_snapshot {
	char *id;
	char *device;
	char *image;
	char *generation;
	char *reason;
	uint64_t disk_offset_bytes;
	uint64_t size_bytes;
	uint64_t since;
	uint64_t created_ns;
	bool uncertain;
	bool ours;
};

/**
 * struct backup - one run
 * @device: what the user calls it
 * @path: of the backup image
 * @since: "image", an epoch or a checkpoint; NULL: full backup
 * @snapshot_id: use this one; NULL: make one
 * @storage, @checkpoint: for CreateSnapshot, or NULL
 * @keep: don't destroy the snapshot
 * @verify: compare all bytes afterwards
 * @accept_uncertain: patch with an uncertain list
 * @resume: keep what an interrupted run has copied, and go on from what one has kept
 * @jobs: pieces that are worked on at once
 * @snapshot: the one used
 * @sums: checksums of the image, once it is made
 * @stream_fd: where to, if @path is "-"
 * @receive, @fill_part: what comes from a stream in place of a snapshot, and fills the
 *             file that becomes the image; or NULL
 * @changed_bytes, @copied_bytes: results
 * @uncertain: result
 * @image_uncertain: result: this or an earlier update was made from an uncertain list
 * @verified: result
 * @kept_bytes: result: an earlier run had copied so many
 */
struct backup {
	struct cli *cli;
	const char *device;
	const char *path;
	const char *since;
	const char *snapshot_id;
	const char *storage;
	const char *checkpoint;
	bool keep;
	bool verify;
	bool accept_uncertain;
	bool resume;
	unsigned int jobs;
	struct backup_snapshot snapshot;
	struct sums sums;
	int stream_fd;
	struct receive *receive;
	int (*fill_part)(struct backup *backup, int part_fd);
	struct progress progress;
	uint64_t changed_bytes;
	uint64_t copied_bytes;
	bool uncertain;
	bool image_uncertain;
	bool verified;
	uint64_t kept_bytes;
};

/* Runs it: 0, or -ECANCELED after having told why.  backup_done() in any case. */
int backup_run(struct backup *backup);
void backup_done(struct backup *backup);

/* backup_snapshot.c: get the snapshot, and give it back. */
int backup_take_snapshot(struct backup *backup);
int backup_drop_snapshot(struct backup *backup, bool failed);

/* backup_resume.c: what is left of an earlier run, and what is left for a later one. */

/* What is copied between two notes: whole chunks of checksums.  Tests take less. */
extern uint64_t backup_segment_bytes;

/* Opens and locks IMAGE.part, with its sidecar or, without a good one, empty. */
int backup_open_part(struct backup *backup, char **ret_path, int *ret_fd, struct sidecar *ret_sidecar);

/* Fills it from where it stands, and notes from time to time where that is. */
int backup_fill_resumed(struct backup *backup, const char *part, int source_fd, int part_fd,
			struct sidecar *sidecar);

/* backup_full.c, backup_patch.c: from the open snapshot image to the file. */
int backup_full(struct backup *backup);
int backup_patch(struct backup *backup);

/* What a sidecar says of the snapshot: 0 or -ENAMETOOLONG. */
int backup_fill_sidecar(const struct backup *backup, struct sidecar *ret);

/* backup_patch.c: an existing image, locked, with its sidecar: 0 or -ECANCELED. */
int backup_open_image(struct backup *backup, int *ret_fd, struct sidecar *ret_sidecar);

/* Whether the device is still the one in the image: 0 or -ECANCELED. */
int backup_check_device(struct backup *backup, const struct sidecar *sidecar, const char *device,
			const char *generation, uint64_t disk_offset_bytes, uint64_t size_bytes);

/*
 * Takes the checksums of what was patched anew, and writes them.  @before: the snapshot that
 * the image was of, "" if it was half patched.  0 or -ECANCELED.
 */
int backup_renew_sums(struct backup *backup, const struct sidecar *sidecar, const char *before,
		      const struct changes *changes, int image_fd);

/* Is the snapshot still there, and its image of the name that it had? */
int backup_check_snapshot(struct backup *backup);

/*
 * Opens the snapshot's image, and checks that it is the snapshot's: a name can have
 * been given to another image before, but not after it was opened.
 */
int backup_open_source(struct backup *backup, int *ret_fd);

/* Writes the checksums that lie beside the image: 0, or -ECANCELED. */
int backup_write_sums(struct backup *backup);

/* For struct copy: shows progress, and returns -EINTR after a signal. */
int backup_progress(void *backup, uint64_t done_bytes);

/* Tells what became of reading or writing. */
int backup_fail_copy(struct backup *backup, int r, const char *doing);

/* Compares the snapshot's image with the file: 0, or -ECANCELED. */
int backup_verify(struct backup *backup, int source_fd, const char *path, int file_fd);

/*
 * Opens and locks an existing image; -ENOENT is returned silently, anything
 * else is told.
 */
int backup_lock_image(struct cli *cli, const char *path, int flags, bool exclusive, int *ret_fd);

#endif /* _BPFSNAP_CLI_BACKUP_H */
