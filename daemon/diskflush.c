// SPDX-License-Identifier: GPL-2.0-only
/*
 * How are a disk and what stands on it made to finish what they have taken?
 */
#include "diskflush.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libdevmapper.h>

#include "cleanup.h"
#include "log.h"
#include "methods.h"
#include "stack.h"
#include "sysfs.h"

static void log_dm(int level, const char *file, int line, int error_class, const char *format, ...)
{
	va_list ap;

	if ((level & 0x0f) > 4)	/* _LOG_WARN of the library */
		return;
	va_start(ap, format);
	log_linev(LOG_LEVEL_WARNING, format, ap);
	va_end(ap);
}

static struct dm_task *make_task(int type, uint32_t disk_key)
{
	struct dm_task *task = dm_task_create(type);

	if (!task)
		return NULL;
	dm_task_set_major(task, (int)key_major(disk_key));
	dm_task_set_minor(task, (int)key_minor(disk_key));
	return task;
}

static int run(struct dm_task *task)
{
	return dm_task_run(task) ? 0 : -(dm_task_get_errno(task) ?: EIO);
}

/* Only there to end a system call. */
static void on_alarm(int sig)
{
}

static void set_timer(unsigned int timeout_ms)
{
	const struct itimerval timer = {
		.it_value = { timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000 },
		/* Again, should it have come just before the call. */
		.it_interval = { timeout_ms ? 1 : 0, 0 },
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static int suspend_for_a_moment(struct dm_task *suspend, struct dm_task *resume,
				uint32_t disk_key, unsigned int timeout_ms)
{
	enum { RESUME_TRIES = 50, RESUME_WAIT_MS = 100 };
	int r;

	set_timer(timeout_ms);
	r = run(suspend);
	set_timer(0);
	if (r < 0)
		return r == -EINTR ? -ETIMEDOUT : r;	/* it goes on as before */
	for (int i = 0; i < RESUME_TRIES; i++) {
		r = run(resume);
		if (r >= 0)
			return 0;
		usleep(RESUME_WAIT_MS * 1000);
	}
	log_err("device-mapper device %u:%u was suspended to flush it and cannot be resumed (%s): use 'dmsetup resume'",
		key_major(disk_key), key_minor(disk_key), strerror(-r));
	return r;
}

static bool is_suspended(uint32_t disk_key)
{
	char text[8];

	return sysfs_string(disk_key, "dm/suspended", text, sizeof(text)) == 0 && text[0] == '1';
}

/*
 * The device may be the one that this program lives on: all that happens until it is
 * resumed is prepared before, and in memory.
 */
static int dm_flush(uint32_t disk_key, unsigned int timeout_ms, bool is_frozen)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	struct dm_task *suspend, *resume;
	struct sigaction before;
	int r = -ENOMEM;

	if (!sysfs_has(disk_key, "dm/name"))
		return 0;
	/* To suspend it once more would wait for nothing, and to resume it is not for us. */
	if (is_suspended(disk_key))
		return -EBUSY;
	dm_log_with_errno_init(log_dm);
	sigaction(SIGALRM, &action, &before);
	suspend = make_task(DM_DEVICE_SUSPEND, disk_key);
	resume = make_task(DM_DEVICE_RESUME, disk_key);
	if (suspend && is_frozen)
		dm_task_skip_lockfs(suspend);
	if (suspend && resume && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		r = -errno;
	else if (suspend && resume)
		r = suspend_for_a_moment(suspend, resume, disk_key, timeout_ms);
	munlockall();
	if (suspend)
		dm_task_destroy(suspend);
	if (resume)
		dm_task_destroy(resume);
	sigaction(SIGALRM, &before, NULL);
	return r;
}

/* md accounts what it has taken; it has no way of being told to finish it. */
static int md_await(uint32_t disk_key, unsigned int timeout_ms)
{
	enum { STEP_MS = 20 };
	unsigned long long reads, writes;
	char text[64];

	if (!sysfs_has(disk_key, "md/level"))
		return 0;
	for (unsigned int ms = 0; ms < timeout_ms; ms += STEP_MS) {
		if (sysfs_string(disk_key, "inflight", text, sizeof(text)) < 0 ||
		    sscanf(text, "%llu %llu", &reads, &writes) != 2)
			return -EOPNOTSUPP;
		if (writes == 0)
			return 0;
		usleep(STEP_MS * 1000);
	}
	return -ETIMEDOUT;
}

int disk_flush(uint32_t disk_key, unsigned int timeout_ms)
{
	_cleanup_(keys_done) struct keys above = { 0 };
	int r;

	r = stack_above(&disk_key, 1, &above);
	for (size_t i = 0; i < above.nr && r >= 0; i++) {
		r = dm_flush(above.items[i], timeout_ms, false);
		/* Of the disk itself, the module has waited for what md accounts. */
		if (r >= 0 && above.items[i] != disk_key)
			r = md_await(above.items[i], timeout_ms);
	}
	return r < 0 ? r : 0;
}

static int flush_mapped(const struct keys *above, unsigned int timeout_ms, bool is_frozen)
{
	int r = 0;

	for (size_t i = 0; i < above->nr && r >= 0; i++)
		r = dm_flush(above->items[i], timeout_ms, is_frozen);
	return r;
}

int disk_flush_mapped(uint32_t disk_key, unsigned int timeout_ms, bool is_frozen,
		      const struct call *call)
{
	_cleanup_(keys_done) struct keys above = { 0 };
	int r, status;
	pid_t pid;

	r = stack_above(&disk_key, 1, &above);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* A signal that is meant for the daemon must not leave a device suspended. */
		signal(SIGTERM, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		_exit(-flush_mapped(&above, timeout_ms, is_frozen));
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
		/* As if its time were over: before and after a suspension it may as well end. */
		if (call_check(call) < 0)
			kill(pid, SIGALRM);
	}
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}
