// SPDX-License-Identifier: GPL-2.0-only
/*
 * How do the tracking programs get into the kernel, stay there without us, and
 * leave?
 *
 * Maps are pinned before links.  A set of pins that is not whole is therefore
 * one that no disk was attached to, left by a daemon that died in between: it is
 * removed.
 */
#include "tracker_pins.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>

#include "bpf/track.skel.h"
#include "log.h"

#define BPFFS_DIR	"/sys/fs/bpf"

const char *const tracker_link_names[LINK_NR] = {
	[LINK_QUEUE] = "link_on_queue",
	[LINK_AGAIN] = "link_on_queue_again",
	[LINK_REMAP] = "link_on_remap",
	[LINK_ISSUE] = "link_on_issue",
	[LINK_DONE] = "link_on_done",
	[LINK_DONE_AGAIN] = "link_on_done_again",
	[LINK_WRITE] = "link_on_write",
	[LINK_SWITCH] = "link_on_switch",
};

static void unpin(const struct tracker *t, const char *name)
{
	char path[512];

	tracker_pin_path(t, name, path, sizeof(path));
	unlink(path);
}

/* Closing the last handle ends a link at once; removing its last name ends it later. */
static void remove_link(const struct tracker *t, const char *name)
{
	_cleanup_(closep) int fd = -1;
	char path[512];

	tracker_pin_path(t, name, path, sizeof(path));
	fd = bpf_obj_get(path);
	unlink(path);
}

void tracker_remove_pins(struct tracker *t)
{
	struct dirent *entry;
	DIR *dir;

	for (int i = 0; i < LINK_NR; i++)
		remove_link(t, tracker_link_names[i]);
	dir = opendir(t->dir);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unpin(t, entry->d_name);
	closedir(dir);
	rmdir(t->dir);
}

/*
 * A daemon that died while it attached or detached a disk leaves one that the programs do not
 * find: nothing of it is marked.
 */
static int remove_unfound(struct tracker *t)
{
	_cleanup_(keys_done) struct keys disks = { 0 };
	int r = tracker_disks(t, &disks);

	for (size_t i = 0; i < disks.nr && r >= 0; i++) {
		if (tracker_is_found(t, disks.items[i]))
			continue;
		log_warning("a daemon died while it attached or detached %u:%u: it is not attached",
			    key_major(disks.items[i]), key_minor(disks.items[i]));
		r = tracker_remove(t, disks.items[i]);
	}
	return r;
}

static int adopt(struct tracker *t)
{
	_cleanup_(keys_done) struct keys disks = { 0 };
	int r;

	if (access(t->dir, F_OK) < 0)
		return 0;
	r = tracker_open_maps(t);
	if (r == -ENOENT) {
		log_warning("removing what an unfinished start left in %s", t->dir);
		tracker_remove_pins(t);
		return 0;
	}
	if (r < 0)
		return r;
	r = remove_unfound(t);
	if (r < 0)
		return r;
	tracker_recover(t);
	r = tracker_disks(t, &disks);
	if (r < 0)
		return r;
	if (disks.nr > 0)
		log_info("adopted the tracking of %zu disks", disks.nr);
	tracker_unload_idle(t);
	return 0;
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	log_linev(level == LIBBPF_WARN ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, fmt, ap);
	return 0;
}

static const char *explain(int error)
{
	return error == -EPROTO ? "it is of another release" : strerror(-error);
}

int tracker_new(const struct tracker_options *options, struct tracker **ret_tracker)
{
	_cleanup_(tracker_freep) struct tracker *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	tracker_locks_init(t);
	t->dir = options->dir ?: BPFSNAP_PIN_DIR;
	t->mark_limit = options->mark_limit;
	for (int i = 0; i < MAP_NR; i++)
		t->maps[i] = -1;
	libbpf_set_print(print_libbpf);
	tracker_take_turn(t);
	tracker_lock(t);
	r = adopt(t);
	tracker_unlock(t);
	tracker_give_turn(t);
	if (r < 0) {
		tracker_close_maps(t);
		if (asprintf(&t->unavailable,
			     "What is pinned in %s cannot be used (%s): remove it, or use the release that made it.",
			     t->dir, explain(r)) < 0)
			return -ENOMEM;
	}
	*ret_tracker = TAKE_PTR(t);
	return 0;
}

void tracker_free(struct tracker *tracker)
{
	if (!tracker)
		return;
	tracker_close_maps(tracker);
	free(tracker->unavailable);
	tracker_locks_done(tracker);
	free(tracker);
}

void tracker_freep(struct tracker **tracker)
{
	tracker_free(*tracker);
}

