// SPDX-License-Identifier: GPL-2.0-only
/*
 * How do snapshots end, whoever wants it?
 */
#include "ending.h"

#include <errno.h>
#include <string.h>

#include <uuid/uuid.h>

#include "aside.h"
#include "events.h"
#include "kctl.h"
#include "log.h"

bool ending_is_held(const char *snapshot)
{
	_cleanup_(freep) struct bpfsnap_snap_info *infos = NULL;
	size_t nr = 0;
	uuid_t id;

	if (uuid_parse(snapshot, id) < 0 || !kctl_exists())
		return false;
	if (kctl_snapshots(&infos, &nr) < 0)
		return true;
	for (size_t i = 0; i < nr; i++)
		if (memcmp(infos[i].id, id, sizeof(id)) == 0)
			return true;
	return false;
}

int ending_destroy(const char *snapshot, enum held_end why, bool force)
{
	struct event event = { .kind = EVENT_SNAPSHOT_DESTROYED, .value = -1 };
	uuid_t id;
	int r;

	if (uuid_parse(snapshot, id) < 0)
		return -ENOENT;
	r = kctl_snap_destroy(id, force);
	if (r < 0 && (r != -ENOENT || kctl_exists()))
		goto out;
	uuid_unparse_lower(id, event.snapshot);
	if (why == HELD_END_LEASE) {
		event.kind = EVENT_LEASE;
		events_add(&event, "The lease of the snapshot has expired.");
		event.kind = EVENT_SNAPSHOT_DESTROYED;
	}
	events_add(&event, "The snapshot was destroyed, %s.", held_end_text(why));
	log_info("destroyed snapshot %s, %s", event.snapshot, held_end_text(why));
out:
	if (r == 0 || r == -ENOENT)
		held_forget(snapshot);
	if (r == 0)
		aside_clean();
	return r;
}

static int end_one(struct call *call, struct fault *fault)
{
	const char *snapshot = arg_string(call, "snapshot");
	enum held_end why = (enum held_end)json_object_get_int(
		json_object_object_get(call->args, "why"));
	int r;

	r = TRACKER_WAIT(call->daemon->tracker, ending_destroy(snapshot, why, false));
	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		held_retry(snapshot);
		log_debug("snapshot %s, to be destroyed %s, cannot be yet: %s", snapshot,
			  held_end_text(why), strerror(-r));
	}
	return 0;
}

void ending_begin(struct daemon *daemon)
{
	char snapshot[37];
	enum held_end why;

	while (held_due(snapshot, &why)) {
		struct json_object *args = json_object_new_object();

		put_string(args, "snapshot", snapshot);
		put_u64(args, "why", why);
		methods_background(daemon, "end of a snapshot", end_one, args);
	}
}

void ending_finish(void)
{
	char snapshot[37];
	enum held_end why;

	while (held_due(snapshot, &why))
		(void)ending_destroy(snapshot, why, false);
}
