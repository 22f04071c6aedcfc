// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How does a program read what changed?
 *
 * Page by page, so that the connection is free in between and a reader may take its time.
 * All pages must be about one thing: each later one asks for the generation and the epoch
 * that the first was about, and a device that moved or was resized between two is an
 * error, as it is within one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib.h"

#define OF(name, kind, member) { name, FIELD_##kind, offsetof(struct bpfsnap_changes_info, member) }
static const struct field info_fields[] = {
	OF("device", STRING, device),
	OF("generation", STRING, generation),
	OF("reason", STRING_OR_NULL, reason),
	OF("disk_offset", NUMBER, disk_offset_bytes),
	OF("size", NUMBER, size_bytes),
	OF("granularity", NUMBER, granularity_bytes),
	OF("since", NUMBER, since),
	OF("epoch", NUMBER, epoch),
	OF("state", UNCERTAIN, is_uncertain),
};
#undef OF

#define OF(name, kind, member) { name, FIELD_##kind, offsetof(struct bpfsnap_extent, member) }
static const struct field extent_fields[] = {
	OF("offset", NUMBER, offset_bytes),
	OF("length", NUMBER, length_bytes),
	OF("epoch", NUMBER_OR_MAX, epoch),
	OF("discarded", BOOL_OR_FALSE, is_discarded),
};
#undef OF

/**
 * struct bpfsnap_changes - where a reader is
 * @device: as the caller named it
 * @extents: of this page, @at the next one; owned by @page
 * @next_bytes: where the next page begins; UINT64_MAX: there is none
 * @end_bytes: of the last extent that was told
 */
struct bpfsnap_changes {
	struct bpfsnap *bpfsnap;
	char *device;
	struct bpfsnap_changes_info info;
	struct json_object *page;
	struct json_object *extents;
	size_t at;
	uint64_t next_bytes;
	uint64_t end_bytes;
	uint32_t page_extents;
	bool details;
	bool is_broken;
};

static void info_done(struct bpfsnap_changes_info *info)
{
	fields_free(info_fields, ARRAY_SIZE(info_fields), info);
}

static bool is_same(const struct bpfsnap_changes_info *a, const struct bpfsnap_changes_info *b)
{
	return strcmp(a->device, b->device) == 0 && strcmp(a->generation, b->generation) == 0 &&
	       a->disk_offset_bytes == b->disk_offset_bytes && a->size_bytes == b->size_bytes &&
	       a->since == b->since;
}

/* A doubt that arose later is one about all of the list. */
static int merge(struct bpfsnap_changes *c, struct bpfsnap_changes_info *now,
		 struct bpfsnap_error **ret_error)
{
	if (!is_same(&c->info, now))
		return error_make(ret_error, BPFSNAP_REASON_DEVICE_CHANGED, c->device,
				  "The device changed while its changes were read.");
	if (now->is_uncertain && !c->info.is_uncertain) {
		struct bpfsnap_changes_info older = c->info;

		c->info = *now;
		*now = older;
	}
	return 0;
}

/* Takes a reply, which it consumes. */
static int take_page(struct bpfsnap_changes *c, struct json_object *reply,
		     struct bpfsnap_error **ret_error)
{
	struct json_object *next = json_object_object_get(reply, "next");
	struct bpfsnap_changes_info now = { 0 };
	int r;

	json_object_put(c->page);
	c->page = reply;
	c->at = 0;
	c->extents = json_object_object_get(reply, "extents");
	r = fields_take(reply, info_fields, ARRAY_SIZE(info_fields), &now);
	if (r == 0 && (!json_object_is_type(c->extents, json_type_array) ||
		       (next && !json_object_is_type(next, json_type_int))))
		r = -EBADMSG;
	if (r == 0 && next && ((uint64_t)json_object_get_int64(next) < c->end_bytes ||
			       (uint64_t)json_object_get_int64(next) <= c->next_bytes))
		r = -EBADMSG;	/* we would go round in circles */
	c->next_bytes = next ? (uint64_t)json_object_get_int64(next) : UINT64_MAX;
	if (r < 0) {
		r = error_local(ret_error, r, c->device);
	} else if (c->info.device) {
		r = merge(c, &now, ret_error);
	} else {
		c->info = now;
		return 0;
	}
	info_done(&now);
	return r;
}

static int ask(struct bpfsnap_changes *c, struct json_object *o, struct bpfsnap_error **ret_error)
{
	struct json_object *reply = NULL;
	int r;

	if (o) {
		put_number(o, "max", c->page_extents);
		put_true(o, "details", c->details);
	}
	r = handle_call(c->bpfsnap, BPFSNAP_INTERFACE ".ListChanges", o, &reply, ret_error);
	return r < 0 ? r : take_page(c, reply, ret_error);
}

static int ask_next(struct bpfsnap_changes *c, struct bpfsnap_error **ret_error)
{
	struct json_object *o = one_text("device", c->device);

	if (o) {
		put_text(o, "generation", c->info.generation);
		json_object_object_add(o, "since", json_object_new_int64((int64_t)c->info.since));
		json_object_object_add(o, "start", json_object_new_int64((int64_t)c->next_bytes));
	}
	return ask(c, o, ret_error);
}

static struct json_object *question(const struct bpfsnap_changes_options *options)
{
	struct json_object *o = one_text("device", options->device);

