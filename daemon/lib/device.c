// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How does a program attach devices, and where did an epoch end on them?
 */
#include "lib.h"

#define OF(name, kind, member) { name, FIELD_##kind, offsetof(struct bpfsnap_device, member) }
static const struct field device_fields[] = {
	OF("device", STRING, device),
	OF("generation", STRING, generation),
	OF("cause", STRING, cause),
	OF("reason", STRING_OR_NULL, reason),
	OF("size", NUMBER, size_bytes),
	OF("granularity", NUMBER, granularity_bytes),
	OF("first_epoch", NUMBER, first_epoch),
	OF("epoch", NUMBER, epoch),
	OF("attached_ns", NUMBER, attached_ns),
	OF("write_bios", NUMBER, write_bios),
	OF("write_bytes", NUMBER, write_bytes),
	OF("discard_bytes", NUMBER, discard_bytes),
	OF("changed_bytes", NUMBER, changed_bytes),
	OF("map_bytes", NUMBER, map_bytes),
	OF("state", UNCERTAIN, is_uncertain),
};
#undef OF

static const struct kind device_kind = {
	.fields = device_fields, .nr_fields = ARRAY_SIZE(device_fields),
	.size_bytes = sizeof(struct bpfsnap_device),
};

#define OF(name, kind, member) { name, FIELD_##kind, offsetof(struct bpfsnap_description, member) }
static const struct field description_fields[] = {
	OF("device", STRING, device),
	OF("disk", STRING, disk),
	OF("reason", STRING_OR_NULL, reason),
	OF("size", NUMBER, size_bytes),
	OF("granularity", NUMBER, granularity_bytes),
	OF("map_bytes", NUMBER, map_bytes),
	OF("attached", BOOL, is_attached),
	OF("state", UNCERTAIN, is_uncertain),
};
#undef OF

static const struct kind description_kind = {
	.fields = description_fields, .nr_fields = ARRAY_SIZE(description_fields),
	.size_bytes = sizeof(struct bpfsnap_description),
};

#define OF(name, kind, member) { name, FIELD_##kind, offsetof(struct bpfsnap_boundary, member) }
static const struct field boundary_fields[] = {
	OF("device", STRING, device),
	OF("generation", STRING, generation),
	OF("reason", STRING_OR_NULL, reason),
	OF("since", NUMBER, since),
	OF("state", UNCERTAIN, is_uncertain),
};
#undef OF

static const struct kind boundary_kind = {
	.fields = boundary_fields, .nr_fields = ARRAY_SIZE(boundary_fields),
	.size_bytes = sizeof(struct bpfsnap_boundary),
};

static struct json_object *of_device(const char *device, uint64_t granularity_bytes)
{
	struct json_object *o = one_text("device", device);

	if (o)
		put_number(o, "granularity", granularity_bytes);
	return o;
}

/* A call that replies with the device, which not everybody wants. */
static int device_call(struct bpfsnap *bpfsnap, const char *method, const char *device,
		       uint64_t granularity_bytes, struct bpfsnap_device **ret_device,
		       struct bpfsnap_error **ret_error)
{
	void *one;
	int r;

	r = kind_call(bpfsnap, method, of_device(device, granularity_bytes), "device",
		      &device_kind, &one, ret_error);
	if (ret_device)
		*ret_device = one;
	else
		kind_free(&device_kind, one);
	return r;
}

int bpfsnap_device_attach(struct bpfsnap *bpfsnap, const char *device, uint64_t granularity_bytes,
			  struct bpfsnap_device **ret_device, struct bpfsnap_error **ret_error)
{
	return device_call(bpfsnap, BPFSNAP_INTERFACE ".AttachDevice", device, granularity_bytes,
			   ret_device, ret_error);
}

int bpfsnap_generation_renew(struct bpfsnap *bpfsnap, const char *device,
			     struct bpfsnap_device **ret_device, struct bpfsnap_error **ret_error)
{
	return device_call(bpfsnap, BPFSNAP_INTERFACE ".RenewGeneration", device, 0, ret_device, ret_error);
}

int bpfsnap_device_mark_dirty(struct bpfsnap *bpfsnap, const char *device, uint64_t offset_bytes,
			      uint64_t length_bytes, struct bpfsnap_error **ret_error)
{
	struct json_object *o = one_text("device", device);

	if (o) {
		put_any_number(o, "offset", offset_bytes);
		put_any_number(o, "length", length_bytes);
	}
	return handle_call(bpfsnap, BPFSNAP_INTERFACE ".MarkDirty", o, NULL, ret_error);
}

int bpfsnap_device_detach(struct bpfsnap *bpfsnap, const char *device,
			  struct bpfsnap_error **ret_error)
{
	return handle_call(bpfsnap, BPFSNAP_INTERFACE ".DetachDevice", one_text("device", device),
			   NULL, ret_error);
}

int bpfsnap_device_list(struct bpfsnap *bpfsnap, struct bpfsnap_device ***ret_devices,
			struct bpfsnap_error **ret_error)
{
	return kind_call_list(bpfsnap, BPFSNAP_INTERFACE ".ListDevices", json_object_new_object(),
			      "devices", &device_kind, (void ***)ret_devices, ret_error);
}

int bpfsnap_device_describe(struct bpfsnap *bpfsnap, const char *device,
			    uint64_t granularity_bytes,
			    struct bpfsnap_description **ret_description,
			    struct bpfsnap_error **ret_error)
{
	return kind_call(bpfsnap, BPFSNAP_INTERFACE ".DescribeDevice",
			 of_device(device, granularity_bytes), NULL, &description_kind,
			 (void **)ret_description, ret_error);
}

void bpfsnap_device_free(struct bpfsnap_device *device)
{
	kind_free(&device_kind, device);
}

void bpfsnap_device_list_free(struct bpfsnap_device **devices)
{
	kind_free_list(&device_kind, (void **)devices);
}

void bpfsnap_description_free(struct bpfsnap_description *description)
{
	kind_free(&description_kind, description);
}

int bpfsnap_epoch_advance(struct bpfsnap *bpfsnap, const char *const *devices, size_t nr_devices,
			  const char *checkpoint, bool freeze, uint32_t timeout_ms,
			  struct bpfsnap_boundary ***ret_boundaries,
			  struct bpfsnap_error **ret_error)
{
	struct json_object *o = one_text("checkpoint", checkpoint);

	if (o) {
		put_texts(o, "devices", devices, nr_devices);
		put_number(o, "timeout_ms", timeout_ms);
		json_object_object_add(o, "freeze", json_object_new_boolean(freeze));
	}
	return kind_call_list(bpfsnap, BPFSNAP_INTERFACE ".AdvanceEpoch", o, "devices",
			      &boundary_kind, (void ***)ret_boundaries, ret_error);
}

void bpfsnap_boundary_list_free(struct bpfsnap_boundary **boundaries)
{
	kind_free_list(&boundary_kind, (void **)boundaries);
}
