// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has happened between two looks at the daemon's metrics?
 */
#include <stdio.h>
#include <string.h>

#include "top.h"

/* Values by "name{labels}": they are looked up by the thousand. */
struct look {
	struct json_object *metrics;
	struct json_object *values;
};

static struct json_object *find_samples(struct json_object *metrics, const char *name)
{
	const char *text;

	for (size_t i = 0; json_object_is_type(metrics, json_type_array) &&
			   i < json_object_array_length(metrics); i++) {
		struct json_object *o = json_object_array_get_idx(metrics, i);

		if (member_string(o, "name", &text) && !strcmp(text, name))
			return json_object_object_get(o, "samples");
	}
	return NULL;
}

static char *key_of(const char *name, struct json_object *labels)
{
	char *key;

	if (asprintf(&key, "%s%s", name,
		     json_object_to_json_string_ext(labels, JSON_C_TO_STRING_PLAIN)) < 0)
		return NULL;
	return key;
}

static void make_look(struct json_object *reply, struct look *ret)
{
	struct look look = {
		.metrics = json_object_object_get(reply, "metrics"),
		.values = json_object_new_object(),
	};

	for (size_t i = 0; json_object_is_type(look.metrics, json_type_array) &&
			   i < json_object_array_length(look.metrics); i++) {
		struct json_object *o = json_object_array_get_idx(look.metrics, i), *samples;
		const char *name;

		samples = json_object_object_get(o, "samples");
		for (size_t s = 0; member_string(o, "name", &name) &&
				   json_object_is_type(samples, json_type_array) &&
				   s < json_object_array_length(samples); s++) {
			struct json_object *sample = json_object_array_get_idx(samples, s);
			_cleanup_free_ char *key =
				key_of(name, json_object_object_get(sample, "labels"));

			if (key)
				json_object_object_add(look.values, key, json_object_get(
					json_object_object_get(sample, "value")));
		}
	}
	*ret = look;
}

static bool value_of(const struct look *look, const char *name, struct json_object *labels,
		     uint64_t *ret)
{
	_cleanup_free_ char *key = key_of(name, labels);

	return key && member_number(look->values, key, ret);
}

static bool was_attached(const struct look looks[2], struct json_object *labels)
{
	_cleanup_json_ struct json_object *device = json_object_new_object();
	uint64_t size;

	json_object_object_add(device, "device",
			       json_object_get(json_object_object_get(labels, "device")));
	return value_of(&looks[0], "bpfsnap_device_size_bytes", device, &size);
}

/* Between two looks, per second; false if there is none. */
static bool rate_of(const struct look looks[2], const char *name, struct json_object *labels,
		    uint64_t passed_ns, uint64_t *ret)
{
	uint64_t before = 0, after;

	if (!passed_ns || !value_of(&looks[1], name, labels, &after))
		return false;
	/* who was not there before has written nothing until then */
	if (!value_of(&looks[0], name, labels, &before) &&
	    !(json_object_object_get(labels, "cgroup") && was_attached(looks, labels)))
		return false;
	if (after < before)
		return false;
	*ret = (uint64_t)((double)(after - before) * 1e9 / (double)passed_ns + 0.5);
	return true;
}

static void put(struct json_object *row, const char *key, bool is_known, uint64_t value)
{
	json_object_object_add(row, key, is_known ? json_object_new_uint64(value) : NULL);
}

static void put_rate(struct json_object *row, const char *key, const struct look looks[2],
		     const char *name, struct json_object *labels, uint64_t passed_ns)
{
	uint64_t rate = 0;
	bool is_known = rate_of(looks, name, labels, passed_ns, &rate);

	put(row, key, is_known, rate);
}

static void put_value(struct json_object *row, const char *key, const struct look *look,
		      const char *name, struct json_object *labels)
{
	uint64_t value = 0;
	bool is_known = value_of(look, name, labels, &value);

	put(row, key, is_known, value);
}

static void copy_label(struct json_object *row, const char *key, struct json_object *labels)
{
	json_object_object_add(row, key, json_object_get(json_object_object_get(labels, key)));
}

