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

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>

#include "bpf/track.skel.h"
#include "log.h"

#define BPFFS_DIR	"/sys/fs/bpf"

const char *const tracker_map_names[MAP_NR] = {
	[MAP_STATE] = "state",
	[MAP_DEVICES] = "devices",
	[MAP_MARKS] = "marks",
	[MAP_PROTO] = "marks_proto",
	[MAP_CHECKPOINTS] = "checkpoints",
};

const char *const tracker_link_names[LINK_NR] = {
	[LINK_QUEUE] = "link_on_queue",
	[LINK_WRITE] = "link_on_write",
	[LINK_SWITCH] = "link_on_switch",
};

void tracker_pin_path(const char *name, char *ret_path, size_t room)
{
	snprintf(ret_path, room, "%s/%s", BPFSNAP_PIN_DIR, name);
}

void tracker_close_maps(struct tracker *tracker)
{
	for (int i = 0; i < MAP_NR; i++) {
		closep(&tracker->maps[i]);
		tracker->maps[i] = -1;
	}
}

static void unpin(const char *name)
{
	char path[512];

	tracker_pin_path(name, path, sizeof(path));
	unlink(path);
}

/* Closing the last handle ends a link at once; removing its last name ends it later. */
static void remove_link(const char *name)
{
	_cleanup_(closep) int fd = -1;
	char path[128];

	tracker_pin_path(name, path, sizeof(path));
	fd = bpf_obj_get(path);
	unlink(path);
}

void tracker_remove_pins(void)
{
	struct dirent *entry;
	DIR *dir;

	for (int i = 0; i < LINK_NR; i++)
		remove_link(tracker_link_names[i]);
	dir = opendir(BPFSNAP_PIN_DIR);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unpin(entry->d_name);
	closedir(dir);
	rmdir(BPFSNAP_PIN_DIR);
}

static int open_maps(struct tracker *t)
{
	char path[128];

	for (int i = 0; i < MAP_NR; i++) {
		tracker_pin_path(tracker_map_names[i], path, sizeof(path));
		t->maps[i] = bpf_obj_get(path);
		if (t->maps[i] < 0) {
			int r = -errno;

			tracker_close_maps(t);
			return r;
		}
	}
	return 0;
}

static int adopt(struct tracker *t)
{
	_cleanup_(keys_done) struct keys disks = { 0 };
	struct bpfsnap_state state = { 0 };
	uint32_t zero = 0;
	int r;

	if (access(BPFSNAP_PIN_DIR, F_OK) < 0)
		return 0;
	r = open_maps(t);
	if (r == -ENOENT) {
		log_warning("removing what an unfinished start left in %s", BPFSNAP_PIN_DIR);
		tracker_remove_pins();
		return 0;
	}
	if (r < 0)
		return r;
	if (bpf_map_lookup_elem(t->maps[MAP_STATE], &zero, &state) < 0)
		return -errno;
	if (state.abi != BPFSNAP_TRACK_ABI)
		return -EPROTO;
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

int tracker_new(struct tracker **ret_tracker)
{
	_cleanup_(tracker_freep) struct tracker *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	for (int i = 0; i < MAP_NR; i++)
		t->maps[i] = -1;
	libbpf_set_print(print_libbpf);
	r = adopt(t);
	if (r < 0) {
		tracker_close_maps(t);
		if (asprintf(&t->unavailable,
			     "What is pinned in %s cannot be used (%s): remove it, or use the release that made it.",
			     BPFSNAP_PIN_DIR, strerror(-r)) < 0)
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

static int pin(int fd, const char *name)
{
	char path[128];

	tracker_pin_path(name, path, sizeof(path));
	return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

static int pin_maps(const struct track_bpf *skel)
{
	const struct bpf_map *const maps[MAP_NR] = {
		[MAP_STATE] = skel->maps.state,
		[MAP_DEVICES] = skel->maps.devices,
		[MAP_MARKS] = skel->maps.marks,
		[MAP_PROTO] = skel->maps.marks_proto,
		[MAP_CHECKPOINTS] = skel->maps.checkpoints,
	};
	int r;

	for (int i = 0; i < MAP_NR; i++) {
		r = pin(bpf_map__fd(maps[i]), tracker_map_names[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int attach_and_pin(const struct bpf_program *program, const char *name)
{
	struct bpf_link *link = bpf_program__attach(program);
	int r;

	if (!link)
		return -errno;
	r = pin(bpf_link__fd(link), name);
	bpf_link__destroy(link);	/* closes our handle; the pin keeps the link */
	return r;
}

static int attach_programs(const struct track_bpf *skel, bool with_module)
{
	int r;

	r = attach_and_pin(skel->progs.on_queue, tracker_link_names[LINK_QUEUE]);
	if (r < 0 || !with_module)
		return r;
	r = attach_and_pin(skel->progs.on_switch, tracker_link_names[LINK_SWITCH]);
	if (r < 0)
		return r;
	return attach_and_pin(skel->progs.on_write, tracker_link_names[LINK_WRITE]);
}

static int load_skel(bool with_module, struct track_bpf **ret_skel)
{
	_cleanup_(destroy_skel) struct track_bpf *skel = track_bpf__open();
	struct bpfsnap_state state = { .abi = BPFSNAP_TRACK_ABI, .epoch = BPFSNAP_EPOCH_FIRST };
	uint32_t zero = 0;
	int r;

	if (!skel)
		return -errno;
	skel->rodata->gated = with_module;
	bpf_program__set_autoload(skel->progs.on_write, with_module);
	bpf_program__set_autoload(skel->progs.on_switch, with_module);
	r = track_bpf__load(skel);
	if (r < 0)
		return r;
	r = bpf_map_update_elem(bpf_map__fd(skel->maps.state), &zero, &state, BPF_ANY);
	if (r < 0)
		return r;
	*ret_skel = TAKE_PTR(skel);
	return 0;
}

int tracker_load(struct tracker *t, bool with_module, struct fault *fault)
{
	_cleanup_(destroy_skel) struct track_bpf *skel = NULL;
	const char *what;
	int r;

	r = tracker_check(t, fault);
	if (r < 0 || tracker_is_loaded(t))
		return r;
	what = "mounting " BPFFS_DIR;
	r = ensure_bpffs();
	if (r >= 0) {
		what = "loading the programs";
		r = load_skel(with_module, &skel);
	}
	if (r >= 0) {
		what = "making " BPFSNAP_PIN_DIR;
		r = mkdir(BPFSNAP_PIN_DIR, 0700) < 0 ? -errno : 0;
	}
	if (r >= 0) {
		what = "pinning the maps";
		r = pin_maps(skel);
	}
	if (r >= 0) {
		what = "attaching the programs";
		r = attach_programs(skel, with_module);
	}
	if (r >= 0) {
		what = "opening the maps";
		r = open_maps(t);
	}
	if (r < 0) {
		tracker_remove_pins();
		return fault_plain(fault, REASON_TRACKER_UNAVAILABLE,
				   "The tracking programs cannot be started: %s failed: %s.", what,
				   strerror(-r));
	}
	return 0;
}

void tracker_unload_idle(struct tracker *t)
{
	_cleanup_(keys_done) struct keys disks = { 0 };

	if (!tracker_is_loaded(t) || tracker_disks(t, &disks) < 0 || disks.nr > 0)
		return;
	tracker_remove_pins();
	tracker_close_maps(t);
}
