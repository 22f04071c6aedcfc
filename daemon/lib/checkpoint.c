// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How does a program remember up to where it has read?
 */
#include "lib.h"

#define OF(name, kind, member) { name, FIELD_##kind, offsetof(struct bpfsnap_checkpoint, member) }
static const struct field fields[] = {
	OF("name", STRING, name),
	OF("device", STRING, device),
	OF("generation", STRING, generation),
	OF("since", NUMBER, since),
	OF("created_ns", NUMBER, created_ns),
	OF("age_ns", NUMBER, age_ns),
	OF("changed_bytes", NUMBER_OR_MAX, changed_bytes),
};
#undef OF

static const struct kind kind = {
	.fields = fields, .nr_fields = ARRAY_SIZE(fields),
	.size_bytes = sizeof(struct bpfsnap_checkpoint),
};

int bpfsnap_checkpoint_list(struct bpfsnap *bpfsnap, const char *device,
			    struct bpfsnap_checkpoint ***ret_checkpoints,
			    struct bpfsnap_error **ret_error)
{
	return kind_call_list(bpfsnap, BPFSNAP_INTERFACE ".ListCheckpoints",
			      one_text("device", device), "checkpoints", &kind,
			      (void ***)ret_checkpoints, ret_error);
}

int bpfsnap_checkpoint_commit(struct bpfsnap *bpfsnap, const char *device, const char *name,
			      uint64_t since, const char *generation,
			      struct bpfsnap_error **ret_error)
{
	struct json_object *o = one_text("device", device);

	if (o) {
		put_text(o, "name", name);
		put_text(o, "generation", generation);
		json_object_object_add(o, "since", json_object_new_int64((int64_t)since));
	}
	return handle_call(bpfsnap, BPFSNAP_INTERFACE ".CommitCheckpoint", o, NULL, ret_error);
}

int bpfsnap_checkpoint_remove(struct bpfsnap *bpfsnap, const char *device, const char *name,
			      struct bpfsnap_error **ret_error)
{
	struct json_object *o = one_text("device", device);

	if (o)
		put_text(o, "name", name);
	return handle_call(bpfsnap, BPFSNAP_INTERFACE ".RemoveCheckpoint", o, NULL, ret_error);
}

void bpfsnap_checkpoint_list_free(struct bpfsnap_checkpoint **checkpoints)
{
	kind_free_list(&kind, (void **)checkpoints);
}
