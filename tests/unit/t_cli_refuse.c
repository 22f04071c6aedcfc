// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is refused what would make a wrong image, or a wrong disk?
 */
#include "t_cli_faults.h"

static void image_in_use_is_refused(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(full(), 0);
	fd = open(fake_path("b"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(incremental(), 6);
	assert_string_equal(out_member("error", "name"), "ImageBusy");
	assert_int_equal(full(), 6);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(run("restore", fake_path("b"), fake_path("target")), 6);
	assert_int_equal(fake->created, 1);
	close(fd);
	assert_int_equal(incremental(), 0);
}

/* A run that loses leaves alone what belongs to the winner. */
static void first_backups_exclude_each_other(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	/* the winner is at work: an empty file of the name, locked */
	fd = open(fake_path("b"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(full(), 6);
	assert_string_equal(out_member("error", "name"), "ImageBusy");
	assert_int_equal(fake->created, 0);
	assert_int_equal(stat(fake_path("b"), &st), 0);
	close(fd);

	/* the winner was done between our first look and our lock */
	fake_write(0, 10, 'x');
	assert_int_equal(run("backup", "/dev/fake0", fake_path("other")), 0);
	fault = RACE_LOCK;
	assert_int_equal(full(), 0);
	fault = NO_FAULT;
	assert_true(same_files(fake_path("b"), fake_path("origin")));
	assert_int_equal(read_sidecar().state, SIDECAR_COMPLETE);

	/* the name was given up meanwhile: we make it anew, and lock that */
	fault = RACE_NAME;
	assert_int_equal(full(), 0);
	fault = NO_FAULT;
	assert_true(same_files(fake_path("b"), fake_path("origin")));
	assert_int_equal(count_files("part"), 0);

	/* a full backup that fails leaves no empty image, but an older one */
	strcpy(fake->image_error, "storage full");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("c")), 7);
	assert_int_equal(stat(fake_path("c"), &st), -1);
	assert_int_equal(full(), 7);
	assert_true(same_files(fake_path("b"), fake_path("origin")));
	assert_int_equal(read_sidecar().state, SIDECAR_COMPLETE);
}

static void touch_image(const char *name, off_t offset)
{
	int fd = open(fake_path(name), O_WRONLY);

	usleep(20000);	/* file times advance in ticks */
	assert_int_equal(pwrite(fd, "?", 1, offset), 1);
	close(fd);
}

/* What others have done to the image is in no change list. */
static void touched_images_are_refused(void **state)
{
	char command[600];

	(void)state;
	fake_write(0, 100000, 'x');
	assert_int_equal(full(), 0);
	touch_image("b", 70000);
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "ImageInvalid");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--verify"), 7);
	assert_int_equal(fake->created, 1);
	close(open(fake_path("target"), O_WRONLY | O_CREAT, 0600));
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "-J"), 7);
	assert_string_equal(out_member("error", "name"), "ImageInvalid");
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--accept-image"), 0);
	assert_non_null(strstr(err_text, "others have written"));

	/* renamed or chmod: content as it was, which a comparison can prove */
	assert_int_equal(full(), 0);
	usleep(20000);
	assert_int_equal(chmod(fake_path("b"), 0640), 0);
	assert_int_equal(incremental(), 7);
	assert_non_null(strstr(err_text, "--verify"));
	assert_int_equal(run("restore", fake_path("b"), fake_path("target")), 0);
	assert_string_equal(err_text, "");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--verify"), 0);
	assert_int_equal(incremental(), 0);

	/* a copy can be restored, but another file in its place can't be updated */
	usleep(20000);
	snprintf(command, sizeof(command), "cp %s %s && mv %s %s", fake_path("b"),
		 fake_path("other"), fake_path("other"), fake_path("b"));
	assert_int_equal(system(command), 0);
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--verify"), 7);
	assert_int_equal(run("restore", fake_path("b"), fake_path("target")), 0);
	assert_non_null(strstr(err_text, "not known"));

	/* while it is patched, it is what it is */
	assert_int_equal(full(), 0);
	fake_write(70000, 10, 'a');
	fault = KILL_COMPLETE;
	assert_int_equal(incremental(), 128 + SIGKILL);
	fault = NO_FAULT;
	assert_int_equal(incremental(), 0);
	assert_true(same_files(fake_path("b"), fake_path("origin")));
}

/* Names and sizes are the same, but it is another partition now. */
static void moved_devices_are_refused(void **state)
{
	(void)state;
	fake->disk_offset = 1048576;
	assert_int_equal(full(), 0);
	assert_int_equal(read_sidecar().disk_offset_bytes, 1048576);
	fake->disk_offset = 9437184;
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "DeviceChanged");
	assert_string_equal(out_member("error", "current"), "9437184");
	assert_int_equal(fake->created, 1);
	fake->disk_offset = 1048576;
	/* between the look ahead and the snapshot */
	fake->snapshot_offset = 9437184;
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "DeviceChanged");
	fake->snapshot_offset = 0;
	strcpy(fake->snapshot_device, "/dev/fake7");
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "ImageInvalid");
	strcpy(fake->snapshot_device, "");
	strcpy(fake->snapshot_generation, "another");
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "GenerationChanged");
	strcpy(fake->snapshot_generation, "");
	strcpy(fake->snapshot_uncertain, "lost some");
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "Uncertain");
	strcpy(fake->snapshot_uncertain, "");
	fake->late_uncertain = true;	/* of the list that was read after the snapshot */
	fake_write(0, 10, 1);
	fake_write(FAKE_BLOCK_BYTES * 4, 10, 1);
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "Uncertain");
	fake->late_uncertain = false;
	assert_int_equal(fake->live, 0);
	assert_int_equal(read_sidecar().state, SIDECAR_COMPLETE);
	assert_int_equal(incremental(), 0);
	assert_false(fake->no_generation);
	assert_true(same_files(fake_path("b"), fake_path("origin")));
}