	if (!o)
		return NULL;
	if (options->checkpoint)
		put_text(o, "checkpoint", options->checkpoint);
	else
		put_any_number(o, "since", options->since);
	put_text(o, "generation", options->generation);
	put_number(o, "start", options->start_bytes);
	return o;
}

int bpfsnap_changes_begin(struct bpfsnap *bpfsnap, const struct bpfsnap_changes_options *options,
			  struct bpfsnap_changes **ret_changes, struct bpfsnap_error **ret_error)
{
	struct bpfsnap_changes_options taken;
	struct bpfsnap_changes *c;
	int r;

	*ret_changes = NULL;
	r = options_take(options, sizeof(taken), sizeof(taken), &taken, ret_error);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return error_local(ret_error, -ENOMEM, options->device);
	c->bpfsnap = bpfsnap;
	c->page_extents = options->page_extents;
	c->details = options->details;
	c->next_bytes = options->start_bytes;
	c->device = strdup(options->device);
	r = ask(c, c->device ? question(options) : NULL, ret_error);
	if (r < 0) {
		bpfsnap_changes_end(c);
		return r;
	}
	*ret_changes = c;
	return 0;
}

const struct bpfsnap_changes_info *bpfsnap_changes_info(const struct bpfsnap_changes *c)
{
	return &c->info;
}

static int take_extent(struct bpfsnap_changes *c, struct bpfsnap_extent *extent,
		       struct bpfsnap_error **ret_error)
{
	int r;

	memset(extent, 0, sizeof(*extent));
	r = fields_take(json_object_array_get_idx(c->extents, c->at), extent_fields,
			ARRAY_SIZE(extent_fields), extent);
	if (r == 0 && (!extent->length_bytes || extent->offset_bytes < c->end_bytes ||
		       extent->length_bytes > c->info.size_bytes ||
		       extent->offset_bytes > c->info.size_bytes - extent->length_bytes))
		r = -EBADMSG;
	if (r < 0)
		return error_local(ret_error, r, c->device);
	if (!c->details)
		extent->epoch = 0;
	c->end_bytes = extent->offset_bytes + extent->length_bytes;
	c->at++;
	return 1;
}

int bpfsnap_changes_next(struct bpfsnap_changes *c, struct bpfsnap_extent *extent,
			 struct bpfsnap_error **ret_error)
{
	int r = 0;

	if (c->is_broken)
		return error_make(ret_error, BPFSNAP_REASON_BAD_REPLY, c->device,
				  "The list of changes has ended with an error before.");
	while (r == 0 && c->at == json_object_array_length(c->extents)) {
		if (c->next_bytes == UINT64_MAX)
			return 0;
		r = ask_next(c, ret_error);
	}
	if (r == 0)
		r = take_extent(c, extent, ret_error);
	c->is_broken = r < 0;
	return r;
}

void bpfsnap_changes_end(struct bpfsnap_changes *c)
{
	if (!c)
		return;
	info_done(&c->info);
	json_object_put(c->page);
	free(c->device);
	free(c);
}

static const struct kind info_kind = {
	.fields = info_fields, .nr_fields = ARRAY_SIZE(info_fields),
	.size_bytes = sizeof(struct bpfsnap_changes_info),
};

/* What it says can't change any more, and it is as long as it must be. */
static bool is_bitmap(int fd, const struct bpfsnap_changes_info *info)
{
	const int needed = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	const uint64_t bits = info->granularity_bytes && info->size_bytes ?
			      (info->size_bytes - 1) / info->granularity_bytes + 1 : 0;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return bits && seals >= 0 && (seals & needed) == needed && fstat(fd, &st) == 0 &&
	       (uint64_t)st.st_size == (bits - 1) / 8 + 1;
}

int bpfsnap_changes_open(struct bpfsnap *bpfsnap, const struct bpfsnap_changes_options *options,
			 struct bpfsnap_changes_info **ret_info, struct bpfsnap_error **ret_error)
{
	struct bpfsnap_changes_options taken;
	struct json_object *reply = NULL;
	int r, fd = -1;

	*ret_info = NULL;
	r = options_take(options, sizeof(taken), sizeof(taken), &taken, ret_error);
	if (r < 0)
		return r;
	if (taken.start_bytes || taken.page_extents || taken.details)
		return error_make(ret_error, BPFSNAP_REASON_INVALID_PARAMETER,
				  taken.start_bytes ? "start" : taken.details ? "details" : "max",
				  "A bitmap is of the whole device, and has no details.");
	r = handle_call_fd(bpfsnap, BPFSNAP_INTERFACE ".OpenChanges", question(&taken), "changes_fd",
			   &fd, &reply, ret_error);
	if (r < 0)
		return r;
	r = kind_take(&info_kind, reply, (void **)ret_info);
	json_object_put(reply);
	if (r == 0 && !is_bitmap(fd, *ret_info))
		r = -EBADMSG;
	if (r == 0)
		return fd;
	close(fd);
	bpfsnap_changes_info_free(*ret_info);
	*ret_info = NULL;
	return error_local(ret_error, r, taken.device);
}

void bpfsnap_changes_info_free(struct bpfsnap_changes_info *info)
{
	kind_free(&info_kind, info);
}
