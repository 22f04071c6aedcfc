// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is a sidecar checked, and how is it replaced in one step?
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bpfsnap_track.h"
#include "cli.h"
#include "copy.h"
#include "sidecar.h"

static const char *const states[] = {
	[SIDECAR_COMPLETE] = "complete",
	[SIDECAR_PATCHING] = "patching",
	[SIDECAR_COPYING] = "copying",
};

/*
 * json-c keeps the last of two members with one name.  Members of the outer
 * object are as many as the colons in it; text is known to be valid JSON.
 */
static int count_members(const char *text, size_t length_bytes)
{
	bool in_string = false;
	int depth = 0, colons = 0;

	for (size_t i = 0; i < length_bytes; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (c == ':' && depth == 1) {
			colons++;
		}
	}
	return colons;
}

static int take_string(struct json_object *object, const char *key, char *ret, size_t room_bytes)
{
	struct json_object *value = json_object_object_get(object, key);
	const char *text;
	size_t length_bytes;

	if (!json_object_is_type(value, json_type_string))
		return -EBADMSG;
	text = json_object_get_string(value);
	length_bytes = json_object_get_string_len(value);
	if (!length_bytes || length_bytes >= room_bytes || strlen(text) != length_bytes)
		return -EBADMSG;
	memcpy(ret, text, length_bytes + 1);
	return 0;
}

static int take_state(struct json_object *object, enum sidecar_state *ret)
{
	const char *text;

	if (!member_string(object, "state", &text))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (!strcmp(states[i], text)) {
			*ret = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int parse_json(const char *text, size_t length_bytes, struct json_object **ret)
{
	struct json_tokener *tokener = json_tokener_new_ex(3);
	struct json_object *object;
	bool whole;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, length_bytes);
	whole = json_tokener_get_error(tokener) == json_tokener_success;
	json_tokener_free(tokener);
	if (!whole || !json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return -EBADMSG;
	}
	*ret = object;
	return 0;
}

int sidecar_parse(const char *text, size_t length_bytes, struct sidecar *ret,
		  const char **ret_reason)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct sidecar sidecar = {};
	uint64_t format, since;
	int r;

	/* a newline at the end is all that may follow the object */
	while (length_bytes && text[length_bytes - 1] == '\n')
		length_bytes--;

	*ret_reason = "it is not a JSON object";
	if (length_bytes > SIDECAR_MAX_BYTES || memchr(text, 0, length_bytes))
		return -EBADMSG;
	r = parse_json(text, length_bytes, &object);
	if (r < 0)
		return r;
	*ret_reason = "a member occurs twice";
	if (count_members(text, length_bytes) != json_object_object_length(object))
		return -EBADMSG;

	*ret_reason = "format is missing or no number";
	if (!member_number(object, "format", &format))
		return -EBADMSG;
	*ret_reason = "its format is not known to this version";
	if (format != SIDECAR_FORMAT)
		return -EPROTONOSUPPORT;
	*ret_reason = "device is missing or malformed";
	if (take_string(object, "device", sidecar.device, sizeof(sidecar.device)))
		return -EBADMSG;
	*ret_reason = "disk_offset is missing or malformed";
	if (!member_number(object, "disk_offset", &sidecar.disk_offset_bytes))
		return -EBADMSG;
	*ret_reason = "size is missing or malformed";
	if (!member_number(object, "size", &sidecar.size_bytes) || !sidecar.size_bytes)
		return -EBADMSG;
	*ret_reason = "generation is missing or malformed";
	if (take_string(object, "generation", sidecar.generation, sizeof(sidecar.generation)))
		return -EBADMSG;
	*ret_reason = "since is missing or malformed";
	if (!member_number(object, "since", &since) ||
	    since < BPFSNAP_EPOCH_FIRST || since > BPFSNAP_EPOCH_MAX)
		return -EBADMSG;
	sidecar.since = since;
	*ret_reason = "snapshot is missing or malformed";
	if (take_string(object, "snapshot", sidecar.snapshot, sizeof(sidecar.snapshot)))
		return -EBADMSG;
	*ret_reason = "state is missing or malformed";
	if (take_state(object, &sidecar.state))
		return -EBADMSG;
	*ret_reason = "done is missing or malformed";
	if (sidecar.state == SIDECAR_COPYING &&
	    (!member_number(object, "done", &sidecar.done_bytes) ||
	     sidecar.done_bytes > sidecar.size_bytes))
		return -EBADMSG;
	*ret_reason = "created_ns is missing or malformed";
	if (!member_number(object, "created_ns", &sidecar.created_ns))
		return -EBADMSG;
	*ret_reason = "what is said of the image file is missing or malformed";
	if (!member_number(object, "image_inode", &sidecar.image_inode) ||
	    !member_number(object, "image_mtime_ns", &sidecar.image_mtime_ns) ||
	    !member_number(object, "image_ctime_ns", &sidecar.image_ctime_ns))
		return -EBADMSG;
	*ret_reason = "uncertain is malformed";
	if (json_object_object_get_ex(object, "uncertain", NULL)) {
		struct json_object *value = json_object_object_get(object, "uncertain");

		if (!json_object_is_type(value, json_type_boolean))
			return -EBADMSG;
		sidecar.uncertain = json_object_get_boolean(value);
	}
	*ret_reason = NULL;
	*ret = sidecar;
	return 0;
}