/* /dev/bpfsnap0 may be of another snapshot by the time that it is opened. */
static void images_of_others_are_refused(void **state)
{
	(void)state;
	fake->cut_image = 512;
	assert_int_equal(full(), 7);
	assert_string_equal(out_member("error", "name"), "SizeChanged");
	fake->cut_image = 0;
	assert_int_equal(full(), 0);
	fake_write(0, 10, 1);
	fake_copy_file(fake_path("origin"), fake_path("other"));
	fault = SWAP_IMAGE;
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "SnapshotFailed");
	fake->swapped_image = false;
	assert_int_equal(full(), 7);
	fault = NO_FAULT;
	fake->swapped_image = false;
	fault = RECREATE;
	assert_int_equal(incremental(), 5);
	assert_string_equal(out_member("error", "name"), "SnapshotNotFound");
	fake->recreated = false;
	assert_int_equal(full(), 5);
	fault = NO_FAULT;
	fake->recreated = false;
	assert_int_equal(read_sidecar().state, SIDECAR_COMPLETE);
	assert_int_equal(incremental(), 0);
	assert_true(same_files(fake_path("b"), fake_path("origin")));
}

static void wrong_updates_are_refused(void **state)
{
	(void)state;
	assert_int_equal(incremental(), 5);	/* there is no image */
	fake_write(0, 10, 1);
	assert_int_equal(full(), 0);
	fake_write(65536, 10, 1);

	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "2", "-J"), 7);
	assert_string_equal(out_member("error", "name"), "SinceTooNew");
	strcpy(fake->uncertain, "lost some");
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "Uncertain");
	strcpy(fake->uncertain, "");
	fake->size_bytes -= 512;
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "SizeChanged");
	fake->size_bytes += 512;
	strcpy(fake->device, "/dev/fake1");
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "ImageInvalid");
	strcpy(fake->device, "/dev/fake0");
	fake->generation[0] = '9';
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "GenerationChanged");
	fake->generation[0] = '1';
	assert_int_equal(fake->created, 1);	/* all that without a snapshot */

	strcpy(fake->image_error, "storage full");
	assert_int_equal(incremental(), 7);
	assert_string_equal(out_member("error", "name"), "SnapshotFailed");
	strcpy(fake->image_error, "");
	assert_int_equal(fake->live, 0);
	assert_int_equal(read_sidecar().state, SIDECAR_COMPLETE);

	strcpy(fake->uncertain, "lost some");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--accept-uncertain"), 0);
	assert_true(read_sidecar().uncertain);
	strcpy(fake->uncertain, "");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--verify"), 0);
	assert_false(read_sidecar().uncertain);

	assert_int_equal(truncate(fake_path("b"), 4096), 0);
	assert_int_equal(incremental(), 7);
}

/* An older snapshot must not be patched in with a list that starts after it. */
static void older_snapshot_is_refused(void **state)
{
	(void)state;
	fake->live = 1;
	fake->snapshot_since = 1;
	fake_copy_file(fake_path("origin"), fake_path("image"));
	fake->epoch = 2;
	fake_write(0, 10, 1);
	fake_copy_file(fake_path("image"), fake_path("old"));
	assert_int_equal(full(), 0);
	fake->snapshot_since = 1;
	fake_copy_file(fake_path("old"), fake_path("image"));
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "image",
			     "--snapshot", "snap-1", "-J"), 7);
	assert_string_equal(out_member("error", "name"), "SinceTooNew");
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--since", "1",
			     "--snapshot", "snap-1", "--verify"), 0);
	assert_true(same_files(fake_path("b"), fake_path("old")));
}

/* Each defect is found, and named even where it is accepted. */
static void bad_images_are_not_restored(void **state)
{
	(void)state;
	fake_write(100000, 5000, 'x');
	assert_int_equal(full(), 0);
	close(open(fake_path("target"), O_WRONLY | O_CREAT, 0600));
	fault = SPOIL_TARGET;
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "-J"), 7);
	fault = NO_FAULT;
	assert_string_equal(out_member("error", "name"), "VerificationFailed");
	assert_int_equal(truncate(fake_path("b"), FAKE_BLOCK_BYTES), 0);
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--force", "-J"), 7);
	assert_string_equal(out_member("error", "name"), "ImageInvalid");
	assert_non_null(strstr(err_text, "its size"));
	assert_int_equal(run("restore", fake_path("b"), fake_path("target"), "--accept-image"), 0);
	assert_non_null(strstr(err_text, "its size"));
}

int main(void)
{
#define with_fake(f)	cmocka_unit_test_setup_teardown(f, start, fake_stop)
	const struct CMUnitTest tests[] = {
		with_fake(image_in_use_is_refused),
		with_fake(first_backups_exclude_each_other),
		with_fake(touched_images_are_refused),
		with_fake(moved_devices_are_refused),
		with_fake(images_of_others_are_refused),
		with_fake(wrong_updates_are_refused),
		with_fake(older_snapshot_is_refused),
		with_fake(bad_images_are_not_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
