/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What does a backup image know about itself?
 *
 * IMAGE.bpfsnap.json lies beside IMAGE.  It is replaced as a whole, and safe
 * on disk before the call returns.
 */
#ifndef _BPFSNAP_CLI_SIDECAR_H
#define _BPFSNAP_CLI_SIDECAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIDECAR_SUFFIX		".bpfsnap.json"

enum {
	SIDECAR_FORMAT		= 2,
	SIDECAR_MAX_BYTES	= 64 << 10,
	SIDECAR_NAME_BYTES	= 4096,		/* of a device, with the NUL */
	SIDECAR_ID_BYTES	= 128,		/* of a generation or snapshot, with the NUL */
};

enum sidecar_state {
	SIDECAR_COMPLETE,	/* the image shows the snapshot */
	SIDECAR_PATCHING,	/* a mix of the instant that @since ended and a later one */
	SIDECAR_COPYING,	/* the first @done_bytes are that; the rest is still to be copied */
};

/* Is a file the one that its sidecar was written for? */
enum sidecar_match {
	SIDECAR_SAME,		/* it is, and nobody has touched it since */
	SIDECAR_TOUCHED,	/* content of that time, but renamed, chmod, a copy that kept its times */
	SIDECAR_WRITTEN,	/* it is, but others have written to it */
	SIDECAR_FOREIGN,	/* another file, of another time */
};

/**
 * struct sidecar - what is known of an image
 * @device: whose content it is
 * @disk_offset_bytes: of the device on its disk
 * @size_bytes: of the device and of the image
 * @generation: history that @since belongs to
 * @since: epoch; blocks not marked later than it are right in the image
 * @snapshot: id of the snapshot it was made from, or is being made from
 * @state: see there
 * @done_bytes: of SIDECAR_COPYING; else 0
 * @created_ns: time of the snapshot, ns since 1970
 * @uncertain: made from change lists that may lack writes
 * @image_inode, @image_mtime_ns, @image_ctime_ns: of the image after the last write
 *            to it; without meaning while it is patched
 */
struct sidecar {
	char device[SIDECAR_NAME_BYTES];
	uint64_t disk_offset_bytes;
	uint64_t size_bytes;
	char generation[SIDECAR_ID_BYTES];
	uint32_t since;
	char snapshot[SIDECAR_ID_BYTES];
	enum sidecar_state state;
	uint64_t done_bytes;
	uint64_t created_ns;
	bool uncertain;
	uint64_t image_inode;
	uint64_t image_mtime_ns;
	uint64_t image_ctime_ns;
};

/**
 * sidecar_parse - read the text of a sidecar
 * @text: need not end with a NUL
 * @length_bytes: of @text
 * @ret: filled on success
 * @ret_reason: why it is no good, on failure
 *
 * Return: 0; -EBADMSG: no sidecar; -EPROTONOSUPPORT: one of a later format;
 * -ENOMEM.
 */
int sidecar_parse(const char *text, size_t length_bytes, struct sidecar *ret,
		  const char **ret_reason);

/* Path of an image's sidecar, to be freed; NULL without memory. */
char *sidecar_path(const char *image_path);

/* Reads an image's sidecar.  Errors as sidecar_parse(), and of open(2) and read(2). */
int sidecar_read(const char *image_path, struct sidecar *ret, const char **ret_reason);

/* Replaces an image's sidecar and waits until it is on disk: 0 or a negative errno. */
int sidecar_write(const char *image_path, const struct sidecar *sidecar);

/* Takes note of the image as it is, after the last write to it: 0 or a negative errno. */
int sidecar_identify(struct sidecar *sidecar, int image_fd);

/* Compares a file with that note: 0 or a negative errno. */
int sidecar_compare(const struct sidecar *sidecar, int image_fd, enum sidecar_match *ret);

/* Removes it and waits until that is on disk; 0 too if there is none. */
int sidecar_remove(const char *image_path);

/* Waits until the names in the directory of @path are on disk. */
int sync_directory_of(const char *path);

#endif /* _BPFSNAP_CLI_SIDECAR_H */