char *sidecar_path(const char *image_path)
{
	char *path;

	return asprintf(&path, "%s" SIDECAR_SUFFIX, image_path) < 0 ? NULL : path;
}

int sidecar_read(const char *image_path, struct sidecar *ret, const char **ret_reason)
{
	_cleanup_free_ char *path = sidecar_path(image_path);
	_cleanup_free_ char *text = malloc(SIDECAR_MAX_BYTES + 1);
	_cleanup_close_ int fd = -1;
	ssize_t length_bytes;

	*ret_reason = NULL;
	if (!path || !text)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	length_bytes = copy_whole(fd, text, SIDECAR_MAX_BYTES + 1);
	if (length_bytes < 0)
		return length_bytes;
	return sidecar_parse(text, (size_t)length_bytes, ret, ret_reason);
}

static struct json_object *to_json(const struct sidecar *sidecar)
{
	struct json_object *object = json_object_new_object();

	member_add_number(object, "format", SIDECAR_FORMAT);
	member_add_string(object, "device", sidecar->device);
	member_add_number(object, "disk_offset", sidecar->disk_offset_bytes);
	member_add_number(object, "size", sidecar->size_bytes);
	member_add_string(object, "generation", sidecar->generation);
	member_add_number(object, "since", sidecar->since);
	member_add_string(object, "snapshot", sidecar->snapshot);
	member_add_string(object, "state", states[sidecar->state]);
	member_add_number(object, "created_ns", sidecar->created_ns);
	member_add_number(object, "image_inode", sidecar->image_inode);
	member_add_number(object, "image_mtime_ns", sidecar->image_mtime_ns);
	member_add_number(object, "image_ctime_ns", sidecar->image_ctime_ns);
	if (sidecar->state == SIDECAR_COPYING)
		member_add_number(object, "done", sidecar->done_bytes);
	if (sidecar->uncertain)
		json_object_object_add(object, "uncertain", json_object_new_boolean(true));
	return object;
}

int sync_directory_of(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		return -errno;
	return 0;
}

static int write_synced(int fd, const char *text, size_t length_bytes)
{
	while (length_bytes) {
		ssize_t n = write(fd, text, length_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length_bytes -= n;
	}
	return fsync(fd) ? -errno : 0;
}

int sidecar_write(const char *image_path, const struct sidecar *sidecar)
{
	_cleanup_free_ char *path = sidecar_path(image_path), *temporary = NULL;
	_cleanup_json_ struct json_object *object = to_json(sidecar);
	_cleanup_close_ int fd = -1;
	const char *text;
	int r;

	if (!path || asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
					      JSON_C_TO_STRING_NOSLASHESCAPE);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_synced(fd, text, strlen(text));
	if (r == 0 && rename(temporary, path))
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return sync_directory_of(path);
}

static uint64_t time_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
}

/* Numbers are JSON integers of 63 bits; the highest bit of an inode tells next to nothing. */
int sidecar_identify(struct sidecar *sidecar, int image_fd)
{
	struct stat st;

	if (fstat(image_fd, &st))
		return -errno;
	sidecar->image_inode = st.st_ino & INT64_MAX;
	sidecar->image_mtime_ns = time_ns(&st.st_mtim) & INT64_MAX;
	sidecar->image_ctime_ns = time_ns(&st.st_ctim) & INT64_MAX;
	return 0;
}

int sidecar_compare(const struct sidecar *sidecar, int image_fd, enum sidecar_match *ret)
{
	struct sidecar now;
	bool same_inode, same_mtime;
	int r;

	r = sidecar_identify(&now, image_fd);
	if (r < 0)
		return r;
	same_inode = now.image_inode == sidecar->image_inode;
	same_mtime = now.image_mtime_ns == sidecar->image_mtime_ns;
	if (same_inode && same_mtime && now.image_ctime_ns == sidecar->image_ctime_ns)
		*ret = SIDECAR_SAME;
	else if (same_mtime)
		*ret = SIDECAR_TOUCHED;
	else
		*ret = same_inode ? SIDECAR_WRITTEN : SIDECAR_FOREIGN;
	return 0;
}

int sidecar_remove(const char *image_path)
{
	_cleanup_free_ char *path = sidecar_path(image_path);

	if (!path)
		return -ENOMEM;
	if (unlink(path))
		return errno == ENOENT ? 0 : -errno;
	return sync_directory_of(path);
}
