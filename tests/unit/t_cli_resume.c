// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a full backup right that was interrupted, and gone on with from another snapshot?
 */
#include "t_cli_run.h"

#include "backup.h"
#include "copy.h"

enum { MIB = 1 << 20 };

/* In the process of a run: at which call of these it ends, and how. */
static int end_at_new, end_at_patch, end_at_cut, end_by;
static int calls_of_new, calls_of_patch, calls_of_cut;

int __real_copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __wrap_copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __real_copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __wrap_copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);

int __wrap_copy_patch(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length)
{
	if (++calls_of_patch == end_at_patch)
		raise(end_by);
	return __real_copy_patch(copy, from_fd, to_fd, offset, length);
}

int __wrap_copy_new(struct copy *copy, int from_fd, int to_fd, uint64_t offset, uint64_t length)
{
	if (++calls_of_new == end_at_new)
		raise(end_by);
	return __real_copy_new(copy, from_fd, to_fd, offset, length);
}

/* The run ends after the file was cut. */
int __wrap_ftruncate(int fd, off_t size)
{
	int r = __real_ftruncate(fd, size);

	if (++calls_of_cut == end_at_cut)
		raise(end_by);
	return r;
}

static int backup(void)
{
	return run("backup", "/dev/fake0", fake_path("b"), "--resume", "--json");
}

static bool exists(const char *name)
{
	return access(fake_path(name), F_OK) == 0;
}

/* One that is whole leaves nothing else, and is the snapshot. */
static void is_whole(void)
{
	assert_true(same_files(fake_path("b"), fake_path("image")));
	assert_int_equal(run("verify", fake_path("b")), 0);
	assert_false(exists("b.part"));
	assert_false(exists("b.part.bpfsnap.json"));
}

static void end_at(int by, int at_new, int at_patch, int at_cut)
{
	/* runs count on from here, each for itself */
	calls_of_new = calls_of_patch = calls_of_cut = 0;
	end_by = by;
	end_at_new = at_new;
	end_at_patch = at_patch;
	end_at_cut = at_cut;
}

static void it_goes_on_from_another_snapshot(void **state)
{
	static const int signals[] = { SIGTERM, SIGKILL };

	(void)state;
	for (int segment = 1; segment <= 3; segment++) {
		for (int s = 0; s < 2; s++) {
			unlink(fake_path("b"));
			fake_write(0, FAKE_SIZE_BYTES, 'a' + segment);
			end_at(signals[s], segment, 0, 0);
			assert_int_not_equal(backup(), 0);
			/* no result under the final name; a kill leaves the empty one */
			assert_true(!exists("b") || signals[s] == SIGKILL);
			assert_true(exists("b.part"));
			if (signals[s] == SIGTERM)
				assert_int_equal(fake->live, 0);
			fake->live = 0;
			/* what was copied changes, and what was not */
			fake_write(70000, 10, 'x');
			fake_write(MIB - 5, 10, 'y');
			fake_write(2 * MIB + 100000, 70000, 0);
			end_at(0, 0, 0, 0);
			assert_int_equal(backup(), 0);
			assert_int_equal(atoi(out_member(NULL, "kept_bytes")), (segment - 1) * MIB);
			is_whole();
		}
	}
}

static void it_can_be_interrupted_again_and_again(void **state)
{
	(void)state;
	fake_write(0, FAKE_SIZE_BYTES, 'a');
	end_at(SIGKILL, 3, 0, 0);
	assert_int_equal(backup(), 128 + SIGKILL);
	for (int i = 1; i <= 3; i++) {
		/* three places in what was copied; the run ends before the ith is copied again */
		fake_write(10, 10, 'b' + i);
		fake_write(500000, 10, 'b' + i);
		fake_write(MIB + 500000, 10, 'b' + i);
		end_at(SIGKILL, 0, i, 0);
		assert_int_equal(backup(), 128 + SIGKILL);
	}
	end_at(0, 0, 0, 0);
	assert_int_equal(backup(), 0);
	assert_string_equal(out_member(NULL, "kept_bytes"), "2097152");
	fake->live = 0;
	is_whole();
}

