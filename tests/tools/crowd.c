// SPDX-License-Identifier: GPL-2.0-only
/*
 * crowd SOCKET CLIENTS MILLISECONDS [COMMAND...] - is everybody served while many listen?
 *
 * That many clients listen to the events of bpfsnapd, and the first of them never reads.
 * Meanwhile one more asks the daemon, again and again, and measures how long each answer takes.
 * Ends after the time, or when the command ends. Prints, as words of key=value:
 *   asked, worst_ms    questions, and the longest time until an answer
 *   p99_ms             of a hundred, one took longer: a busy machine has its moments
 *   stood_ms           counts for neither: time in which this process itself was kept from running
 *   events             told to the client that was told least of those that read
 *   missed             most events that one was told to have missed
 *   gaps               clients whose sequence numbers were not what they should be: must be 0
 *   lost               clients whose connection broke: must be 0
 *   least_last         the last event of the one that is furthest behind
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/sock.h"

enum {
	CLIENTS_MAX = 500, ROOM = 256 << 10, PAUSE_MS = 5,
	LATE_MS = 50,			/* a round that is so much longer was not the daemon's */
	SETTLE_MS = 2000, SETTLE_MS_MAX = 10000,
	QUIET_ROUNDS = 100,		/* in which no listener was told anything */
};

static struct client {
	int fd;
	char *buf;
	size_t have;
	uint64_t next, events, missed;
	int is_lost, has_gap, is_begun;
} clients[CLIENTS_MAX + 1];

static unsigned int took[1001];	/* answers, by milliseconds; the last: longer ones */

static const char watch[] =
	"{\"method\":\"io.bpfsnap.WatchEvents\",\"parameters\":{},\"more\":true}";
static const char *const questions[] = {
	"{\"method\":\"org.varlink.service.GetInfo\"}",
	"{\"method\":\"io.bpfsnap.ListDevices\"}",
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text) + 1) < 0)
		perror("write");
}

static uint64_t number_behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* One reply: each event's number must follow the one before it, or be told as missed. */
static void take_events(struct client *c, const char *text)
{
	uint64_t missed = number_behind(text, "\"missed\":");

	if (!c->is_begun)
		c->next = number_behind(text, "\"last\":") + 1;
	else
		c->next += missed;
	c->missed += missed;
	for (const char *at = text; c->is_begun && (at = strstr(at, "\"seq\":")); at++) {
		if (strtoull(at + 6, NULL, 10) != c->next)
			c->has_gap = 1;
		c->next++;
		c->events++;
	}
	c->is_begun = 1;
}

/* Return: whole messages that came. */
static int receive(struct client *c, int takes)
{
	ssize_t n = recv(c->fd, c->buf + c->have, ROOM - c->have, MSG_DONTWAIT);
	int nr = 0;
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		c->is_lost = 1;
		return 0;
	}
	c->have += (size_t)n;
	while ((end = memchr(c->buf, 0, c->have))) {
		size_t used = (size_t)(end - c->buf) + 1;

		if (takes)
			take_events(c, c->buf);
		memmove(c->buf, c->buf + used, c->have - used);
		c->have -= used;
		nr++;
	}
	return nr;
}

static unsigned int percentile(uint64_t nr, unsigned int percent)
{
	uint64_t sum = 0;
	unsigned int ms = 0;

	while (ms < 1000 && (sum += took[ms]) * 100 < nr * percent)
		ms++;
	return ms;
}