static int ensure_bpffs(void)
{
	struct statfs fs;

	if (statfs(BPFFS_DIR, &fs) < 0)
		return -errno;
	if (fs.f_type == BPF_FS_MAGIC)
		return 0;
	return mount("bpf", BPFFS_DIR, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME,
		     "mode=0700") < 0 ? -errno : 0;
}

static void destroy_skel(struct track_bpf **skel)
{
	track_bpf__destroy(*skel);
}

static int pin(const struct tracker *t, int fd, const char *name)
{
	char path[512];

	tracker_pin_path(t, name, path, sizeof(path));
	return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

static int pin_maps(const struct tracker *t, const struct track_bpf *skel)
{
	const struct bpf_map *const maps[MAP_NR] = {
		[MAP_STATE] = skel->maps.state,
		[MAP_EPOCHS] = skel->maps.epochs,
		[MAP_DISKS] = skel->maps.disks,
		[MAP_DEVICES] = skel->maps.devices,
		[MAP_COUNTERS] = skel->maps.counters,
		[MAP_HISTORY] = skel->maps.history,
		[MAP_WRITERS] = skel->maps.writers,
		[MAP_MARKS] = skel->maps.marks,
		[MAP_PROTO] = skel->maps.marks_proto,
		[MAP_CHECKPOINTS] = skel->maps.checkpoints,
	};
	int r;

	for (int i = 0; i < MAP_NR; i++) {
		r = pin(t, bpf_map__fd(maps[i]), tracker_map_names[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int attach_and_pin(const struct tracker *t, const struct bpf_program *program,
			  enum tracker_link which)
{
	struct bpf_link *link = bpf_program__attach(program);
	int r;

	if (!link)
		return -errno;
	r = pin(t, bpf_link__fd(link), tracker_link_names[which]);
	bpf_link__destroy(link);	/* closes our handle; the pin keeps the link */
	return r;
}

/* The programs of the module's tracepoints, or those that make up for their lack. */
static int attach_programs(const struct tracker *t, const struct track_bpf *skel, bool with_module)
{
	const struct {
		const struct bpf_program *program;
		enum tracker_link link;
		bool is_wanted;
	} all[] = {
		{ skel->progs.on_queue,		LINK_QUEUE,	true },
		{ skel->progs.on_queue_again,	LINK_AGAIN,	!with_module },
		{ skel->progs.on_remap,		LINK_REMAP,	!with_module },
		{ skel->progs.on_issue,		LINK_ISSUE,	true },
		{ skel->progs.on_switch,	LINK_SWITCH,	with_module },
		{ skel->progs.on_write,		LINK_WRITE,	with_module },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all) && r >= 0; i++)
		if (all[i].is_wanted)
			r = attach_and_pin(t, all[i].program, all[i].link);
	if (r >= 0)
		r = pin(t, bpf_program__fd(skel->progs.on_done), TRACKER_DONE_PROGRAM);
	if (r >= 0)
		r = pin(t, bpf_program__fd(skel->progs.on_done_again), TRACKER_DONE_AGAIN_PROGRAM);
	return r;
}

/*
 * Epochs are numbers that people write down: one of an earlier load, of which nothing is
 * known any more, must not be a good one of this.  So the first is the number of seconds
 * since 2026; snapshots come slower than that.
 */
static uint32_t first_epoch(void)
{
	static const time_t begin_s = 1767225600;
	time_t now_s = time(NULL);

	if (now_s <= begin_s || now_s - begin_s > BPFSNAP_EPOCH_MAX / 2)
		return BPFSNAP_EPOCH_FIRST;	/* a clock that is not set */
	return (uint32_t)(now_s - begin_s);
}

/* The first epoch, and the first mark that stands for it. */
static int put_state(const struct tracker *t, const struct track_bpf *skel)
{
	struct bpfsnap_state state = {
		.abi = BPFSNAP_TRACK_ABI,
		.epoch = first_epoch(),
		.mark = BPFSNAP_MARK_FIRST,
		.mark_max = t->mark_limit ?: BPFSNAP_MARK_MAX,
	};
	_cleanup_(freep) struct bpfsnap_epochs *epochs = calloc(1, sizeof(*epochs));
	uint32_t zero = 0;

	if (!epochs)
		return -ENOMEM;
	epochs->last[BPFSNAP_MARK_FIRST] = state.epoch;
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.epochs), &zero, epochs, BPF_ANY) < 0 ||
	    bpf_map_update_elem(bpf_map__fd(skel->maps.state), &zero, &state, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static int load_skel(const struct tracker *t, bool with_module, struct track_bpf **ret_skel)
{
	_cleanup_(destroy_skel) struct track_bpf *skel = track_bpf__open();
	int r;

	if (!skel)
		return -errno;
	skel->rodata->gated = with_module;
	bpf_program__set_autoload(skel->progs.on_write, with_module);
	bpf_program__set_autoload(skel->progs.on_switch, with_module);
	bpf_program__set_autoload(skel->progs.on_queue_again, !with_module);
	bpf_program__set_autoload(skel->progs.on_remap, !with_module);
	r = track_bpf__load(skel);
	if (r >= 0)
		r = put_state(t, skel);
	if (r < 0)
		return r;
	*ret_skel = TAKE_PTR(skel);
	return 0;
}

/* All that may take its time; what is made is not the tracker's yet. */
static int make_pins(const struct tracker *t, bool with_module, const char **ret_what)
{
	_cleanup_(destroy_skel) struct track_bpf *skel = NULL;
	int r;

	*ret_what = "mounting " BPFFS_DIR;
	r = ensure_bpffs();
	if (r >= 0) {
		*ret_what = "loading the programs";
		r = load_skel(t, with_module, &skel);
	}
	if (r >= 0) {
		*ret_what = "making the directory of the pins";
		r = mkdir(t->dir, 0700) < 0 ? -errno : 0;
	}
	if (r >= 0) {
		*ret_what = "pinning the maps";
		r = pin_maps(t, skel);
	}
	if (r >= 0) {
		*ret_what = "attaching the programs";
		r = attach_programs(t, skel, with_module);
	}
	return r;
}

int tracker_load(struct tracker *t, bool with_module, struct fault *fault)
{
	const char *what = "";
	int r;

	r = tracker_check(t, fault);
	if (r < 0 || tracker_is_loaded(t))
		return r;
	r = TRACKER_WAIT(t, make_pins(t, with_module, &what));
	if (r >= 0) {
		what = "opening the maps";
		r = tracker_open_maps(t);
	}
	if (r < 0) {
		tracker_remove_pins(t);
		return fault_plain(fault, REASON_TRACKER_UNAVAILABLE,
				   "The tracking programs cannot be started: %s failed: %s.", what,
				   strerror(-r));
	}
	return 0;
}

static int attach_pinned(const struct tracker *t, const char *program, enum tracker_link link)
{
	_cleanup_(closep) int prog_fd = -1, fd = -1;
	char path[512];

	tracker_pin_path(t, tracker_link_names[link], path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd >= 0)
		return 0;
	tracker_pin_path(t, program, path, sizeof(path));
	prog_fd = bpf_obj_get(path);
	if (prog_fd < 0)
		return -errno;
	fd = bpf_raw_tracepoint_open(NULL, prog_fd);
	return fd < 0 ? -errno : pin(t, fd, tracker_link_names[link]);
}

int tracker_watch_done(struct tracker *t)
{
	int r = attach_pinned(t, TRACKER_DONE_PROGRAM, LINK_DONE);

	return r < 0 ? r : attach_pinned(t, TRACKER_DONE_AGAIN_PROGRAM, LINK_DONE_AGAIN);
}

static bool has_passed(const struct bpfsnap_device *d, uint32_t epoch)
{
	return d->dev && d->uncertain & BPFSNAP_UNCERTAIN_UNLOCATED &&
	       d->doubts[BPFSNAP_DOUBT_UNLOCATED].epoch == epoch;
}

int tracker_watch_passed(struct tracker *t, uint32_t ended)
{
	bool is_any = false;
	struct tracker_links links;
	int r;

	for (uint32_t slot = 0; tracker_is_loaded(t) && slot < BPFSNAP_TRACK_DEVICES; slot++)
		is_any |= has_passed(&t->devices[slot], ended);
	if (!is_any)
		return 0;
	tracker_links(t, &links);
	if (links.has[BPFSNAP_CHANNEL_DONE] && links.has[BPFSNAP_CHANNEL_DONE_AGAIN])
		return 0;
	r = tracker_watch_done(t);
	for (uint32_t slot = 0; t->state->epoch != ended && slot < BPFSNAP_TRACK_DEVICES; slot++)
		if (has_passed(&t->devices[slot], ended))
			tracker_doubt(t, t->devices[slot].dev, BPFSNAP_DOUBT_UNLOCATED);
	return r;
}

void tracker_unload_idle(struct tracker *t)
{
	_cleanup_(keys_done) struct keys disks = { 0 };

	if (!tracker_is_loaded(t) || tracker_disks(t, &disks) < 0 || disks.nr > 0)
		return;
	/* The maps first: without the lock nobody must find what is about to go. */
	tracker_close_maps(t);
	tracker_unlock(t);
	tracker_remove_pins(t);
	tracker_lock(t);
}