static void a_broken_history_starts_anew(void **state)
{
	(void)state;
	fake_write(0, FAKE_SIZE_BYTES, 'a');
	end_at(SIGTERM, 3, 0, 0);
	assert_int_not_equal(backup(), 0);
	/* nobody tracked this one */
	strcpy(fake->generation, "99999999-2222-3333-4444-555555555555");
	fake_write(0, FAKE_SIZE_BYTES, 'b');
	memset(fake->marks, 0, sizeof(fake->marks));
	/* killed when the old content is gone: the note of it must be, too */
	end_at(SIGKILL, 0, 0, 1);
	assert_int_equal(backup(), 128 + SIGKILL);
	assert_false(exists("b.part.bpfsnap.json"));
	fake->live = 0;
	end_at(0, 0, 0, 0);
	assert_int_equal(backup(), 0);
	assert_string_equal(out_member(NULL, "kept_bytes"), "0");
	is_whole();
}

static void doubt_starts_anew_or_ends(void **state)
{
	(void)state;
	fake_write(0, FAKE_SIZE_BYTES, 'a');
	end_at(SIGTERM, 3, 0, 0);
	assert_int_not_equal(backup(), 0);
	strcpy(fake->uncertain, "missed");
	end_at(0, 0, 0, 0);
	assert_int_equal(backup(), 0);
	assert_string_equal(out_member(NULL, "kept_bytes"), "0");
	is_whole();
}

static void a_strange_part_is_not_gone_on_with(void **state)
{
	char command[600];

	(void)state;
	fake_write(0, FAKE_SIZE_BYTES, 'a');
	end_at(SIGTERM, 3, 0, 0);
	assert_int_not_equal(backup(), 0);
	end_at(0, 0, 0, 0);
	/* another file of that name, of another time */
	snprintf(command, sizeof(command), "cp %s %s; mv %s %s", fake_path("b.part"),
		 fake_path("c"), fake_path("c"), fake_path("b.part"));
	usleep(20000);
	assert_int_equal(system(command), 0);
	assert_int_equal(backup(), 0);
	assert_string_equal(out_member(NULL, "kept_bytes"), "0");
	is_whole();
}

/* A part is no image: neither to be restored nor to be updated. */
static void a_part_is_no_image(void **state)
{
	(void)state;
	fake_write(0, FAKE_SIZE_BYTES, 'a');
	end_at(SIGTERM, 3, 0, 0);
	assert_int_not_equal(backup(), 0);
	end_at(0, 0, 0, 0);
	close(open(fake_path("target"), O_WRONLY | O_CREAT, 0600));
	assert_int_equal(run("restore", fake_path("b.part"), fake_path("target")), 7);
	assert_int_equal(run("verify", fake_path("b.part")), 7);
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b.part"), "--since", "image"), 7);
	/* without --resume, a failed run leaves nothing */
	end_at(SIGTERM, 1, 0, 0);
	assert_int_not_equal(run("backup", "/dev/fake0", fake_path("d")), 0);
	assert_false(exists("d"));
	assert_false(exists("d.part"));
	end_at(0, 0, 0, 0);
	assert_int_equal(run("backup", "/dev/fake0", fake_path("b"), "--resume", "--since", "image"), 2);
	assert_int_equal(run("backup", "/dev/fake0", "-", "--resume"), 2);
}

static int start(void **state)
{
	backup_segment_bytes = MIB;
	end_at(0, 0, 0, 0);
	return fake_start(state);
}

int main(void)
{
#define with_fake(f)	cmocka_unit_test_setup_teardown(f, start, fake_stop)
	const struct CMUnitTest tests[] = {
		with_fake(it_goes_on_from_another_snapshot),
		with_fake(it_can_be_interrupted_again_and_again),
		with_fake(a_broken_history_starts_anew),
		with_fake(doubt_starts_anew_or_ends),
		with_fake(a_strange_part_is_not_gone_on_with),
		with_fake(a_part_is_no_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
