/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is measured, and how is it told to those that collect measurements?
 */
#ifndef BPFSNAP_METRICS_H
#define BPFSNAP_METRICS_H

#include "cleanup.h"

enum metric_type {
	METRIC_TYPE_INFO,
	METRIC_TYPE_GAUGE,
	METRIC_TYPE_COUNTER,
};

enum metric {
#define METRIC(id, name, type, unit, help) METRIC_##id,
#include "metrics.def"
#undef METRIC
	METRIC_NR,
};

/**
 * struct metrics - samples that were gathered
 * @samples: for each metric an array of {"labels":{…},"value":…}, NULL if it has none
 */
struct metrics {
	struct json_object *samples[METRIC_NR];
};

void metrics_done(struct metrics *metrics);

/**
 * metrics_add - one sample
 * @value: a number, consumed
 * @...: names and values of labels, ended by NULL; a label whose value is NULL is left out
 */
void metrics_add(struct metrics *metrics, enum metric metric, struct json_object *value, ...)
	__attribute__((sentinel));

/** metrics_json - the interface's []Metric, of those that have samples */
struct json_object *metrics_json(const struct metrics *metrics);

/** metrics_text - the same in the text format of OpenMetrics 1.0; to be freed, NULL without memory */
char *metrics_text(const struct metrics *metrics);

#endif /* BPFSNAP_METRICS_H */
