// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which snapshot does a backup read, and who destroys it?
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backup.h"

static bool same_device(const char *a, const char *b)
{
	struct stat sa, sb;

	if (!strcmp(a, b))
		return true;
	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && S_ISBLK(sa.st_mode) &&
	       S_ISBLK(sb.st_mode) && sa.st_rdev == sb.st_rdev;
}

static int fail_reply(struct cli *cli)
{
	return cli_fail(cli, "BadReply", NULL, "the daemon's snapshot is malformed");
}

/* Takes what there is of the snapshot; its id first, for it may have to be destroyed. */
static int take_device(struct cli *cli, struct json_object *object, struct backup_snapshot *snapshot)
{
	const char *device, *image, *generation, *state, *text = NULL;

	if (!member_string(object, "device", &device) ||
	    !member_string(object, "image", &image) ||
	    !member_string(object, "generation", &generation) ||
	    !member_string(object, "state", &state) ||
	    !member_number(object, "disk_offset", &snapshot->disk_offset_bytes) ||
	    !member_number(object, "size", &snapshot->size_bytes) ||
	    !member_number(object, "since", &snapshot->since))
		return fail_reply(cli);
	snapshot->device = strdup(device);
	snapshot->image = strdup(image);
	snapshot->generation = strdup(generation);
	snapshot->uncertain = strcmp(state, "verified") != 0;
	if (snapshot->uncertain && member_string(object, "reason", &text))
		snapshot->reason = strdup(text);
	if (!snapshot->device || !snapshot->image || !snapshot->generation)
		return cli_fail_errno(cli, -ENOMEM, "read", "reply");
	if (member_string(object, "error", &text)) {
		struct json_object *members = json_object_new_object();

		member_add_string(members, "snapshot", snapshot->id);
		member_add_string(members, "device", device);
		return cli_fail(cli, "SnapshotFailed", members, "%s: snapshot %s has failed: %s",
				device, snapshot->id, text);
	}
	return 0;
}

static int take_snapshot(struct backup *backup, struct json_object *object)
{
	struct json_object *devices = json_object_object_get(object, "devices"), *members;
	struct backup_snapshot *snapshot = &backup->snapshot;
	const char *id;

	if (!member_string(object, "snapshot", &id))
		return fail_reply(backup->cli);
	snapshot->id = strdup(id);
	if (!snapshot->id)
		return cli_fail_errno(backup->cli, -ENOMEM, "read", "reply");
	if (!json_object_is_type(devices, json_type_array) ||
	    !member_number(object, "created_ns", &snapshot->created_ns))
		return fail_reply(backup->cli);
	/* the only device of a snapshot that was made for this one need not be looked for */
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		const char *name;

		if (snapshot->ours || (member_string(device, "device", &name) &&
				       same_device(name, backup->device)))
			return take_device(backup->cli, device, snapshot);
	}
	members = json_object_new_object();
	member_add_string(members, "device", backup->device);
	return cli_fail(backup->cli, "DeviceNotFound", members, "%s is not in snapshot %s",
			backup->device, id);
}

static int create_snapshot(struct backup *backup)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters = json_object_new_object();
	struct json_object *devices = json_object_new_array();
	int r;

	json_object_array_add(devices, json_object_new_string(backup->device));
	json_object_object_add(parameters, "devices", devices);
	member_add_string(parameters, "storage", backup->storage);
	member_add_string(parameters, "checkpoint", backup->checkpoint);
	r = cli_call(backup->cli, "CreateSnapshot", parameters, &reply);
	if (r < 0)
		return r;
	backup->snapshot.ours = true;
	return take_snapshot(backup, json_object_object_get(reply, "snapshot"));
}

/* Looks it up; the object belongs to the reply. */
static int look_up(struct cli *cli, const char *wanted, struct json_object **ret_reply,
		   struct json_object **ret_snapshot)
{
	struct json_object *snapshots, *members;
	int r;

