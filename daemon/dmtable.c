// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is a device of the device mapper made of?
 */
#include "dmtable.h"

#include <string.h>

#include <libdevmapper.h>

#include "sysfs.h"

static void log_nothing(int level, const char *file, int line, int error_class, const char *format, ...)
{
}

static bool is_one_of(const char *kind, const char *const *kinds, size_t nr)
{
	for (size_t i = 0; kind && i < nr; i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

static bool has_table_of(struct dm_task *task, const char *const *kinds, size_t nr)
{
	void *next = NULL;

	do {
		char *kind = NULL, *params;
		uint64_t start, nr_sect;

		next = dm_get_next_target(task, next, &start, &nr_sect, &kind, &params);
		if (!is_one_of(kind, kinds, nr))
			return false;
	} while (next);
	return true;
}

bool dmtable_is_of(uint32_t disk_key, const char *const *kinds, size_t nr)
{
	struct dm_task *task;
	bool is_right;

	dm_log_with_errno_init(log_nothing);
	task = dm_task_create(DM_DEVICE_TABLE);
	if (!task)
		return false;
	is_right = dm_task_set_major(task, (int)key_major(disk_key)) &&
		   dm_task_set_minor(task, (int)key_minor(disk_key)) && dm_task_run(task) &&
		   has_table_of(task, kinds, nr);
	dm_task_destroy(task);
	return is_right;
}