static struct json_object *show_device(const struct look looks[2], struct json_object *labels,
				       uint64_t passed_ns)
{
	struct json_object *row = json_object_new_object();
	uint64_t passed = 0, diverted = 0, uncertain = 0;
	bool has_gate;

	copy_label(row, "device", labels);
	put_rate(row, "written_bytes_per_s", looks, "bpfsnap_device_written_bytes", labels, passed_ns);
	put_rate(row, "changed_bytes_per_s", looks, "bpfsnap_device_changed_bytes", labels, passed_ns);
	put_rate(row, "writes_per_s", looks, "bpfsnap_device_writes", labels, passed_ns);
	has_gate = rate_of(looks, "bpfsnap_device_gate_writes", labels, passed_ns, &passed) &&
		   rate_of(looks, "bpfsnap_device_diverted_writes", labels, passed_ns, &diverted);
	put(row, "diverted_percent", has_gate, passed ? diverted * 100 / passed : 0);
	put_value(row, "epoch_changed_bytes", &looks[1], "bpfsnap_device_epoch_changed_bytes", labels);
	value_of(&looks[1], "bpfsnap_device_uncertain", labels, &uncertain);
	member_add_string(row, "state", uncertain ? "uncertain" : "ok");
	return row;
}

static struct json_object *show_writer(const struct look looks[2], struct json_object *labels,
				       uint64_t passed_ns)
{
	struct json_object *row = json_object_new_object();

	copy_label(row, "device", labels);
	copy_label(row, "cgroup", labels);
	copy_label(row, "path", labels);
	put_rate(row, "written_bytes_per_s", looks, "bpfsnap_writer_bytes", labels, passed_ns);
	put_rate(row, "writes_per_s", looks, "bpfsnap_writer_writes", labels, passed_ns);
	return row;
}

/* Storages may be shared: each image shows how fast its own fills, and what is left of all. */
static struct json_object *show_image(const struct look looks[2], struct json_object *labels,
				      uint64_t passed_ns)
{
	_cleanup_json_ struct json_object *of_snapshot = json_object_new_object();
	struct json_object *row = json_object_new_object();
	uint64_t stored = 0, room = 0, failed = 0;
	bool fills;

	copy_label(row, "snapshot", labels);
	copy_label(row, "device", labels);
	copy_label(row, "image", labels);
	copy_label(of_snapshot, "snapshot", labels);
	put_rate(row, "copied_bytes_per_s", looks, "bpfsnap_image_copied_bytes", labels, passed_ns);
	put_value(row, "memory_bytes", &looks[1], "bpfsnap_snapshot_memory_bytes", of_snapshot);
	put_value(row, "stored_bytes", &looks[1], "bpfsnap_image_stored_bytes", labels);
	put_value(row, "room_bytes", &looks[1], "bpfsnap_image_room_bytes", labels);
	fills = value_of(&looks[1], "bpfsnap_image_room_bytes", labels, &room) &&
		rate_of(looks, "bpfsnap_image_stored_bytes", labels, passed_ns, &stored) && stored;
	put(row, "full_in_ns", fills && room / stored < INT64_MAX / 1000000000,
	    stored ? (uint64_t)((double)room / (double)stored * 1e9) : 0);
	value_of(&looks[1], "bpfsnap_image_failed", labels, &failed);
	member_add_string(row, "state", failed ? "failed" : "ok");
	return row;
}

static int by_rate(const void *a, const void *b)
{
	uint64_t x = 0, y = 0;

	member_number(*(struct json_object *const *)a, "written_bytes_per_s", &x);
	member_number(*(struct json_object *const *)b, "written_bytes_per_s", &y);
	return x > y ? -1 : x < y;
}

static struct json_object *show_all(const struct look looks[2], const char *name, uint64_t passed_ns,
				    struct json_object *(*show)(const struct look looks[2],
								struct json_object *labels,
								uint64_t passed_ns))
{
	struct json_object *samples = find_samples(looks[1].metrics, name);
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; json_object_is_type(samples, json_type_array) &&
			   i < json_object_array_length(samples); i++)
		json_object_array_add(rows, show(looks, json_object_object_get(
			json_object_array_get_idx(samples, i), "labels"), passed_ns));
	return rows;
}

struct json_object *top_compute(struct json_object *before, struct json_object *after,
				uint64_t passed_ns)
{
	struct json_object *o = json_object_new_object(), *writers;
	struct look looks[2];

	make_look(before, &looks[0]);
	make_look(after, &looks[1]);
	writers = show_all(looks, "bpfsnap_writer_bytes", passed_ns, show_writer);
	json_object_array_sort(writers, by_rate);
	json_object_object_add(o, "devices",
			       show_all(looks, "bpfsnap_device_size_bytes", passed_ns, show_device));
	json_object_object_add(o, "writers", writers);
	json_object_object_add(o, "snapshots",
			       show_all(looks, "bpfsnap_image_stored_bytes", passed_ns, show_image));
	json_object_put(looks[0].values);
	json_object_put(looks[1].values);
	return o;
}
