// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How does a program get an image as a file descriptor?
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib.h"

static const struct field size_field = { "size", FIELD_NUMBER, 0 };

/* What was promised: nothing but reading, and so many bytes. */
static bool is_image(int fd, uint64_t size_bytes)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY &&
	       lseek(fd, 0, SEEK_END) == (off_t)size_bytes && lseek(fd, 0, SEEK_SET) == 0;
}

int bpfsnap_image_open(struct bpfsnap *bpfsnap, const char *snapshot, const char *device,
		       uint64_t *ret_size_bytes, struct bpfsnap_error **ret_error)
{
	struct json_object *o = one_text("snapshot", snapshot), *reply = NULL;
	uint64_t size_bytes;
	int r, fd = -1;

	if (o)
		put_text(o, "device", device);
	r = handle_call_fd(bpfsnap, BPFSNAP_INTERFACE ".OpenImage", o, "image_fd", &fd, &reply,
			   ret_error);
	if (r < 0)
		return r;
	r = fields_take(reply, &size_field, 1, &size_bytes);
	json_object_put(reply);
	if (r == 0 && !is_image(fd, size_bytes))
		r = -EBADMSG;
	if (r < 0) {
		close(fd);
		return error_local(ret_error, r, snapshot);
	}
	if (ret_size_bytes)
		*ret_size_bytes = size_bytes;
	return fd;
}
