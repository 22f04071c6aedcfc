// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is this service, and what does it speak?
 */
#include "methods.h"

#include <string.h>

int method_get_info(struct call *call, struct fault *fault)
{
	struct json_object *o = json_object_new_object(), *names = json_object_new_array();

	(void)fault;
	put_string(o, "vendor", "bpfsnap");
	put_string(o, "product", "bpfsnapd");
	put_string(o, "version", BPFSNAP_VERSION);
	put_string(o, "url", "");
	for (size_t i = 0; i < ARRAY_SIZE(call->daemon->schemas); i++)
		json_object_array_add(names,
			json_object_new_string(call->daemon->schemas[i]->interface));
	json_object_object_add(o, "interfaces", names);
	call->reply = o;
	return 0;
}

int method_get_interface_description(struct call *call, struct fault *fault)
{
	const char *name = arg_string(call, "interface");

	for (size_t i = 0; i < ARRAY_SIZE(call->daemon->schemas); i++) {
		const struct schema *schema = call->daemon->schemas[i];

		if (strcmp(schema->interface, name) != 0)
			continue;
		call->reply = json_object_new_object();
		put_string(call->reply, "description", schema->text);
		return 0;
	}
	return fault_service(fault, REASON_INTERFACE_NOT_FOUND, name);
}
