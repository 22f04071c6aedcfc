// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a service manager get to know what it should, and is its socket taken?
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"

#define OWN_CLOCK CLOCK_MONOTONIC
#include "clock.h"

static int manager_fd;

static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[80], number[32];

	snprintf(name, sizeof(name), "@bpfsnap-t_notify.%d", getpid());
	strcpy(address.sun_path, name);
	address.sun_path[0] = '\0';
	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(manager_fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("WATCHDOG_PID", number, 1);
	setenv("WATCHDOG_USEC", "300000", 1);
	return 0;
}

static const char *told(void)
{
	static char text[256];
	ssize_t n = recv(manager_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return NULL;
	text[n] = '\0';
	return text;
}

static void test_states(void **state)
{
	notify_ready();
	assert_non_null(strstr(told(), "READY=1"));
	notify_stopping();
	assert_string_equal(told(), "STOPPING=1");
	assert_null(told());
}

static void test_watchdog(void **state)
{
	/* Half of the time is too late already if one is lost. */
	assert_in_range(notify_interval_ms(), 1, 149);
	notify_alive();
	assert_string_equal(told(), "WATCHDOG=1");
	for (int i = 0; i < 100; i++) {
		notify_alive();
		assert_null(told());
	}
	clock_ms += notify_interval_ms();
	notify_alive();
	assert_string_equal(told(), "WATCHDOG=1");
}

static void hand_over(const char *nr)
{
	char number[32];

	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDS", nr, 1);
}

static void test_socket(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int saved = fcntl(3, F_DUPFD_CLOEXEC, 10), fd;

	assert_int_equal(notify_socket(), -ENOENT);
	hand_over("1");
	assert_int_equal(dup2(open("/dev/null", O_RDONLY), 3), 3);
	assert_int_equal(notify_socket(), -EINVAL);
	/* A name that the kernel chooses. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(dup2(fd, 3), 3);
	hand_over("1");
	assert_int_equal(notify_socket(), -EINVAL);	/* nobody listens */
	assert_int_equal(listen(fd, 1), 0);
	hand_over("1");
	assert_int_equal(notify_socket(), 3);
	assert_true(fcntl(3, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(3, F_GETFD) & FD_CLOEXEC);
	assert_null(getenv("LISTEN_FDS"));
	dup2(saved, 3);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_socket),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
