/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How does a function give back what it holds, on every way out?
 */
#ifndef BPFSNAP_CLEANUP_H
#define BPFSNAP_CLEANUP_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <json-c/json_object.h>
#include <json-c/linkhash.h>

#define _cleanup_(fn)	__attribute__((cleanup(fn)))
#define _printf_(f, a)	__attribute__((format(printf, f, a)))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Hand over what a cleanup attribute would otherwise give back. */
#define TAKE_PTR(p) \
	({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
#define TAKE_FD(fd) \
	({ int taken_ = (fd); (fd) = -1; taken_; })

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void json_putp(struct json_object **o)
{
	json_object_put(*o);
}

#endif /* BPFSNAP_CLEANUP_H */
