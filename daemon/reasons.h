/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can go wrong, and what does the answer say about it?
 *
 * A function that can fail for a reason which a client should learn takes a
 * struct fault last, fills it through one of the fault_*() below and returns
 * what they return: −errno.  The boundary (methods.c) logs it and answers it.
 */
#ifndef BPFSNAP_REASONS_H
#define BPFSNAP_REASONS_H

#include <stdint.h>

#include "cleanup.h"

#define INTERFACE_NAME	"io.bpfsnap"
#define SERVICE_NAME	"org.varlink.service"

enum reason {
	REASON_NONE = 0,
	REASON_DEVICE_NOT_FOUND,
	REASON_DEVICE_UNSUPPORTED,
	REASON_DEVICE_BUSY,
	REASON_DEVICE_CHANGED,
	REASON_ALREADY_ATTACHED,
	REASON_NOT_ATTACHED,
	REASON_DRAIN_TIMEOUT,
	REASON_FREEZE_FAILED,
	REASON_SNAPSHOT_NOT_FOUND,
	REASON_SNAPSHOT_BUSY,
	REASON_STORAGE_UNSUITABLE,
	REASON_GENERATION_CHANGED,
	REASON_EPOCH_OUT_OF_RANGE,
	REASON_EPOCHS_EXHAUSTED,
	REASON_CHECKPOINT_NOT_FOUND,
	REASON_CHECKPOINT_EXISTS,
	REASON_TOO_MANY_CHECKPOINTS,
	REASON_TRACKER_UNAVAILABLE,
	REASON_MODULE_UNAVAILABLE,
	REASON_PERMISSION_DENIED,
	REASON_KEY_REUSED,
	REASON_HANDLE_UNSUITABLE,
	REASON_SYSTEM_FAILURE,
	REASON_INTERFACE_NOT_FOUND,
	REASON_METHOD_NOT_FOUND,
	REASON_METHOD_NOT_IMPLEMENTED,
	REASON_INVALID_PARAMETER,
	REASON_MAX_,
};

/**
 * struct fault - a typed error on its way to a client
 * @reason: REASON_NONE as long as nothing went wrong
 * @parameters: what the error's declaration in the interface names
 */
struct fault {
	enum reason reason;
	struct json_object *parameters;
};

void fault_done(struct fault *f);

/** reason_name - the error's qualified name, e.g. "io.bpfsnap.NotAttached" */
const char *reason_name(enum reason reason);

/** fault_text - the sentence for people, or the name of what was refused */
const char *fault_text(const struct fault *f);

/*
 * Each sets @f to one error and returns its −errno.  The first one that is set
 * wins: what happens while undoing must not hide what made us undo.
 */
int fault_plain(struct fault *f, enum reason reason, const char *fmt, ...) _printf_(3, 4);
int fault_device(struct fault *f, enum reason reason, const char *device,
		 const char *fmt, ...) _printf_(4, 5);
int fault_snapshot(struct fault *f, enum reason reason, const char *snapshot,
		   const char *fmt, ...) _printf_(4, 5);
int fault_method(struct fault *f, enum reason reason, const char *method,
		 const char *fmt, ...) _printf_(4, 5);
/** fault_key - KeyReused: a snapshot that was asked for differently has this key */
int fault_key(struct fault *f, const char *key, const char *snapshot,
	      const char *fmt, ...) _printf_(4, 5);
/** fault_handle - HandleUnsuitable: what came with the call is not what it should be */
int fault_handle(struct fault *f, const char *parameter, const char *fmt, ...) _printf_(3, 4);
int fault_storage(struct fault *f, const char *path, const char *fmt, ...) _printf_(3, 4);
int fault_checkpoint(struct fault *f, enum reason reason, const char *device,
		     const char *name, const char *fmt, ...) _printf_(5, 6);
int fault_generation(struct fault *f, const char *device, const char *expected,
		     const char *current, const char *why);
int fault_epoch(struct fault *f, const char *device, int64_t since, uint32_t first,
		uint32_t current, const char *why);
/** fault_system - a call to the system failed; @error is a −errno and is returned */
int fault_system(struct fault *f, const char *operation, int error,
		 const char *fmt, ...) _printf_(4, 5);
/** fault_service - one of the errors of org.varlink.service, which have one field */
int fault_service(struct fault *f, enum reason reason, const char *value);

#endif /* BPFSNAP_REASONS_H */
