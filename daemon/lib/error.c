// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What went wrong, with which object, and how is it told?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

struct bpfsnap_error {
	enum bpfsnap_reason reason;
	char *name;
	char *object;
	char *message;
};

/* Where there is no memory to say so. */
static struct bpfsnap_error no_memory = {
	.reason = BPFSNAP_REASON_NO_MEMORY,
	.name = (char *)"NoMemory",
	.object = (char *)"",
	.message = (char *)"Out of memory",
};

static const struct {
	enum bpfsnap_reason reason;
	const char *name;
	const char *object;	/* the error's parameter that names it */
	int error;
} reasons[] = {
	{ BPFSNAP_REASON_DEVICE_NOT_FOUND,	"DeviceNotFound", "device", ENODEV },
	{ BPFSNAP_REASON_DEVICE_UNSUPPORTED,	"DeviceUnsupported", "device", EOPNOTSUPP },
	{ BPFSNAP_REASON_DEVICE_BUSY,		"DeviceBusy", "device", EBUSY },
	{ BPFSNAP_REASON_DEVICE_CHANGED,	"DeviceChanged", "device", ESTALE },
	{ BPFSNAP_REASON_ALREADY_ATTACHED,	"AlreadyAttached", "device", EEXIST },
	{ BPFSNAP_REASON_NOT_ATTACHED,		"NotAttached", "device", ENODEV },
	{ BPFSNAP_REASON_DRAIN_TIMEOUT,		"DrainTimeout", "device", ETIMEDOUT },
	{ BPFSNAP_REASON_FREEZE_FAILED,		"FreezeFailed", "device", EIO },
	{ BPFSNAP_REASON_HOOK_FAILED,		"HookFailed", "command", ECANCELED },
	{ BPFSNAP_REASON_SNAPSHOT_NOT_FOUND,	"SnapshotNotFound", "snapshot", ENOENT },
	{ BPFSNAP_REASON_SNAPSHOT_BUSY,		"SnapshotBusy", "snapshot", EBUSY },
	{ BPFSNAP_REASON_STORAGE_UNSUITABLE,	"StorageUnsuitable", "path", EXDEV },
	{ BPFSNAP_REASON_GENERATION_CHANGED,	"GenerationChanged", "device", ESTALE },
	{ BPFSNAP_REASON_EPOCH_OUT_OF_RANGE,	"EpochOutOfRange", "device", ERANGE },
	{ BPFSNAP_REASON_EPOCHS_EXHAUSTED,	"EpochsExhausted", NULL, EOVERFLOW },
	{ BPFSNAP_REASON_CHECKPOINT_NOT_FOUND,	"CheckpointNotFound", "name", ENOENT },
	{ BPFSNAP_REASON_CHECKPOINT_EXISTS,	"CheckpointExists", "name", EEXIST },
	{ BPFSNAP_REASON_TOO_MANY_CHECKPOINTS,	"TooManyCheckpoints", NULL, ENOSPC },
	{ BPFSNAP_REASON_TRACKER_UNAVAILABLE,	"TrackerUnavailable", NULL, ENOTCONN },
	{ BPFSNAP_REASON_MODULE_UNAVAILABLE,	"ModuleUnavailable", NULL, ENOTCONN },
	{ BPFSNAP_REASON_SYSTEM_FAILURE,	"SystemFailure", "operation", EIO },
	{ BPFSNAP_REASON_KEY_REUSED,		"KeyReused", "key", EEXIST },
	{ BPFSNAP_REASON_HANDLE_UNSUITABLE,	"HandleUnsuitable", "parameter", EINVAL },
	{ BPFSNAP_REASON_INVALID_PARAMETER,	"InvalidParameter", "parameter", EINVAL },
	{ BPFSNAP_REASON_PERMISSION_DENIED,	"PermissionDenied", NULL, EACCES },
	{ BPFSNAP_REASON_UNREACHABLE,		"Unreachable", NULL, ENOTCONN },
	{ BPFSNAP_REASON_BAD_REPLY,		"BadReply", NULL, EBADMSG },
	{ BPFSNAP_REASON_NO_MEMORY,		"NoMemory", NULL, ENOMEM },
	{ BPFSNAP_REASON_TOO_MANY_FILES,	"TooManyFiles", NULL, EMFILE },
};

