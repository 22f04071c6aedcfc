// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is a backup written to a pipe?
 *
 * Pieces are read by several at once, and written in their order: each waits for its turn.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "args.h"
#include "copy.h"
#include "pieces.h"
#include "signals.h"
#include "stream.h"

/**
 * struct queue - those who have read a piece
 * @next: start of the piece whose turn it is
 * @ended: one failed, and its piece will never come
 */
struct queue {
	struct backup *backup;
	struct stream *stream;
	int source_fd;
	pthread_mutex_t lock;
	pthread_cond_t turn;
	uint64_t next;
	uint64_t done_bytes;
	bool ended;
};

static int write_piece(struct queue *queue, const char *data, uint64_t start, uint64_t stop)
{
	int r = stream_put(queue->stream, data, start, stop - start);

	queue->done_bytes += stop - start;
	if (r == 0)
		r = backup_progress(queue->backup, queue->done_bytes);
	return r;
}

static int take_turn(struct queue *queue, const char *data, uint64_t start, uint64_t stop, int r)
{
	pthread_mutex_lock(&queue->lock);
	while (r == 0 && !queue->ended && queue->next != start)
		pthread_cond_wait(&queue->turn, &queue->lock);
	if (r == 0 && queue->ended)
		r = -ECANCELED;		/* a lower piece has told why */
	if (r == 0)
		r = write_piece(queue, data, start, stop);
	if (r < 0)
		queue->ended = true;
	queue->next = stop;
	pthread_cond_broadcast(&queue->turn);
	pthread_mutex_unlock(&queue->lock);
	return r;
}

static int send_piece(void *data, uint64_t start, uint64_t stop)
{
	struct queue *queue = data;
	_cleanup_free_ char *buffer = NULL;
	const char *bytes = NULL;
	int r = copy_read(queue->source_fd, start, stop, &buffer, &bytes);

	return take_turn(queue, bytes, start, stop, r);
}

static int send_range(struct queue *queue, uint64_t offset, uint64_t length)
{
	queue->next = offset;
	return pieces_run(queue->backup->jobs, COPY_BUFFER_BYTES, offset, offset + length,
			  send_piece, queue);
}

/* What changed later than the image at the other end shows. */
static int list_changes(struct backup *backup, struct changes *ret)
{
	const struct backup_snapshot *snapshot = &backup->snapshot;
	struct json_object *parameters = json_object_new_object();
	int r;

	member_add_string(parameters, "device", snapshot->device);
	member_add_string(parameters, "generation", snapshot->generation);
	add_since(parameters, backup->since);
	r = changes_query(backup->cli, parameters, true, ret);
	if (r < 0)
		return r;
	if (strcmp(ret->device, snapshot->device) || strcmp(ret->generation, snapshot->generation) ||
	    ret->disk_offset_bytes != snapshot->disk_offset_bytes ||
	    ret->size_bytes != snapshot->size_bytes)
		return cli_fail(backup->cli, "DeviceChanged", NULL,
				"%s has changed since the snapshot was taken", snapshot->device);
	if (ret->since > snapshot->since)
		return cli_fail(backup->cli, "SinceTooNew", NULL,
				"the snapshot is of epoch %" PRIu64 ", older than %" PRIu64,
				snapshot->since, ret->since);
	if (!ret->uncertain)
		return 0;
	backup->uncertain = true;
	if (!backup->accept_uncertain)
		return cli_fail(backup->cli, "Uncertain", NULL,
				"%s: the change list may lack writes: %s; take a full backup",
				snapshot->device, ret->reason ?: "no reason given");
	cli_warn("%s: going on with a change list that may lack writes: %s", snapshot->device,
		 ret->reason ?: "no reason given");
	return 0;
}

static int send_all(struct queue *queue, const struct changes *changes)
{
	struct backup *backup = queue->backup;
	uint64_t total = backup->since ? changes->changed_bytes : backup->snapshot.size_bytes;
	int r;

	progress_start(&backup->progress, "copy", total);
	r = stream_begin(queue->stream);
	if (!backup->since && r == 0)
		r = send_range(queue, 0, backup->snapshot.size_bytes);
	for (size_t i = 0; backup->since && r == 0 && i < changes->nr; i++)
		r = send_range(queue, changes->extents[i].offset_bytes,
			       changes->extents[i].length_bytes);
	if (r == 0)
		r = stream_end(queue->stream);
	progress_end(&backup->progress);
	backup->changed_bytes = total;
	backup->copied_bytes = queue->done_bytes;
	return r < 0 ? backup_fail_copy(backup, r, "copy") : 0;
}

int backup_stream(struct backup *backup)
{
	struct stream stream = { .fd = backup->stream_fd };
	struct queue queue = {
		.backup = backup, .stream = &stream, .source_fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER,
	};
	_cleanup_changes_ struct changes changes = {};
	_cleanup_close_ int source_fd = -1;
	int r;

	r = backup_take_snapshot(backup);
	if (r < 0)
		return r;
	if (signals_caught())
		return backup_fail_copy(backup, -EINTR, "copy");
	if (backup_fill_sidecar(backup, &stream.head) < 0)
		return cli_fail(backup->cli, "BadReply", NULL, "a name of the snapshot is too long");
	backup->uncertain = backup->snapshot.uncertain;
	if (backup->since)
		r = list_changes(backup, &changes);
	if (r == 0 && backup->since && backup->uncertain && !backup->accept_uncertain)
		r = cli_fail(backup->cli, "Uncertain", NULL, "%s: the snapshot may lack writes: %s",
			     backup->snapshot.device, backup->snapshot.reason ?: "no reason given");
	if (r == 0)
		r = backup_open_source(backup, &source_fd);
	if (r < 0)
		return r;
	stream.has_base = backup->since != NULL;
	stream.base = changes.since;
	stream.head.uncertain = backup->uncertain;
	stream.reason = backup->snapshot.reason;	/* stays the snapshot's */
	queue.source_fd = source_fd;
	return send_all(&queue, &changes);
}
