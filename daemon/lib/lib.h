/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What do the calls of the library share?
 */
#ifndef BPFSNAP_LIB_H
#define BPFSNAP_LIB_H

#include <json-c/json.h>

#include "client.h"
#include "libbpfsnap.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* error.c: each sets *@ret_error, unless it is NULL, and returns a negative errno. */

/** error_local - of the library itself: @r is of client.h or of ours, @object what it is about */
int error_local(struct bpfsnap_error **ret_error, int r, const char *object);

/** error_make - @message is put into words by the caller */
int error_make(struct bpfsnap_error **ret_error, enum bpfsnap_reason reason, const char *object,
	       const char *message);

/** error_remote - what the daemon answered; @parameters are borrowed */
int error_remote(struct bpfsnap_error **ret_error, const char *name,
		 struct json_object *parameters);

/**
 * handle_call - one call, over a new connection if the last one broke
 * @parameters: consumed, also on failure; NULL counts as -ENOMEM
 * @ret_reply: to be put; or NULL
 */
int handle_call(struct bpfsnap *bpfsnap, const char *method, struct json_object *parameters,
		struct json_object **ret_reply, struct bpfsnap_error **ret_error);

/** handle_call_fd - handle_call(), whose reply brings a file descriptor, of which @member tells */
int handle_call_fd(struct bpfsnap *bpfsnap, const char *method, struct json_object *parameters,
		   const char *member, int *ret_fd, struct json_object **ret_reply,
		   struct bpfsnap_error **ret_error);

/** handle_path - of the daemon's socket */
const char *handle_path(const struct bpfsnap *bpfsnap);

/**
 * options_take - what a caller gave us, who may know fewer members than we do, or more
 * @size: of our structure, of which @first_size were in its first release
 * @ret: zeros where the caller knows nothing; what we don't know must be zeros
 */
int options_take(const void *options, size_t first_size, size_t size, void *ret,
		 struct bpfsnap_error **ret_error);

/** struct field - a member of a reply, and where it goes */
struct field {
	const char *name;
	enum {
		FIELD_STRING,		/* char *, never NULL */
		FIELD_STRING_OR_NULL,
		FIELD_NUMBER,		/* uint64_t */
		FIELD_NUMBER_OR_MAX,	/* UINT64_MAX where it is null */
		FIELD_NUMBER_OR_ZERO,
		FIELD_BOOL,
		FIELD_BOOL_OR_FALSE,
		FIELD_UNCERTAIN,	/* bool, from "state": all but "ok" and "verified" */
	} kind;
	size_t offset;
};

/** fields_take - 0, -EBADMSG or -ENOMEM; to be given to fields_free() in each case */
int fields_take(struct json_object *from, const struct field *fields, size_t nr, void *to);
void fields_free(const struct field *fields, size_t nr, void *of);

/** struct kind - a structure that is made from a reply, and the array of them */
struct kind {
	const struct field *fields;
	size_t nr_fields;
	size_t size_bytes;
	/* For what the fields can't say; may be NULL. */
	int (*take_rest)(struct json_object *from, void *to);
	void (*free_rest)(void *of);
};

/** kind_take - make one. Return: 0, -EBADMSG or -ENOMEM */
int kind_take(const struct kind *kind, struct json_object *from, void **ret);
void kind_free(const struct kind *kind, void *one);
/** kind_take_list - as many as @from has, and NULL. Return: how many, or a negative errno */
int kind_take_list(const struct kind *kind, struct json_object *from, void ***ret);
void kind_free_list(const struct kind *kind, void **list);

/** kind_call - handle_call(), and make one or a list from member @member of the reply */
int kind_call(struct bpfsnap *bpfsnap, const char *method, struct json_object *parameters,
	      const char *member, const struct kind *kind, void **ret,
	      struct bpfsnap_error **ret_error);
int kind_call_list(struct bpfsnap *bpfsnap, const char *method, struct json_object *parameters,
		   const char *member, const struct kind *kind, void ***ret,
		   struct bpfsnap_error **ret_error);

/* Parameters of calls: NULL, 0 and false add nothing, but put_any_number(). */
void put_text(struct json_object *o, const char *name, const char *value);
void put_number(struct json_object *o, const char *name, uint64_t value);
void put_any_number(struct json_object *o, const char *name, uint64_t value);
void put_true(struct json_object *o, const char *name, bool value);
void put_texts(struct json_object *o, const char *name, const char *const *values, size_t nr);

/** one_text - parameters with one string; NULL leaves it out */
struct json_object *one_text(const char *name, const char *value);

#endif /* BPFSNAP_LIB_H */
