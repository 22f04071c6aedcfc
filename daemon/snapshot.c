// SPDX-License-Identifier: GPL-2.0-only
/*
 * In which steps is a snapshot taken, and what undoes each of them?
 *
 * A step that fails is undone too: each undo looks at how far its step came.
 */
#include "snapshot.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/**
 * struct taking - a snapshot on its way
 * @nr_stores: files opened
 * @is_created: the kernel holds the snapshot
 * @nr_checkpoints: ranges whose disk's checkpoint is written, in the plan's order
 */
struct taking {
	const struct snapshot_ops *ops;
	void *ctx;
	const struct snapshot_request *request;
	struct snapshot_plan plan;
	size_t nr_stores;
	size_t nr_checkpoints;
	bool is_created;
};

static bool overlaps(const struct device *a, const struct device *b)
{
	return a->disk_key == b->disk_key && a->start_sect < b->start_sect + b->nr_sect &&
	       b->start_sect < a->start_sect + a->nr_sect;
}

static int resolve(struct taking *t, struct fault *fault)
{
	struct snapshot_plan *plan = &t->plan;
	int r;

	for (size_t i = 0; i < t->request->nr_paths; i++) {
		struct device *d = &plan->ranges[i];

		r = t->ops->resolve(t->ctx, t->request->paths[i], d, fault);
		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++)
			if (overlaps(d, &plan->ranges[j]))
				return fault_device(fault, REASON_DEVICE_UNSUPPORTED, d->name,
						    "%s and %s have sectors in common: a snapshot takes each sector once.",
						    d->name, plan->ranges[j].name);
		plan->nr_ranges++;
	}
	return 0;
}

