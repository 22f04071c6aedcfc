// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which commands are run around a freeze, so that a database is at rest in a snapshot?
 *
 * Each is run by a shell in a process group of its own, which is killed when the time of
 * all of them together is up: a command can delay a snapshot, but not hold it for ever.
 */
#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "log.h"

enum {
	DEVICES_TEXT_MAX	= 16 << 10,
	WHY_MAX			= 128,
	POLL_MS			= 500,
};

struct phase {
	const char *name;
	const char *result;
	char devices[DEVICES_TEXT_MAX];
	int64_t deadline_ms;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin(struct phase *phase, const struct config *config, const char *name,
		  const char *result, const char *const devices[], size_t nr_devices)
{
	size_t have = 0;

	phase->name = name;
	phase->result = result;
	phase->devices[0] = '\0';
	for (size_t i = 0; i < nr_devices && have < sizeof(phase->devices); i++)
		have += (size_t)snprintf(phase->devices + have, sizeof(phase->devices) - have,
					 "%s%s", i ? " " : "", devices[i]);
	phase->deadline_ms = now_ms() + (int64_t)config->timeout_s * 1000;
}

/* The daemon's own environment, without what the service manager tells the daemon alone. */
static int start(const struct phase *phase, const char *command, pid_t *ret_pid)
{
	char phase_text[64], result_text[64], devices_text[DEVICES_TEXT_MAX + 32];
	char path_text[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *const environment[] = { path_text, phase_text, devices_text, result_text, NULL };
	char *const args[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, pipe;
	int r;

	snprintf(phase_text, sizeof(phase_text), "BPFSNAP_PHASE=%s", phase->name);
	snprintf(result_text, sizeof(result_text), "BPFSNAP_RESULT=%s", phase->result);
	snprintf(devices_text, sizeof(devices_text), "BPFSNAP_DEVICES=%s", phase->devices);
	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &pipe);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	r = posix_spawn(ret_pid, "/bin/sh", &files, &attributes, args, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

/* True once the process has ended; it is not reaped, so its number stays its own. */
static bool has_ended(int pid_fd, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd pollfd = { .fd = pid_fd, .events = POLLIN };
		int64_t left_ms = deadline_ms - now_ms();

		if (poll(&pollfd, 1, left_ms <= 0 ? 0 : left_ms > POLL_MS ? POLL_MS : (int)left_ms) > 0)
			return true;
		if (left_ms <= 0)
			return false;
	}
}

/* Return: 0, or −errno with the reason in words. */
static int run(const struct phase *phase, const char *command, char why[static WHY_MAX])
{
	_cleanup_(closep) int pid_fd = -1;
	bool is_late;
	int r, status = 0;
	pid_t pid;

	r = start(phase, command, &pid);
	if (r < 0) {
		snprintf(why, WHY_MAX, "could not be started: %s", strerror(-r));
		return r;
	}
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	is_late = pid_fd < 0 || !has_ended(pid_fd, phase->deadline_ms);
	if (is_late)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (is_late) {
		snprintf(why, WHY_MAX, "did not end in time, and was killed");
		return -ETIMEDOUT;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status))
		snprintf(why, WHY_MAX, "ended with status %d", WEXITSTATUS(status));
	else
		snprintf(why, WHY_MAX, "was killed by signal %d", WTERMSIG(status));
	return -ECANCELED;
}

int hooks_before(const struct config *config, const char *const devices[], size_t nr_devices,
		 struct fault *fault)
{
	struct phase phase;
	char why[WHY_MAX];

	if (!config || !config->before_freeze.nr)
		return 0;
	begin(&phase, config, "before-freeze", "", devices, nr_devices);
	for (size_t i = 0; i < config->before_freeze.nr; i++) {
		const char *command = config->before_freeze.text[i];
		int r;

		if (run(&phase, command, why) == 0)
			continue;
		if (config->on_failure == CONFIG_FAILURE_CONTINUE) {
			log_warning("before the freeze, '%s' %s; going on, as configured", command, why);
			continue;
		}
		r = fault_hook(fault, command, "Before the freeze, '%s' %s.", command, why);
		hooks_after(config, devices, nr_devices, false);
		return r;
	}
	return 0;
}

void hooks_after(const struct config *config, const char *const devices[], size_t nr_devices,
		 bool is_taken)
{
	struct phase phase;
	char why[WHY_MAX];

	if (!config || !config->after_thaw.nr)
		return;
	begin(&phase, config, "after-thaw", is_taken ? "taken" : "failed", devices, nr_devices);
	for (size_t i = 0; i < config->after_thaw.nr; i++)
		if (run(&phase, config->after_thaw.text[i], why) < 0)
			log_warning("after the thaw, '%s' %s", config->after_thaw.text[i], why);
}
