/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What does the command see of a daemon?  A fake one, in a process of its own.
 *
 * Origin and image are regular files; a mark for each block holds the epoch
 * of its last write, as the tracking program would keep it.  The test writes
 * through fake_write(), and turns the knobs in shared memory.
 */
#ifndef _T_CLI_FAKE_H
#define _T_CLI_FAKE_H

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli.h"

enum {
	FAKE_BLOCK_BYTES = 65536,
	FAKE_NR_BLK	 = 48,
	/* the last block is cut: 3 sectors */
	FAKE_SIZE_BYTES	 = FAKE_BLOCK_BYTES * (FAKE_NR_BLK - 1) + 3 * 512,
};

struct fake {
	char dir[64];
	char generation[64];
	char device[64];
	char uncertain[64];	/* reason, or empty */
	char image_error[64];	/* of the snapshot, or empty */
	char fail_method[64];	/* this one fails */
	char fail_error[64];	/* with this error */
	uint64_t disk_offset;	/* of the device on its disk */
	uint64_t size_bytes;	/* as the daemon says */
	uint32_t epoch;
	uint16_t marks[FAKE_NR_BLK];
	uint32_t live;		/* snapshots held */
	uint32_t created;
	uint32_t checkpoints;
	uint32_t snapshot_since;
	/* what only the snapshot says, if it is set */
	char snapshot_device[64];
	char snapshot_generation[64];
	char snapshot_uncertain[64];
	uint64_t snapshot_offset;
	uint32_t cut_image;	/* bytes that the image lacks at its end */
	uint32_t lists;		/* ListSnapshots answered */
	bool recreated;		/* another client destroyed the snapshot, and made one */
	bool swapped_image;	/* the snapshot's image has got another name */
	bool garbage;		/* answer something that is no reply */
	bool no_generation;	/* a change list was asked for without one */
	bool early_end;		/* end the stream after one piece */
	bool mixed_generation;	/* of the pieces of a stream */
	bool mixed_offset;
	bool late_uncertain;	/* only the last piece of a stream says so */
	bool overlap;		/* list the first extent again at the end */
	bool lost_destroy;	/* destroy the snapshot, but say that it failed */
	bool hang_up;		/* close instead of answering */
};

static struct fake *fake;
static pid_t fake_pid;

static inline const char *fake_path(const char *name)
{
	static char paths[8][256];
	static int turn;
	char *path = paths[turn++ % 8];

	snprintf(path, 256, "%s/%s", fake->dir, name);
	return path;
}

static inline void fake_copy_file(const char *from, const char *to)
{
	char *data = malloc(FAKE_SIZE_BYTES);
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (in < 0 || out < 0 || read(in, data, FAKE_SIZE_BYTES) != FAKE_SIZE_BYTES ||
	    write(out, data, FAKE_SIZE_BYTES) != FAKE_SIZE_BYTES)
		abort();
	close(in);
	close(out);
	free(data);
}

/* A write of the system that runs on the origin. */
static inline void fake_write(uint64_t offset, uint64_t length, int byte)
{
	char *data = malloc(length);
	int fd = open(fake_path("origin"), O_WRONLY);

	memset(data, byte, length);
	if (pwrite(fd, data, length, offset) != (ssize_t)length)
		abort();
	close(fd);
	free(data);
	for (uint64_t blk = offset / FAKE_BLOCK_BYTES;
	     blk <= (offset + length - 1) / FAKE_BLOCK_BYTES; blk++)
		fake->marks[blk] = fake->epoch;
}

static inline struct json_object *fake_snapshot(void)
{
	struct json_object *snapshot = json_object_new_object();
	struct json_object *device = json_object_new_object();
	struct json_object *devices = json_object_new_array();
	const char *reason;

	member_add_string(device, "device", *fake->snapshot_device ? fake->snapshot_device :
			  fake->device);
	member_add_string(device, "image", fake_path(fake->swapped_image ? "other" : "image"));
	member_add_number(device, "disk_offset", fake->snapshot_offset ?: fake->disk_offset);
	member_add_number(device, "size", fake->size_bytes);
	member_add_string(device, "generation", *fake->snapshot_generation ?
			  fake->snapshot_generation : fake->generation);
	member_add_number(device, "since", fake->snapshot_since);
	reason = *fake->snapshot_uncertain ? fake->snapshot_uncertain : fake->uncertain;
	member_add_string(device, "state", *reason ? "uncertain" : "verified");
	json_object_object_add(device, "reason", *reason ? json_object_new_string(reason) : NULL);
	json_object_object_add(device, "error", *fake->image_error ?
			       json_object_new_string(fake->image_error) : NULL);
	member_add_number(device, "copied_bytes", 0);
	member_add_number(device, "gate_bios", 1);
	member_add_number(device, "track_bios", 1);
	json_object_array_add(devices, device);
	member_add_string(snapshot, "snapshot", fake->recreated ? "snap-2" : "snap-1");
	member_add_number(snapshot, "created_ns", 1700000000000000000);
	member_add_number(snapshot, "hold_ns", 1500000);
	json_object_object_add(snapshot, "devices", devices);
	return snapshot;
}