/* May the range go next?  Not while one of the rest stands on its disk. */
static int is_top(struct taking *t, size_t candidate, size_t from, struct fault *fault)
{
	const struct device *ranges = t->plan.ranges;

	for (size_t i = from; i < t->plan.nr_ranges; i++) {
		int r;

		if (ranges[i].disk_key == ranges[candidate].disk_key)
			continue;
		r = t->ops->is_above(t->ctx, &ranges[i], &ranges[candidate], fault);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return 1;
}

/* Bring one range to @to; those between move on by one, so that the client's order stays. */
static void move(struct device *ranges, size_t from, size_t to)
{
	struct device d = ranges[from];

	memmove(&ranges[to + 1], &ranges[to], (from - to) * sizeof(*ranges));
	ranges[to] = d;
}

static int sort(struct taking *t, struct fault *fault)
{
	struct device *ranges = t->plan.ranges;
	size_t nr = t->plan.nr_ranges, done = 0;

	while (done < nr) {
		size_t i;
		uint32_t disk_key;

		for (i = done; i < nr; i++) {
			int r = is_top(t, i, done, fault);

			if (r < 0)
				return r;
			if (r > 0)
				break;
		}
		if (i == nr)
			return fault_system(fault, "order", -ELOOP,
					    "The devices stand on each other in a circle.");
		disk_key = ranges[i].disk_key;
		for (; i < nr; i++)
			if (ranges[i].disk_key == disk_key)
				move(ranges, i, done++);
	}
	return 0;
}

static size_t nr_stores(const struct snapshot_plan *plan)
{
	return plan->storage_kind == STORAGE_FILES ? plan->nr_ranges : 1;
}

static int open_stores(struct taking *t, struct fault *fault)
{
	int r;

	r = t->ops->check_storage(t->ctx, &t->plan, fault);
	if (r < 0)
		return r;
	while (t->nr_stores < nr_stores(&t->plan)) {
		r = t->ops->open_store(t->ctx, &t->plan, fault);
		if (r < 0)
			return r;
		t->plan.store_fds[t->nr_stores++] = r;
	}
	for (size_t i = t->nr_stores; i < t->plan.nr_ranges; i++)
		t->plan.store_fds[i] = t->plan.store_fds[0];
	return 0;
}

static void close_stores(struct taking *t)
{
	while (t->nr_stores > 0)
		t->ops->close_store(t->ctx, t->plan.store_fds[--t->nr_stores]);
}

static int choose_epoch(struct taking *t, struct fault *fault)
{
	return t->ops->next_epoch(t->ctx, &t->plan.epoch, fault);
}

/* A checkpoint is a disk's: the first range of each disk stands for it. */
static bool is_first_of_disk(const struct snapshot_plan *plan, size_t i)
{
	return i == 0 || plan->ranges[i - 1].disk_key != plan->ranges[i].disk_key;
}

static int check_checkpoints(struct taking *t, struct fault *fault)
{
	size_t nr_new = 0;
	int r;

	if (!t->request->checkpoint)
		return 0;
	for (size_t i = 0; i < t->plan.nr_ranges; i++)
		nr_new += is_first_of_disk(&t->plan, i);
	for (size_t i = 0; i < t->plan.nr_ranges; i++) {
		if (!is_first_of_disk(&t->plan, i))
			continue;
		r = t->ops->check_checkpoint(t->ctx, &t->plan.ranges[i], t->request->checkpoint,
					     nr_new, fault);
		if (r < 0)
			return r;
	}
	return 0;
}

static int list_freeze(struct taking *t, struct fault *fault)
{
	return t->ops->list_freeze(t->ctx, &t->plan, fault);
}

static int create(struct taking *t, struct fault *fault)
{
	int r;

	r = t->ops->create(t->ctx, &t->plan, fault);
	if (r < 0)
		return r;
	t->is_created = true;
	return 0;
}

static void destroy(struct taking *t)
{
	if (t->is_created)
		t->ops->destroy(t->ctx, &t->plan);
	t->is_created = false;
}

static int put_checkpoints(struct taking *t, struct fault *fault)
{
	int r;

	if (!t->request->checkpoint)
		return 0;
	for (; t->nr_checkpoints < t->plan.nr_ranges; t->nr_checkpoints++) {
		if (!is_first_of_disk(&t->plan, t->nr_checkpoints))
			continue;
		r = t->ops->put_checkpoint(t->ctx, &t->plan.ranges[t->nr_checkpoints],
					   t->request->checkpoint, t->plan.epoch - 1, fault);
		if (r < 0)
			return r;
	}
	return 0;
}

static void remove_checkpoints(struct taking *t)
{
	while (t->nr_checkpoints > 0)
		if (is_first_of_disk(&t->plan, --t->nr_checkpoints))
			t->ops->remove_checkpoint(t->ctx, &t->plan.ranges[t->nr_checkpoints],
						  t->request->checkpoint);
}

static const struct {
	int (*step)(struct taking *t, struct fault *fault);
	void (*undo)(struct taking *t);
} steps[] = {
	{ resolve, NULL },
	{ sort, NULL },
	{ choose_epoch, NULL },
	{ check_checkpoints, NULL },
	{ list_freeze, NULL },
	{ open_stores, close_stores },
	{ create, destroy },
	{ put_checkpoints, remove_checkpoints },
};

int snapshot_die_in_step = -1;

/* What the out-of-memory killer would do, just here. */
static void die_here(size_t step)
{
	if (snapshot_die_in_step >= 0 && (size_t)snapshot_die_in_step == step)
		kill(getpid(), SIGKILL);
}

int snapshot_take(const struct snapshot_ops *ops, void *ctx, const uint8_t id[16],
		  const struct snapshot_request *request, struct fault *fault)
{
	struct taking t = {
		.ops = ops,
		.ctx = ctx,
		.request = request,
		.plan.request = request,
	};
	size_t i;
	int r = 0;

	memcpy(t.plan.id, id, sizeof(t.plan.id));
	for (i = 0; i < ARRAY_SIZE(steps) && r >= 0; i++) {
		die_here(i);
		r = steps[i].step(&t, fault);
	}
	if (r >= 0)
		die_here(i);
	while (r < 0 && i-- > 0)
		if (steps[i].undo)
			steps[i].undo(&t);
	close_stores(&t);	/* the kernel has its own hold on them */
	keys_done(&t.plan.freeze);
	return r;
}