static int fill(struct bpfsnap_error **ret_error, enum bpfsnap_reason reason, const char *name,
		const char *object, const char *message)
{
	struct bpfsnap_error *e;

	if (!ret_error)
		return 0;
	*ret_error = &no_memory;
	e = calloc(1, sizeof(*e));
	if (!e)
		return 0;
	e->reason = reason;
	e->name = strdup(name);
	e->object = strdup(object ?: "");
	e->message = strdup(message);
	if (e->name && e->object && e->message)
		*ret_error = e;
	else
		bpfsnap_error_free(e);
	return 0;
}

int error_make(struct bpfsnap_error **ret_error, enum bpfsnap_reason reason, const char *object,
	       const char *message)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].reason != reason)
			continue;
		fill(ret_error, reason, reasons[i].name, object, message);
		return -reasons[i].error;
	}
	fill(ret_error, BPFSNAP_REASON_OTHER, "Other", object, message);
	return -EIO;
}

int error_local(struct bpfsnap_error **ret_error, int r, const char *object)
{
	char message[512];

	switch (-r) {
	case ENOMEM:
		return error_make(ret_error, BPFSNAP_REASON_NO_MEMORY, object, no_memory.message);
	case EBADMSG:
	case EMSGSIZE:
		snprintf(message, sizeof(message), "%s: the daemon's reply is malformed or too long",
			 object);
		return error_make(ret_error, BPFSNAP_REASON_BAD_REPLY, object, message);
	case EMFILE:
	case ENFILE:
		snprintf(message, sizeof(message), "%s: too many files are open", object);
		return error_make(ret_error, BPFSNAP_REASON_TOO_MANY_FILES, object, message);
	case EACCES:
	case EPERM:
		snprintf(message, sizeof(message), "%s: not allowed to talk to the daemon", object);
		return error_make(ret_error, BPFSNAP_REASON_PERMISSION_DENIED, object, message);
	default:
		snprintf(message, sizeof(message), "%s: the daemon can't be reached: %s", object,
			 strerror(-r));
		return error_make(ret_error, BPFSNAP_REASON_UNREACHABLE, object, message);
	}
}

static const char *text_of(struct json_object *parameters, const char *name)
{
	struct json_object *o = name ? json_object_object_get(parameters, name) : NULL;

	return json_object_is_type(o, json_type_string) ? json_object_get_string(o) : NULL;
}

int error_remote(struct bpfsnap_error **ret_error, const char *name,
		 struct json_object *parameters)
{
	const char *message = text_of(parameters, "reason");
	const char *last = strrchr(name, '.');
	char made[512];

	last = last ? last + 1 : name;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		const char *object = text_of(parameters, reasons[i].object);

		if (strcmp(reasons[i].name, last) != 0)
			continue;
		if (!message) {
			snprintf(made, sizeof(made), "%s%s%s", last, object ? ": " : "",
				 object ?: "");
			message = made;
		}
		fill(ret_error, reasons[i].reason, last, object, message);
		return -reasons[i].error;
	}
	fill(ret_error, BPFSNAP_REASON_OTHER, last, NULL, message ?: name);
	return -EIO;
}

enum bpfsnap_reason bpfsnap_error_reason(const struct bpfsnap_error *error)
{
	return error ? error->reason : BPFSNAP_REASON_NONE;
}

const char *bpfsnap_error_name(const struct bpfsnap_error *error)
{
	return error ? error->name : "";
}

const char *bpfsnap_error_object(const struct bpfsnap_error *error)
{
	return error ? error->object : "";
}

const char *bpfsnap_error_message(const struct bpfsnap_error *error)
{
	return error ? error->message : "";
}

void bpfsnap_error_free(struct bpfsnap_error *error)
{
	if (!error || error == &no_memory)
		return;
	free(error->name);
	free(error->object);
	free(error->message);
	free(error);
}
