/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has changed on a device?  The daemon's change list, checked.
 */
#ifndef _BPFSNAP_CLI_CHANGES_H
#define _BPFSNAP_CLI_CHANGES_H

#include "cli.h"

/**
 * struct extent - changed bytes
 * @epoch: the last in which they changed, 0 if that was not asked for or is not known
 * @discarded: that change discarded or zeroed them
 */
struct extent {
	uint64_t offset_bytes;
	uint64_t length_bytes;
	uint64_t epoch;
	bool discarded;
};

/**
 * struct changes - a change list, or what is known of it so far
 * @device: kernel's name, or NULL before the first reply
 * @generation: of the device
 * @reason: why the list is uncertain, or NULL
 * @disk_offset_bytes: of the device on its disk
 * @size_bytes: of the device
 * @granularity_bytes: of tracking
 * @since: epoch that was asked for
 * @epoch: current one
 * @uncertain: one of the replies said so
 * @changed_bytes: sum of all extents
 * @end_bytes: end of the last extent
 * @next_bytes: where the list was cut, UINT64_MAX if at its end
 * @extents, @nr, @room: the list, in ascending order
 */
struct changes {
	char *device;
	char *generation;
	char *reason;
	uint64_t disk_offset_bytes;
	uint64_t size_bytes;
	uint64_t granularity_bytes;
	uint64_t since;
	uint64_t epoch;
	bool uncertain;
	uint64_t changed_bytes;
	uint64_t end_bytes;
	uint64_t next_bytes;
	struct extent *extents;
	size_t nr;
	size_t room;
};

void changes_done(struct changes *changes);

#define _cleanup_changes_	_cleanup_(changes_done)

/**
 * changes_query - ask for a change list
 * @parameters: of ListChanges, consumed
 * @stream: ask for the whole list, in pieces
 * @ret: initialised to zeros by the caller, who calls changes_done() in any case
 *
 * Return: 0, or -ECANCELED after having told why.
 */
int changes_query(struct cli *cli, struct json_object *parameters, bool stream,
		  struct changes *ret);

/* changes_format.c: the list in shapes that other tools know. */

/* As "qemu-img map --output=json" prints it, unchanged ranges as not present. */
void changes_print_map(const struct changes *changes);

/* As bmap-tools reads it, without checksums: "bmaptool copy" copies what has changed. */
void changes_print_bmap(const struct changes *changes);

#endif /* _BPFSNAP_CLI_CHANGES_H */