	r = cli_call(cli, "ListSnapshots", NULL, ret_reply);
	if (r < 0)
		return r;
	snapshots = json_object_object_get(*ret_reply, "snapshots");
	if (!json_object_is_type(snapshots, json_type_array))
		return fail_reply(cli);
	for (size_t i = 0; i < json_object_array_length(snapshots); i++) {
		struct json_object *snapshot = json_object_array_get_idx(snapshots, i);
		const char *id;

		if (member_string(snapshot, "snapshot", &id) && !strcmp(id, wanted)) {
			*ret_snapshot = snapshot;
			return 0;
		}
	}
	members = json_object_new_object();
	member_add_string(members, "snapshot", wanted);
	return cli_fail(cli, "SnapshotNotFound", members, "there is no snapshot %s", wanted);
}

static int find_snapshot(struct backup *backup)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *snapshot;
	int r;

	r = look_up(backup->cli, backup->snapshot_id, &reply, &snapshot);
	return r < 0 ? r : take_snapshot(backup, snapshot);
}

int backup_take_snapshot(struct backup *backup)
{
	return backup->snapshot_id ? find_snapshot(backup) : create_snapshot(backup);
}

int backup_check_snapshot(struct backup *backup)
{
	const struct backup_snapshot *snapshot = &backup->snapshot;
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *found, *devices, *members;
	const char *name;
	int r;

	r = look_up(backup->cli, snapshot->id, &reply, &found);
	if (r < 0)
		return r;
	devices = json_object_object_get(found, "devices");
	if (!json_object_is_type(devices, json_type_array))
		return fail_reply(backup->cli);
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		uint64_t disk_offset_bytes;

		/* by place, not by name: a partition may have got another one */
		if (member_string(device, "image", &name) && !strcmp(name, snapshot->image) &&
		    member_number(device, "disk_offset", &disk_offset_bytes) &&
		    disk_offset_bytes == snapshot->disk_offset_bytes &&
		    member_string(device, "generation", &name) &&
		    !strcmp(name, snapshot->generation))
			return 0;
	}
	members = json_object_new_object();
	member_add_string(members, "snapshot", snapshot->id);
	member_add_string(members, "device", snapshot->device);
	return cli_fail(backup->cli, "SnapshotFailed", members,
			"%s is no image of %s in snapshot %s any more", snapshot->image,
			snapshot->device, snapshot->id);
}

/* A checkpoint of a failed backup would name an instant of which there is no image. */
static void forget_checkpoint(struct backup *backup)
{
	struct json_object *parameters = json_object_new_object();

	member_add_string(parameters, "device", backup->snapshot.device ?: backup->device);
	member_add_string(parameters, "name", backup->checkpoint);
	if (cli_try_call(backup->cli, "RemoveCheckpoint", parameters, NULL) < 0)
		cli_warn("checkpoint %s is left over", backup->checkpoint);
}

/* The daemon that was asked may have died of it, or another may have been faster. */
static bool is_gone(struct cli *cli, const char *wanted)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *snapshots;
	const char *id;

	if (cli_try_call(cli, "ListSnapshots", NULL, &reply) < 0)
		return false;
	snapshots = json_object_object_get(reply, "snapshots");
	if (!json_object_is_type(snapshots, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(snapshots); i++)
		if (!member_string(json_object_array_get_idx(snapshots, i), "snapshot", &id) ||
		    !strcmp(id, wanted))
			return false;
	return true;
}

int backup_drop_snapshot(struct backup *backup, bool failed)
{
	struct backup_snapshot *snapshot = &backup->snapshot;
	struct json_object *parameters;
	int r;

	if (!snapshot->ours || !snapshot->id)
		return 0;
	if (failed && backup->checkpoint)
		forget_checkpoint(backup);
	if (backup->keep)
		return 0;
	parameters = json_object_new_object();
	member_add_string(parameters, "snapshot", snapshot->id);
	if (cli_try_call(backup->cli, "DestroySnapshot", json_object_get(parameters), NULL) == 0 ||
	    is_gone(backup->cli, snapshot->id)) {
		json_object_put(parameters);
		return 0;
	}
	r = cli_call(backup->cli, "DestroySnapshot", parameters, NULL);
	if (r < 0)
		cli_warn("snapshot %s is left over%s", snapshot->id,
			 failed ? "" : "; the backup itself is complete");
	return r;
}