static inline void fake_send(int fd, struct json_object *parameters, const char *error,
			     bool continues)
{
	struct json_object *message = json_object_new_object();
	const char *text;

	if (error)
		member_add_string(message, "error", error);
	if (continues)
		json_object_object_add(message, "continues", json_object_new_boolean(true));
	json_object_object_add(message, "parameters", parameters);
	text = json_object_to_json_string(message);
	if (send(fd, text, strlen(text) + 1, MSG_NOSIGNAL) < 0)
		perror("fake: send");
	json_object_put(message);
}

static inline void fake_error(int fd, const char *error, const char *reason)
{
	struct json_object *parameters = json_object_new_object();

	member_add_string(parameters, "device", fake->device);
	member_add_string(parameters, "reason", reason);
	fake_send(fd, parameters, error, false);
}

/* One extent in each reply, if a stream is wanted. */
static inline void fake_changes(int fd, struct json_object *parameters, bool more)
{
	struct json_object *extents = NULL, *reply = NULL;
	const char *generation = NULL;
	uint64_t since = 0, max = UINT64_MAX, n = 0, sent = 0;

	fake->no_generation = !member_string(parameters, "generation", &generation);
	if (generation && strcmp(generation, fake->generation)) {
		fake_error(fd, "io.bpfsnap.GenerationChanged", "another generation");
		return;
	}
	if (!member_number(parameters, "since", &since))
		since = 1;	/* any checkpoint */
	member_number(parameters, "max", &max);
	for (uint64_t blk = 0, end; blk <= FAKE_NR_BLK; blk = end) {
		struct json_object *extent;
		uint64_t length;

		end = blk + 1;
		if (blk < FAKE_NR_BLK && fake->marks[blk] <= since)
			continue;
		if (reply && more && extents && json_object_array_length(extents)) {
			if (fake->early_end)
				member_add_number(reply, "next", blk * FAKE_BLOCK_BYTES);
			fake_send(fd, reply, NULL, !fake->early_end);
			if (fake->early_end)
				return;
			sent++;
			reply = NULL;
		}
		if (!reply) {
			reply = json_object_new_object();
			extents = json_object_new_array();
			member_add_string(reply, "device", fake->device);
			member_add_number(reply, "disk_offset", fake->disk_offset +
					  (fake->mixed_offset && sent));
			member_add_number(reply, "size", fake->size_bytes);
			member_add_number(reply, "granularity", FAKE_BLOCK_BYTES);
			member_add_string(reply, "generation", fake->mixed_generation && sent ?
					  "another" : fake->generation);
			member_add_number(reply, "since", since);
			member_add_number(reply, "epoch", fake->epoch);
			if (fake->late_uncertain && sent) {
				member_add_string(reply, "state", "uncertain");
			} else {
				member_add_string(reply, "state",
						  *fake->uncertain ? "uncertain" : "ok");
				if (*fake->uncertain)
					member_add_string(reply, "reason", fake->uncertain);
			}
			json_object_object_add(reply, "extents", extents);
		}
		if (blk == FAKE_NR_BLK) {
			if (fake->overlap) {
				extent = json_object_new_object();
				member_add_number(extent, "offset", 0);
				member_add_number(extent, "length", FAKE_BLOCK_BYTES);
				json_object_array_add(extents, extent);
			}
			break;
		}
		if (n++ == max) {
			member_add_number(reply, "next", blk * FAKE_BLOCK_BYTES);
			break;
		}
		while (end < FAKE_NR_BLK && fake->marks[end] > since)
			end++;
		length = (end - blk) * FAKE_BLOCK_BYTES;
		if (blk * FAKE_BLOCK_BYTES + length > fake->size_bytes)
			length = fake->size_bytes - blk * FAKE_BLOCK_BYTES;
		extent = json_object_new_object();
		member_add_number(extent, "offset", blk * FAKE_BLOCK_BYTES);
		member_add_number(extent, "length", length);
		json_object_array_add(extents, extent);
	}
	fake_send(fd, reply, NULL, false);
}

