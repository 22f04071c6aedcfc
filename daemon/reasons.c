// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can go wrong, and what does the answer say about it?  One table: the
 * error's name, the errno that travels inside the daemon, and the field that
 * names the object.  A test compares it with the interface file.
 */
#include "reasons.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const char *object;	/* field that names what the error is about */
	int error;
} reasons[REASON_MAX_] = {
#define OURS(name) INTERFACE_NAME "." name
#define THEIRS(name) SERVICE_NAME "." name
	[REASON_DEVICE_NOT_FOUND]	= { OURS("DeviceNotFound"), "device", ENODEV },
	[REASON_DEVICE_UNSUPPORTED]	= { OURS("DeviceUnsupported"), "device", EOPNOTSUPP },
	[REASON_DEVICE_BUSY]		= { OURS("DeviceBusy"), "device", EBUSY },
	[REASON_DEVICE_CHANGED]		= { OURS("DeviceChanged"), "device", ESTALE },
	[REASON_ALREADY_ATTACHED]	= { OURS("AlreadyAttached"), "device", EEXIST },
	[REASON_NOT_ATTACHED]		= { OURS("NotAttached"), "device", ENODEV },
	[REASON_DRAIN_TIMEOUT]		= { OURS("DrainTimeout"), "device", ETIMEDOUT },
	[REASON_FREEZE_FAILED]		= { OURS("FreezeFailed"), "device", EIO },
	[REASON_SNAPSHOT_NOT_FOUND]	= { OURS("SnapshotNotFound"), "snapshot", ENOENT },
	[REASON_SNAPSHOT_BUSY]		= { OURS("SnapshotBusy"), "snapshot", EBUSY },
	[REASON_STORAGE_UNSUITABLE]	= { OURS("StorageUnsuitable"), "path", EXDEV },
	[REASON_GENERATION_CHANGED]	= { OURS("GenerationChanged"), "device", ESTALE },
	[REASON_EPOCH_OUT_OF_RANGE]	= { OURS("EpochOutOfRange"), "device", ERANGE },
	[REASON_EPOCHS_EXHAUSTED]	= { OURS("EpochsExhausted"), NULL, EOVERFLOW },
	[REASON_CHECKPOINT_NOT_FOUND]	= { OURS("CheckpointNotFound"), "device", ENOENT },
	[REASON_CHECKPOINT_EXISTS]	= { OURS("CheckpointExists"), "device", EEXIST },
	[REASON_TOO_MANY_CHECKPOINTS]	= { OURS("TooManyCheckpoints"), NULL, ENOSPC },
	[REASON_TRACKER_UNAVAILABLE]	= { OURS("TrackerUnavailable"), NULL, ENOTCONN },
	[REASON_MODULE_UNAVAILABLE]	= { OURS("ModuleUnavailable"), NULL, ENOTCONN },
	[REASON_PERMISSION_DENIED]	= { OURS("PermissionDenied"), "method", EACCES },
	[REASON_KEY_REUSED]		= { OURS("KeyReused"), "key", EEXIST },
	[REASON_HANDLE_UNSUITABLE]	= { OURS("HandleUnsuitable"), "parameter", EBADF },
	[REASON_SYSTEM_FAILURE]		= { OURS("SystemFailure"), "operation", EIO },
	[REASON_INTERFACE_NOT_FOUND]	= { THEIRS("InterfaceNotFound"), "interface", ENOENT },
	[REASON_METHOD_NOT_FOUND]	= { THEIRS("MethodNotFound"), "method", ENOENT },
	[REASON_METHOD_NOT_IMPLEMENTED]	= { THEIRS("MethodNotImplemented"), "method", ENOSYS },
	[REASON_INVALID_PARAMETER]	= { THEIRS("InvalidParameter"), "parameter", EINVAL },
#undef OURS
#undef THEIRS
};

void fault_done(struct fault *f)
{
	json_object_put(f->parameters);
	*f = (struct fault){ 0 };
}

const char *reason_name(enum reason reason)
{
	return reason > REASON_NONE && reason < REASON_MAX_ ? reasons[reason].name : NULL;
}

const char *fault_text(const struct fault *f)
{
	struct json_object *text = NULL;

	if (json_object_object_get_ex(f->parameters, "reason", &text))
		return json_object_get_string(text);
	if (f->reason != REASON_NONE &&
	    json_object_object_get_ex(f->parameters, reasons[f->reason].object, &text))
		return json_object_get_string(text);
	return "";
}

static void add(struct fault *f, const char *field, struct json_object *value)
{
	json_object_object_add(f->parameters, field, value);
}

