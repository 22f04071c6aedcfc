// SPDX-License-Identifier: GPL-2.0-only
/*
 * How are remembered epochs shown and forgotten?
 */
#include "methods.h"

#include <errno.h>
#include <string.h>

#include "device.h"

int method_list_checkpoints(struct call *call, struct fault *fault)
{
	_cleanup_(freep) struct tracker_checkpoint *items = NULL;
	struct json_object *checkpoints;
	size_t nr;
	int r;

	r = tracker_check(call->daemon->tracker, fault);
	if (r < 0)
		return r;
	r = tracker_checkpoints(call->daemon->tracker, &items, &nr);
	if (r < 0)
		return r;
	checkpoints = json_object_new_array();
	for (size_t i = 0; i < nr; i++) {
		struct json_object *o = json_object_new_object();
		char device[DEVICE_NAME_MAX];

		put_string(o, "name", items[i].key.name);
		put_string(o, "device", device_name(items[i].key.dev, device, sizeof(device)));
		put_u64(o, "since", items[i].value.epoch);
		put_u64(o, "created_ns", items[i].value.created_ns);
		json_object_array_add(checkpoints, o);
	}
	call->reply = json_object_new_object();
	json_object_object_add(call->reply, "checkpoints", checkpoints);
	return 0;
}

int method_remove_checkpoint(struct call *call, struct fault *fault)
{
	const char *name = arg_string(call, "name");
	struct device d;
	int r;

	if (!tracker_checkpoint_name_ok(name))
		return fault_service(fault, REASON_INVALID_PARAMETER, "name");
	r = tracker_check(call->daemon->tracker, fault);
	if (r < 0)
		return r;
	r = device_resolve(arg_string(call, "device"), &d, fault);
	if (r < 0)
		return r;
	r = tracker_checkpoint_remove(call->daemon->tracker, d.disk_key, name);
	if (r == -ENOENT)
		return fault_checkpoint(fault, REASON_CHECKPOINT_NOT_FOUND, d.disk_name, name,
					"%s has no checkpoint %s.", d.disk_name, name);
	return r;
}
