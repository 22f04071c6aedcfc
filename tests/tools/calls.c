// SPDX-License-Identifier: GPL-2.0-only
/*
 * calls SOCKET CLIENTS SECONDS MESSAGE: so many clients, each a thread with a connection of
 * its own, send MESSAGE again as soon as they are answered.  Prints calls a second, and the
 * median, 99th percentile and greatest time of one in ns.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 1000, TIMES_MAX = 1 << 20 };

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static const char *message;
static unsigned long long deadline_ns;

struct client {
	pthread_t thread;
	unsigned long long *times_ns;
	size_t nr_times;
	bool failed;
};

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* An answer ends with a byte of zero. */
static bool call(int fd)
{
	static const char error[] = "{\"error\"";
	char buf[65536];
	size_t length = strlen(message) + 1;
	bool first = true;
	ssize_t n;

	if (send(fd, message, length, MSG_NOSIGNAL) != (ssize_t)length)
		return false;
	do {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n <= 0 || (first && !strncmp(buf, error, sizeof(error) - 1)))
			return false;
		first = false;
	} while (buf[n - 1]);
	return true;
}

static void *run(void *data)
{
	struct client *client = data;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned long long begin_ns, end_ns;

	client->failed = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address));
	for (begin_ns = now_ns(); !client->failed && begin_ns < deadline_ns; begin_ns = end_ns) {
		client->failed = !call(fd);
		end_ns = now_ns();
		if (client->nr_times < TIMES_MAX)
			client->times_ns[client->nr_times++] = end_ns - begin_ns;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static int by_time(const void *a, const void *b)
{
	unsigned long long left = *(unsigned long long *)a, right = *(unsigned long long *)b;

	return left < right ? -1 : left > right;
}

int main(int argc, char **argv)
{
	static struct client clients[CLIENTS_MAX];
	int n = argc == 5 ? atoi(argv[2]) : 0, seconds = argc == 5 ? atoi(argv[3]) : 0;
	unsigned long long *all, begin_ns;
	size_t total = 0;

	if (n < 1 || n > CLIENTS_MAX || seconds < 1 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: calls SOCKET CLIENTS SECONDS MESSAGE\n");
		return 2;
	}
	strcpy(address.sun_path, argv[1]);
	message = argv[4];
	begin_ns = now_ns();
	deadline_ns = begin_ns + seconds * 1000000000ULL;
	for (int i = 0; i < n; i++) {
		clients[i].times_ns = malloc(TIMES_MAX * sizeof(*clients[i].times_ns));
		if (!clients[i].times_ns || pthread_create(&clients[i].thread, NULL, run, &clients[i]))
			return 1;
	}
	for (int i = 0; i < n; i++) {
		pthread_join(clients[i].thread, NULL);
		if (clients[i].failed) {
			fprintf(stderr, "calls: client %d was not answered, or with an error\n", i);
			return 1;
		}
		total += clients[i].nr_times;
	}
	all = malloc(total * sizeof(*all));
	if (!all)
		return 1;
	total = 0;
	for (int i = 0; i < n; i++) {
		memcpy(all + total, clients[i].times_ns, clients[i].nr_times * sizeof(*all));
		total += clients[i].nr_times;
	}
	qsort(all, total, sizeof(*all), by_time);
	printf("%.0f %llu %llu %llu\n", total * 1e9 / (now_ns() - begin_ns), all[total / 2],
	       all[total * 99 / 100], all[total - 1]);
	return 0;
}
