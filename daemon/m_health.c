// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is at work here, what can be had from it, and is it well?
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include <bpf/libbpf.h>
#include <uuid/uuid.h>

#include "device.h"
#include "facts.h"
#include "kload.h"
#include "view.h"

enum {
	NEARLY_FULL_PERCENT = 90,
};

static void look(const struct daemon *daemon, struct utsname *ret_kernel,
		 struct fact ret_facts[FACT_NR])
{
	struct facts_place place = {
		.root = "",
		.release = ret_kernel->release,
		.module_path = daemon->module_path,
		.storage_dir = daemon->storage_dir,
	};

	uname(ret_kernel);
	facts_look(&place, ret_facts);
}

static void put_capability(struct json_object *list, const char *name, const char *reason,
			   const char *advice)
{
	struct json_object *o = json_object_new_object();

	put_string(o, "name", name);
	json_object_object_add(o, "available", json_object_new_boolean(!reason));
	put_string(o, "reason", reason);
	put_string(o, "advice", reason && advice && *advice ? advice : NULL);
	json_object_array_add(list, o);
}

/* The first of some facts without which a thing can't be had. */
static const struct fact *lack(const struct fact facts[FACT_NR], const enum fact_name *names,
			       size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (facts[names[i]].state == FACT_MISSING)
			return &facts[names[i]];
	return NULL;
}

static struct json_object *show_capabilities(const struct daemon *daemon,
					     const struct fact facts[FACT_NR])
{
	static const enum fact_name for_tracking[] = {
		FACT_KERNEL, FACT_RIGHTS, FACT_BTF, FACT_BPFFS,
	};
	static const enum fact_name for_module[] = {
		FACT_LOADING, FACT_INSTALLED, FACT_FTRACE, FACT_GATE,
	};
	_cleanup_(fault_done) struct fault tracking = { 0 }, module = { 0 };
	struct json_object *list = json_object_new_array();
	const char *reason = NULL, *advice = NULL;
	const struct fact *missing;

	missing = lack(facts, for_tracking, ARRAY_SIZE(for_tracking));
	if (tracker_check(daemon->tracker, &tracking) < 0)
		reason = fault_text(&tracking);
	else if (missing && !tracker_is_loaded(daemon->tracker))
		reason = missing->text, advice = missing->advice;
	put_capability(list, "tracking", reason, advice);
	put_capability(list, "boundaries", reason, advice);
	put_capability(list, "writers", reason, advice);
	if (!reason && kload_check(&module) < 0) {
		missing = lack(facts, for_module, ARRAY_SIZE(for_module));
		reason = missing && !kctl_exists() ? missing->text : fault_text(&module);
		advice = missing && !kctl_exists() ? missing->advice : facts[FACT_LOADED].advice;
	} else if (!reason && tracker_is_loaded(daemon->tracker) &&
		   !tracker_is_gated(daemon->tracker)) {
		reason = "Devices were attached before the module was loaded.";
		advice = "Detach all of them and attach them again; their histories begin anew.";
	}
	put_capability(list, "verification", reason, advice);
	put_capability(list, "snapshots", reason, advice);
	return list;
}

int method_get_version(struct call *call, struct fault *fault)
{
	struct json_object *o = json_object_new_object();
	struct bpfsnap_ioc_version module = { 0 };
	struct fact facts[FACT_NR];
	struct utsname kernel;
	char version[64] = "", libbpf[24];
	FILE *f;

	(void)fault;
	look(call->daemon, &kernel, facts);
	f = fopen("/sys/module/bpfsnap/version", "re");
	if (f) {
		if (fgets(version, sizeof(version), f))
			version[strcspn(version, "\n")] = '\0';
		fclose(f);
	}
	snprintf(libbpf, sizeof(libbpf), "%u.%u", libbpf_major_version(), libbpf_minor_version());
	put_string(o, "daemon", BPFSNAP_VERSION);
	put_string(o, "kernel", kernel.release);
	put_string(o, "machine", kernel.machine);
	put_string(o, "libbpf", libbpf);
	put_string(o, "module", *version ? version : NULL);
	json_object_object_add(o, "module_abi", kctl_version(&module) == 0 ?
			       json_object_new_int64(module.abi) : NULL);
	put_u64(o, "module_abi_needed", BPFSNAP_IOC_ABI);
	put_u64(o, "maps_abi", BPFSNAP_TRACK_ABI);
	json_object_object_add(o, "programs_loaded",
			       json_object_new_boolean(tracker_is_loaded(call->daemon->tracker)));
	json_object_object_add(o, "capabilities", show_capabilities(call->daemon, facts));
	call->reply = o;
	return 0;
}

