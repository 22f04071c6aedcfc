// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is told of work while it goes on?
 */
#include <inttypes.h>
#include <stdio.h>

#include "output.h"

enum {
	PATIENCE_NS	= 1000000000,
	PERIOD_NS	= 200000000,
};

static enum progress_mode chosen;

void progress_set_mode(enum progress_mode mode)
{
	chosen = mode;
}

/* Bytes a second, and how long the rest will take at that. */
static void estimate(const struct progress *progress, uint64_t now, uint64_t *ret_rate,
		     uint64_t *ret_left_ns)
{
	double passed_ns = now > progress->start_ns ? (double)(now - progress->start_ns) : 1;
	double rate = (double)progress->done_bytes / passed_ns;
	uint64_t left = progress->total_bytes > progress->done_bytes ?
			progress->total_bytes - progress->done_bytes : 0;

	*ret_rate = (uint64_t)(rate * 1e9);
	*ret_left_ns = rate > 0 ? (uint64_t)((double)left / rate) : 0;
}

static void print_json(const struct progress *progress, uint64_t now, const char *state)
{
	uint64_t rate, left_ns;

	estimate(progress, now, &rate, &left_ns);
	fprintf(stderr, "{ \"progress\": \"%s\", \"state\": \"%s\", \"done_bytes\": %" PRIu64
		", \"total_bytes\": %" PRIu64 ", \"duration_ns\": %" PRIu64
		", \"bytes_per_s\": %" PRIu64 ", \"left_ns\": %" PRIu64 " }\n",
		progress->what, state, progress->done_bytes, progress->total_bytes,
		now - progress->start_ns, rate, left_ns);
}

static void print_line(const struct progress *progress, uint64_t now)
{
	char size[32], speed[32];
	uint64_t rate, left_ns;

	estimate(progress, now, &rate, &left_ns);
	human_size(size, sizeof(size), progress->total_bytes);
	human_size(speed, sizeof(speed), rate);
	fprintf(stderr, "\r%s: %3.0f %% of %s, %s/s, %" PRIu64 ":%02" PRIu64 " left\033[K",
		progress->what, 100.0 * progress->done_bytes / progress->total_bytes, size, speed,
		left_ns / 60000000000, left_ns / 1000000000 % 60);
}

void progress_start(struct progress *progress, const char *what, uint64_t total_bytes)
{
	*progress = (struct progress) {
		.what = what, .total_bytes = total_bytes, .start_ns = now_ns(),
	};
	if (chosen != PROGRESS_JSON)
		return;
	progress->shown_ns = progress->start_ns;
	print_json(progress, progress->start_ns, "begun");
}

void progress_show(struct progress *progress, uint64_t done_bytes)
{
	uint64_t now = now_ns();

	progress->done_bytes = done_bytes;
	if (!progress->total_bytes || now - progress->shown_ns < PERIOD_NS)
		return;
	switch (chosen) {
	case PROGRESS_AUTO:
		if (now - progress->start_ns < PATIENCE_NS || !isatty(STDERR_FILENO))
			return;
		print_line(progress, now);
		break;
	case PROGRESS_JSON:
		print_json(progress, now, "running");
		break;
	case PROGRESS_NONE:
		return;
	}
	progress->shown_ns = now;
}

void progress_end(struct progress *progress)
{
	if (progress->shown_ns && chosen == PROGRESS_JSON)
		print_json(progress, now_ns(), "ended");
	else if (progress->shown_ns)
		fputs("\r\033[K", stderr);
	progress->shown_ns = 0;
}
