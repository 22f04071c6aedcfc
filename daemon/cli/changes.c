// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has changed on a device?
 *
 * A list that contradicts itself is refused: a backup made from it would be
 * wrong without anybody noticing.
 */
#include <errno.h>
#include <string.h>

#include "changes.h"

void changes_done(struct changes *changes)
{
	free(changes->device);
	free(changes->generation);
	free(changes->reason);
	free(changes->extents);
	*changes = (struct changes) {};
}

static int add_extent(struct changes *changes, struct json_object *object)
{
	struct json_object *discarded;
	struct extent extent = {};

	if (!member_number(object, "offset", &extent.offset_bytes) ||
	    !member_number(object, "length", &extent.length_bytes))
		return -EBADMSG;
	member_number(object, "epoch", &extent.epoch);
	discarded = json_object_object_get(object, "discarded");
	extent.discarded = discarded && json_object_get_boolean(discarded);
	if (extent.offset_bytes < changes->end_bytes || !extent.length_bytes ||
	    extent.offset_bytes > changes->size_bytes ||
	    extent.length_bytes > changes->size_bytes - extent.offset_bytes)
		return -EBADMSG;
	if (changes->nr == changes->room) {
		size_t room = changes->room ? changes->room * 2 : 1024;
		struct extent *extents = reallocarray(changes->extents, room, sizeof(*extents));

		if (!extents)
			return -ENOMEM;
		changes->extents = extents;
		changes->room = room;
	}
	changes->extents[changes->nr++] = extent;
	changes->end_bytes = extent.offset_bytes + extent.length_bytes;
	changes->changed_bytes += extent.length_bytes;
	return 0;
}

static int set_string(char **target, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*target);
	*target = copy;
	return 0;
}

/* What must be the same in all replies, is taken from the first. */
static int take_head(struct changes *changes, struct json_object *reply)
{
	const char *device, *generation, *state, *reason;
	uint64_t disk_offset_bytes, size_bytes, granularity_bytes, since, epoch;
	int r = 0;

	if (!member_string(reply, "device", &device) ||
	    !member_string(reply, "generation", &generation) ||
	    !member_string(reply, "state", &state) ||
	    !member_number(reply, "disk_offset", &disk_offset_bytes) ||
	    !member_number(reply, "size", &size_bytes) ||
	    !member_number(reply, "granularity", &granularity_bytes) ||
	    !member_number(reply, "since", &since) || !member_number(reply, "epoch", &epoch))
		return -EBADMSG;
	if (!changes->device) {
		r = set_string(&changes->device, device);
		if (r == 0)
			r = set_string(&changes->generation, generation);
		changes->disk_offset_bytes = disk_offset_bytes;
		changes->size_bytes = size_bytes;
		changes->granularity_bytes = granularity_bytes;
		changes->since = since;
		changes->epoch = epoch;
	} else if (strcmp(changes->device, device) || strcmp(changes->generation, generation) ||
		   changes->disk_offset_bytes != disk_offset_bytes ||
		   changes->size_bytes != size_bytes || changes->since != since ||
		   changes->granularity_bytes != granularity_bytes) {
		r = -EBADMSG;
	}
	if (r == 0 && strcmp(state, "ok")) {
		changes->uncertain = true;
		if (!changes->reason && member_string(reply, "reason", &reason))
			r = set_string(&changes->reason, reason);
	}
	return r;
}

static int take_reply(struct json_object *reply, void *data)
{
	struct changes *changes = data;
	struct json_object *extents = json_object_object_get(reply, "extents");
	int r = take_head(changes, reply);

	if (r < 0)
		return r;
	if (!json_object_is_type(extents, json_type_array))
		return -EBADMSG;
	for (size_t i = 0; i < json_object_array_length(extents); i++) {
		r = add_extent(changes, json_object_array_get_idx(extents, i));
		if (r < 0)
			return r;
	}
	if (!member_number(reply, "next", &changes->next_bytes)) {
		if (json_object_object_get(reply, "next"))
			return -EBADMSG;
		changes->next_bytes = UINT64_MAX;
	}
	return 0;
}

int changes_query(struct cli *cli, struct json_object *parameters, bool stream,
		  struct changes *ret)
{
	_cleanup_json_ struct json_object *reply = NULL;
	int r;

	if (stream) {
		r = cli_call_more(cli, "ListChanges", parameters, take_reply, ret);
	} else {
		r = cli_call(cli, "ListChanges", parameters, &reply);
		if (r == 0)
			r = take_reply(reply, ret);
	}
	if (r == 0 && stream && ret->next_bytes != UINT64_MAX)
		r = -EBADMSG;	/* a stream that ended before the list did */
	if (r == -EBADMSG)
		return cli_fail(cli, "BadReply", NULL, "the daemon's change list is malformed");
	if (r < 0 && r != -ECANCELED)
		return cli_fail_errno(cli, r, "keep", "change list");
	return r;
}
