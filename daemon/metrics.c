// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is measured, and how is it told to those that collect measurements?
 */
#include "metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	enum metric_type type;
	const char *unit;
	const char *help;
} table[METRIC_NR] = {
#define METRIC(id, name, type, unit, help) { name, METRIC_TYPE_##type, unit, help },
#include "metrics.def"
#undef METRIC
};

static const char *const types[] = {
	[METRIC_TYPE_INFO] = "info",
	[METRIC_TYPE_GAUGE] = "gauge",
	[METRIC_TYPE_COUNTER] = "counter",
};

static const char *const suffixes[] = {
	[METRIC_TYPE_INFO] = "_info",
	[METRIC_TYPE_GAUGE] = "",
	[METRIC_TYPE_COUNTER] = "_total",
};

void metrics_done(struct metrics *metrics)
{
	for (int i = 0; i < METRIC_NR; i++)
		json_object_put(metrics->samples[i]);
	*metrics = (struct metrics){ 0 };
}

void metrics_add(struct metrics *metrics, enum metric metric, struct json_object *value, ...)
{
	struct json_object *labels = json_object_new_object(), *sample = json_object_new_object();
	const char *name;
	va_list ap;

	va_start(ap, value);
	while ((name = va_arg(ap, const char *))) {
		const char *text = va_arg(ap, const char *);

		if (text)
			json_object_object_add(labels, name, json_object_new_string(text));
	}
	va_end(ap);
	json_object_object_add(sample, "labels", labels);
	json_object_object_add(sample, "value", value);
	if (!metrics->samples[metric])
		metrics->samples[metric] = json_object_new_array();
	json_object_array_add(metrics->samples[metric], sample);
}

struct json_object *metrics_json(const struct metrics *metrics)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < METRIC_NR; i++) {
		struct json_object *o;

		if (!metrics->samples[i])
			continue;
		o = json_object_new_object();
		json_object_object_add(o, "name", json_object_new_string(table[i].name));
		json_object_object_add(o, "type", json_object_new_string(types[table[i].type]));
		json_object_object_add(o, "unit", *table[i].unit ?
				       json_object_new_string(table[i].unit) : NULL);
		json_object_object_add(o, "help", json_object_new_string(table[i].help));
		json_object_object_add(o, "samples", json_object_get(metrics->samples[i]));
		json_object_array_add(list, o);
	}
	return list;
}

static void print_escaped(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", f);
		else if (*text == '"' || *text == '\\')
			fprintf(f, "\\%c", *text);
		else
			fputc(*text, f);
	}
}

static void print_sample(FILE *f, int metric, struct json_object *sample)
{
	struct json_object *labels = json_object_object_get(sample, "labels");
	const char *separator = "{";

	fprintf(f, "%s%s", table[metric].name, suffixes[table[metric].type]);
	json_object_object_foreach(labels, key, value) {
		fprintf(f, "%s%s=\"", separator, key);
		print_escaped(f, json_object_get_string(value));
		fputc('"', f);
		separator = ",";
	}
	fprintf(f, "%s %s\n", *separator == ',' ? "}" : "",
		json_object_to_json_string(json_object_object_get(sample, "value")));
}

char *metrics_text(const struct metrics *metrics)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (int i = 0; i < METRIC_NR; i++) {
		struct json_object *samples = metrics->samples[i];

		if (!samples)
			continue;
		fprintf(f, "# TYPE %s %s\n", table[i].name, types[table[i].type]);
		if (*table[i].unit)
			fprintf(f, "# UNIT %s %s\n", table[i].name, table[i].unit);
		fprintf(f, "# HELP %s %s.\n", table[i].name, table[i].help);
		for (size_t s = 0; s < json_object_array_length(samples); s++)
			print_sample(f, i, json_object_array_get_idx(samples, s));
	}
	fputs("# EOF\n", f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