static void add_string(struct fault *f, const char *field, const char *value)
{
	add(f, field, json_object_new_string(value ?: ""));
}

static int begin(struct fault *f, enum reason reason, const char *object)
{
	f->reason = reason;
	f->parameters = json_object_new_object();
	if (reasons[reason].object)
		add_string(f, reasons[reason].object, object);
	return -reasons[reason].error;
}

/* Ends a text that was cut before the character that the cut went through. */
static void end_whole(char *text)
{
	size_t len = strlen(text), start = len;
	unsigned char first;
	size_t wanted;

	while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return;
	first = (unsigned char)text[start - 1];
	wanted = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (len - (start - 1) < wanted)
		text[start - 1] = '\0';
}

static void _printf_(2, 0) add_reason(struct fault *f, const char *fmt, va_list ap)
{
	char text[768];

	if (vsnprintf(text, sizeof(text), fmt, ap) >= (int)sizeof(text))
		end_whole(text);
	add_string(f, "reason", text);
}

/* The common shape of all that follow; evaluates to the −errno. */
#define FAULT(fault_, which_, object_, fmt_, ...)		\
	({							\
		va_list ap_;					\
								\
		if ((fault_)->reason == REASON_NONE) {		\
			begin(fault_, which_, object_);		\
			__VA_ARGS__;				\
			va_start(ap_, fmt_);			\
			add_reason(fault_, fmt_, ap_);		\
			va_end(ap_);				\
		}						\
		-reasons[which_].error;				\
	})

int fault_plain(struct fault *f, enum reason reason, const char *fmt, ...)
{
	return FAULT(f, reason, NULL, fmt, (void)0);
}

int fault_device(struct fault *f, enum reason reason, const char *device, const char *fmt, ...)
{
	return FAULT(f, reason, device, fmt, (void)0);
}

int fault_snapshot(struct fault *f, enum reason reason, const char *snapshot, const char *fmt, ...)
{
	return FAULT(f, reason, snapshot, fmt, (void)0);
}

int fault_method(struct fault *f, enum reason reason, const char *method, const char *fmt, ...)
{
	return FAULT(f, reason, method, fmt, (void)0);
}

int fault_key(struct fault *f, const char *key, const char *snapshot, const char *fmt, ...)
{
	return FAULT(f, REASON_KEY_REUSED, key, fmt, add_string(f, "snapshot", snapshot));
}

int fault_handle(struct fault *f, const char *parameter, const char *fmt, ...)
{
	return FAULT(f, REASON_HANDLE_UNSUITABLE, parameter, fmt, (void)0);
}

int fault_storage(struct fault *f, const char *path, const char *fmt, ...)
{
	return FAULT(f, REASON_STORAGE_UNSUITABLE, path, fmt, (void)0);
}

int fault_checkpoint(struct fault *f, enum reason reason, const char *device, const char *name,
		     const char *fmt, ...)
{
	return FAULT(f, reason, device, fmt, add_string(f, "name", name));
}

int fault_system(struct fault *f, const char *operation, int error, const char *fmt, ...)
{
	FAULT(f, REASON_SYSTEM_FAILURE, operation, fmt,
	      add(f, "errno", json_object_new_int(-error)));
	return error;
}

int fault_generation(struct fault *f, const char *device, const char *expected,
		     const char *current, const char *why)
{
	if (f->reason == REASON_NONE) {
		begin(f, REASON_GENERATION_CHANGED, device);
		add_string(f, "expected", expected);
		add_string(f, "current", current);
		add_string(f, "reason", why);
	}
	return -reasons[REASON_GENERATION_CHANGED].error;
}

int fault_epoch(struct fault *f, const char *device, int64_t since, uint32_t first,
		uint32_t current, const char *why)
{
	char text[512];

	if (f->reason == REASON_NONE) {
		begin(f, REASON_EPOCH_OUT_OF_RANGE, device);
		add(f, "since", json_object_new_int64(since));
		add(f, "first", json_object_new_int64(first));
		add(f, "current", json_object_new_int64(current));
		snprintf(text, sizeof(text),
			 "The history of %s began in epoch %u and epoch %u has not ended: since can be %u to %u. %s",
			 device, first, current, first - 1, current - 1, why);
		add_string(f, "reason", text);
	}
	return -reasons[REASON_EPOCH_OUT_OF_RANGE].error;
}

int fault_service(struct fault *f, enum reason reason, const char *value)
{
	if (f->reason == REASON_NONE)
		begin(f, reason, value);
	return -reasons[reason].error;
}