static inline void fake_answer(int fd, const char *method, struct json_object *parameters,
			       bool more)
{
	struct json_object *reply = json_object_new_object(), *list;
	const char *text;

	if (fake->lost_destroy && !strcmp(method, "io.bpfsnap.DestroySnapshot")) {
		json_object_put(reply);
		fake->live = 0;
		fake_error(fd, "io.bpfsnap.SystemFailure", "it was lost");
		return;
	}
	if (*fake->fail_method && !strcmp(method, fake->fail_method)) {
		json_object_put(reply);
		fake_error(fd, fake->fail_error, "it was told to fail");
		return;
	}
	if (!strcmp(method, "io.bpfsnap.CreateSnapshot")) {
		fake_copy_file(fake_path("origin"), fake_path("image"));
		if (truncate(fake_path("image"), FAKE_SIZE_BYTES - fake->cut_image))
			abort();
		fake->snapshot_since = fake->epoch++;
		fake->live++;
		fake->created++;
		fake->checkpoints += member_string(parameters, "checkpoint", &text);
		json_object_object_add(reply, "snapshot", fake_snapshot());
	} else if (!strcmp(method, "io.bpfsnap.ListSnapshots")) {
		list = json_object_new_array();
		fake->lists++;
		if (fake->live)
			json_object_array_add(list, fake_snapshot());
		json_object_object_add(reply, "snapshots", list);
	} else if (!strcmp(method, "io.bpfsnap.DestroySnapshot")) {
		fake->live--;
	} else if (!strcmp(method, "io.bpfsnap.RemoveCheckpoint")) {
		fake->checkpoints--;
	} else if (!strcmp(method, "io.bpfsnap.ListDevices")) {
		struct json_object *device = json_object_new_object();

		member_add_string(device, "device", fake->device);
		member_add_number(device, "size", fake->size_bytes);
		member_add_number(device, "epoch", fake->epoch);
		member_add_string(device, "state", "ok");
		list = json_object_new_array();
		json_object_array_add(list, device);
		json_object_object_add(reply, "devices", list);
	} else if (!strcmp(method, "io.bpfsnap.ListChanges")) {
		json_object_put(reply);
		fake_changes(fd, parameters, more);
		return;
	} else if (!strcmp(method, "org.varlink.service.GetInfo")) {
		member_add_string(reply, "version", "9.9");
	} else {
		json_object_put(reply);
		reply = json_object_new_object();
		member_add_string(reply, "method", method);
		fake_send(fd, reply, "org.varlink.service.MethodNotFound", false);
		return;
	}
	fake_send(fd, reply, NULL, false);
}

static inline void fake_serve(int listener)
{
	for (;;) {
		static char text[65536];
		int fd = accept(listener, NULL, NULL);
		size_t have = 0;

		while (fd >= 0) {
			ssize_t n = recv(fd, text + have, sizeof(text) - have, 0);
			struct json_object *call;
			const char *method;

			if (n <= 0)
				break;
			have += n;
			if (text[have - 1])
				continue;
			if (fake->garbage && send(fd, "{]", 3, MSG_NOSIGNAL) > 0)
				break;
			if (fake->hang_up)
				break;
			have = 0;
			call = json_tokener_parse(text);
			if (member_string(call, "method", &method))
				fake_answer(fd, method,
					    json_object_object_get(call, "parameters"),
					    json_object_object_get(call, "more") != NULL);
			json_object_put(call);
		}
		close(fd);
	}
}

static inline int fake_start(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	(void)state;
	fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(fake, 0, sizeof(*fake));
	strcpy(fake->dir, "/tmp/t_cli.XXXXXX");
	if (!mkdtemp(fake->dir))
		return -1;
	strcpy(fake->generation, "11111111-2222-3333-4444-555555555555");
	strcpy(fake->device, "/dev/fake0");
	fake->size_bytes = FAKE_SIZE_BYTES;
	fake->epoch = 1;
	fd = open(fake_path("origin"), O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, FAKE_SIZE_BYTES) || close(fd))
		return -1;
	strcpy(addr.sun_path, fake_path("sock"));
	setenv("BPFSNAP_SOCKET", addr.sun_path, 1);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 8))
		return -1;
	fake_pid = fork();
	if (!fake_pid) {
		fake_serve(listener);
		_exit(0);
	}
	close(listener);
	return 0;
}

static inline int fake_stop(void **state)
{
	char command[128];

	(void)state;
	kill(fake_pid, SIGKILL);
	waitpid(fake_pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf %s", fake->dir);
	munmap(fake, sizeof(*fake));
	return system(command) ? -1 : 0;
}

#endif /* _T_CLI_FAKE_H */
