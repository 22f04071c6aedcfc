// SPDX-License-Identifier: GPL-2.0-only
/* How are writes submitted through io_uring?  With the system calls alone. */
#include "storm.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRIES = 16 };

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void *map(int fd, size_t bytes, off_t what)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	if (at == MAP_FAILED)
		die("io_uring: mmap: %s", strerror(errno));
	return at;
}

struct ring *ring_new(bool is_polled)
{
	struct io_uring_params p = { .flags = is_polled ? IORING_SETUP_IOPOLL : 0 };
	struct ring *ring = calloc(1, sizeof(*ring));
	char *sq, *cq;

	ring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (ring->fd < 0)
		die("io_uring_setup: %s", strerror(errno));
	sq = map(ring->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int), IORING_OFF_SQ_RING);
	cq = map(ring->fd, p.cq_off.cqes + p.cq_entries * sizeof(*ring->cqes), IORING_OFF_CQ_RING);
	ring->sqes = map(ring->fd, p.sq_entries * sizeof(*ring->sqes), IORING_OFF_SQES);
	ring->sq_tail = (void *)(sq + p.sq_off.tail);
	ring->sq_mask = (void *)(sq + p.sq_off.ring_mask);
	ring->sq_array = (void *)(sq + p.sq_off.array);
	ring->cq_head = (void *)(cq + p.cq_off.head);
	ring->cq_tail = (void *)(cq + p.cq_off.tail);
	ring->cq_mask = (void *)(cq + p.cq_off.ring_mask);
	ring->cqes = (void *)(cq + p.cq_off.cqes);
	return ring;
}

static void submit(struct ring *ring, int fd, const char *buf, uint64_t offset_bytes,
		   uint32_t len_bytes, uint64_t name)
{
	unsigned int tail = *ring->sq_tail, index = tail & *ring->sq_mask;

	ring->sqes[index] = (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE, .fd = fd, .off = offset_bytes,
		.addr = (uintptr_t)buf, .len = len_bytes, .user_data = name,
	};
	ring->sq_array[index] = index;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

/* Return: a bit for each write that was refused, as what the device does not do. */
static uint32_t reap(struct ring *ring, const uint32_t *lens_bytes, size_t nr)
{
	uint32_t refused = 0;

	for (size_t seen = 0; seen < nr;) {
		unsigned int head = *ring->cq_head;
		const struct io_uring_cqe *cqe;

		if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) {
			if (syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0 &&
			    errno != EINTR && errno != EAGAIN)
				die("io_uring_enter: %s", strerror(errno));
			continue;
		}
		cqe = &ring->cqes[head & *ring->cq_mask];
		if (cqe->res == -EOPNOTSUPP)
			refused |= 1u << cqe->user_data;
		else if (cqe->res != (int)lens_bytes[cqe->user_data])
			die("io_uring: a write of %u bytes: %d", lens_bytes[cqe->user_data], cqe->res);
		__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
		seen++;
	}
	return refused;
}

uint32_t ring_write(struct ring *ring, int fd, const char *buf, const uint64_t *offsets_bytes,
		    const uint32_t *lens_bytes, size_t nr)
{
	size_t done_bytes = 0;

	for (size_t i = 0; i < nr; i++) {
		submit(ring, fd, buf + done_bytes, offsets_bytes[i], lens_bytes[i], i);
		done_bytes += lens_bytes[i];
	}
	for (size_t sent = 0; sent < nr;) {
		long n = syscall(SYS_io_uring_enter, ring->fd, nr - sent, 0, 0, NULL, 0);

		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY)
			die("io_uring_enter: %s", strerror(errno));
		sent += n > 0 ? (size_t)n : 0;
	}
	return reap(ring, lens_bytes, nr);
}