static void put_problem(struct json_object *list, const char *object, bool is_error,
			const char *reason, const char *advice)
{
	struct json_object *o = json_object_new_object();

	put_string(o, "object", object);
	put_string(o, "severity", is_error ? "error" : "warning");
	put_string(o, "reason", reason);
	put_string(o, "advice", advice);
	json_object_array_add(list, o);
}

static void find_device_problems(struct json_object *problems, const struct view *view)
{
	for (size_t i = 0; i < view->disks.nr; i++) {
		_cleanup_(json_putp) struct json_object *o = view_device(view, view->disks.items[i]);
		struct json_object *reason = json_object_object_get(o, "reason");

		if (reason)
			put_problem(problems,
				    json_object_get_string(json_object_object_get(o, "device")),
				    false, json_object_get_string(reason),
				    "Lists of changes may lack writes: take a full backup, from a snapshot later than that, and go on from it.");
	}
}

static void find_range_problem(struct json_object *problems, const struct bpfsnap_snap_info *info)
{
	char object[DEVICE_NAME_MAX + 64], id[37], text[256];
	struct device d;

	uuid_unparse_lower(info->id, id);
	device_at(key_make(info->major, info->minor), info->start_sect, info->nr_sect, &d);
	snprintf(object, sizeof(object), "snapshot %s of %s", id, d.name);
	if (info->error) {
		snprintf(text, sizeof(text), "The image failed, for good: %s.",
			 strerror((int)info->error));
		put_problem(problems, object, true, text,
			    "Destroy the snapshot, and take another with more or better storage.");
	} else if (info->store_limit_bytes &&
		   info->store_used_bytes / (NEARLY_FULL_PERCENT / 10) >=
		   info->store_limit_bytes / 10) {
		snprintf(text, sizeof(text), "Its storage is full by over %d %%: %llu of %llu bytes.",
			 NEARLY_FULL_PERCENT, (unsigned long long)info->store_used_bytes,
			 (unsigned long long)info->store_limit_bytes);
		put_problem(problems, object, false, text,
			    "Extend the storage, or destroy the snapshot, before it fails.");
	}
}

static int find_problems(struct json_object *problems, const struct daemon *daemon)
{
	_cleanup_(fault_done) struct fault tracking = { 0 }, module = { 0 };
	_cleanup_(freep) struct bpfsnap_snap_info *infos = NULL;
	_cleanup_(view_done) struct view view = { 0 };
	size_t nr = 0;
	int r;

	if (tracker_check(daemon->tracker, &tracking) < 0)
		put_problem(problems, "tracking", true, fault_text(&tracking),
			    "Detach all devices with the release that attached them, or reboot.");
	/* no module is a lack, not a fault; one that doesn't fit is */
	if (kctl_exists() && kload_check(&module) < 0)
		put_problem(problems, "module", true, fault_text(&module),
			    "Detach all devices, unload the module and load that of this release.");
	r = view_take(daemon->tracker, &view);
	if (r < 0)
		return r;
	find_device_problems(problems, &view);
	if (!kctl_exists() || module.reason)
		return 0;
	r = kctl_snapshots(&infos, &nr);
	for (size_t i = 0; r >= 0 && i < nr; i++)
		find_range_problem(problems, &infos[i]);
	return r;
}

/* The worst of what was found. */
static const char *sum_up(struct json_object *problems)
{
	const char *state = "ok";

	for (size_t i = 0; i < json_object_array_length(problems); i++) {
		struct json_object *o = json_object_array_get_idx(problems, i);

		if (!strcmp(json_object_get_string(json_object_object_get(o, "severity")), "error"))
			return "failed";
		state = "degraded";
	}
	return state;
}

static struct json_object *show_facts(const struct fact facts[FACT_NR])
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < FACT_NR; i++) {
		struct json_object *o = json_object_new_object();

		put_string(o, "name", facts_name((enum fact_name)i));
		put_string(o, "state", facts_state(facts[i].state));
		put_string(o, "text", facts[i].text);
		put_string(o, "advice", *facts[i].advice ? facts[i].advice : NULL);
		json_object_array_add(list, o);
	}
	return list;
}

int method_get_health(struct call *call, struct fault *fault)
{
	_cleanup_(json_putp) struct json_object *problems = json_object_new_array();
	struct fact facts[FACT_NR];
	struct utsname kernel;
	int r;

	r = find_problems(problems, call->daemon);
	if (r < 0)
		return fault_system(fault, "look", r, "The state cannot be had: %s.", strerror(-r));
	look(call->daemon, &kernel, facts);
	call->reply = json_object_new_object();
	put_string(call->reply, "state", sum_up(problems));
	json_object_object_add(call->reply, "problems", json_object_get(problems));
	json_object_object_add(call->reply, "checks", show_facts(facts));
	return 0;
}
