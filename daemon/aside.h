/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How is room set aside for old content on a filesystem?
 *
 * As a file with a name: one without would be an orphan in the image, which a check of
 * its filesystem complains of.  The module keeps it from being removed as long as the
 * snapshot is held, so its name is remembered, for whichever daemon comes then.
 */
#ifndef BPFSNAP_ASIDE_H
#define BPFSNAP_ASIDE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * aside_create - a file of zeros, whose blocks are all there
 * @dir: where
 * @id: of the snapshot that it is for
 *
 * Return: its descriptor or -errno; -EOPNOTSUPP where blocks of files may move,
 * -ESTALE if @dir has no name here.
 */
int aside_create(const char *dir, const uint8_t id[16], uint64_t len_bytes);

/** aside_is_there - was something set aside for the snapshot @id? */
bool aside_is_there(const uint8_t id[16]);

/** aside_clean - remove the files of snapshots that are not held any more */
void aside_clean(void);

#endif /* BPFSNAP_ASIDE_H */