int main(int argc, char *argv[])
{
	static struct pollfd fds[CLIENTS_MAX + 1];
	uint64_t end_us, asked_us = 0, worst_us = 0, asked = 0, least = UINT64_MAX, most = 0;
	uint64_t last = UINT64_MAX, quiet_us = 0, pause_us = 0, woke_us = now_us();
	uint64_t stood_us = 0, all_stood_us = 0;	/* of this question, of all of them */
	unsigned int nr_quiet = 0;
	struct client *asker = &clients[0];
	int nr, lost = 0, gaps = 0;
	pid_t pid = 0;

	if (argc < 4)
		return 2;
	nr = atoi(argv[2]);
	if (nr < 0 || nr > CLIENTS_MAX)
		return 2;
	for (int i = 0; i <= nr; i++) {
		clients[i].fd = sock_connect(argv[1]);
		clients[i].buf = malloc(ROOM);
		fds[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
		if (i > 0)
			say(clients[i].fd, watch);
	}
	if (nr > 0)
		fds[1].fd = -1;		/* the one that never reads */
	end_us = now_us() + strtoull(argv[3], NULL, 10) * 1000;
	if (argc > 4) {
		pid = fork();
		if (pid == 0) {
			execvp(argv[4], argv + 4);
			_exit(127);
		}
	}
	while (now_us() < end_us) {
		uint64_t round_us;
		int status;

		if (pid > 0 && !quiet_us && waitpid(pid, &status, WNOHANG) == pid) {
			if (status) {
				fprintf(stderr, "%s failed\n", argv[4]);
				return 1;
			}
			/* What has happened has to get to everybody yet. */
			quiet_us = now_us() + SETTLE_MS * 1000;
		}
		if (quiet_us && now_us() > quiet_us &&
		    (nr_quiet > QUIET_ROUNDS || now_us() > quiet_us + (SETTLE_MS_MAX - SETTLE_MS) * 1000))
			break;
		if (!asked_us && now_us() > pause_us) {
			asked_us = woke_us = now_us();
			stood_us = 0;
			say(asker->fd, questions[asked % 2]);
		}
		nr_quiet++;
		status = poll(fds, (nfds_t)nr + 1, PAUSE_MS);
		/* A round takes no longer because the daemon does: the processors were others'. */
		round_us = now_us() - woke_us;
		woke_us += round_us;
		if (asked_us && round_us > (PAUSE_MS + LATE_MS) * 1000) {
			stood_us += round_us - PAUSE_MS * 1000;
			all_stood_us += round_us - PAUSE_MS * 1000;
		}
		if (status <= 0)
			continue;
		/* Its answer first: our own slowness is not the daemon's. */
		if (fds[0].revents && receive(asker, 0) > 0) {
			uint64_t took_us = now_us() - asked_us - stood_us;

			worst_us = took_us > worst_us ? took_us : worst_us;
			took[took_us / 1000 < 1000 ? took_us / 1000 : 1000]++;
			asked_us = 0;
			pause_us = now_us() + PAUSE_MS * 1000;
			asked++;
		}
		for (int i = 2; i <= nr; i++) {
			if (fds[i].revents && receive(&clients[i], 1) > 0)
				nr_quiet = 0;
			if (clients[i].is_lost)
				fds[i].fd = -1;
		}
	}
	if (asked_us && now_us() - asked_us - stood_us > worst_us)
		worst_us = now_us() - asked_us - stood_us;
	for (int i = 0; i <= nr; i++) {
		lost += clients[i].is_lost;
		gaps += clients[i].has_gap;
		if (i < 2)
			continue;
		least = clients[i].events < least ? clients[i].events : least;
		most = clients[i].missed > most ? clients[i].missed : most;
		last = clients[i].next - 1 < last ? clients[i].next - 1 : last;
	}
	printf("asked=%llu worst_ms=%llu p99_ms=%u stood_ms=%llu events=%llu missed=%llu gaps=%d lost=%d least_last=%llu\n",
	       (unsigned long long)asked, (unsigned long long)(worst_us / 1000), percentile(asked, 99),
	       (unsigned long long)(all_stood_us / 1000),
	       (unsigned long long)(nr > 1 ? least : 0), (unsigned long long)most, gaps, lost,
	       (unsigned long long)(nr > 1 ? last : 0));
	return 0;
}
