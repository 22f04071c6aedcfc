// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: events for the daemon
 *
 * A ring that whoever opened the control device reads.  Nobody waits for a reader: what
 * it did not fetch in time is lost, and the gap in the sequence numbers says so.
 */
#include <linux/poll.h>
#include <linux/uaccess.h>
#include "bpfsnap.h"
#include "trace.h"

enum { EVENTS_KEPT = 256 };

static DEFINE_SPINLOCK(event_lock);
/* Event number N is at N % EVENTS_KEPT; the next one gets the number @next_seq. */
static struct bpfsnap_event ring[EVENTS_KEPT];
static u64 next_seq = 1;
static DECLARE_WAIT_QUEUE_HEAD(event_wait);

void bpfsnap_event_add(u32 kind, const struct bpfsnap_range *range, int error, u64 value)
{
	struct bpfsnap_event *event;
	unsigned long flags;

	spin_lock_irqsave(&event_lock, flags);
	event = &ring[next_seq % EVENTS_KEPT];
	*event = (struct bpfsnap_event){
		.seq = next_seq++,
		.time_ns = ktime_get_real_ns(),
		.kind = kind,
		.error = -error,
		.major = range->info.major,
		.minor = range->info.minor,
		.image_major = range->info.image_major,
		.image_minor = range->info.image_minor,
		.reason = error ? range->reason : BPFSNAP_FAILURE_NONE,
		.value = value,
	};
	memcpy(event->id, range->info.id, sizeof(event->id));
	spin_unlock_irqrestore(&event_lock, flags);
	wake_up_interruptible(&event_wait);
}

void bpfsnap_range_fail(struct bpfsnap_range *range, int error, enum bpfsnap_failure reason,
			u64 sect)
{
	static const char * const what[] = {
		[BPFSNAP_FAILURE_STORAGE_FULL] = "storage full",
		[BPFSNAP_FAILURE_STORAGE_WRITE] = "storage",
		[BPFSNAP_FAILURE_STORAGE_READ] = "storage unreadable",
		[BPFSNAP_FAILURE_STORAGE_HANGS] = "storage hangs",
		[BPFSNAP_FAILURE_NO_MEMORY] = "no memory",
		[BPFSNAP_FAILURE_DISK_READ] = "old content unreadable",
		[BPFSNAP_FAILURE_DISK_GONE] = "the disk, its medium or the range's end is gone",
		[BPFSNAP_FAILURE_FORCED] = "destroyed by force",
	};

	if (cmpxchg(&range->error, 0, error))
		return;
	/* Pairs with smp_rmb() in the image's check after its read. */
	smp_mb();
	range->reason = reason;
	range->failed_sect = sect;
	range->failed_ns = ktime_get_real_ns();
	/* Given up already: nobody wants to know, and the image is gone. */
	if (READ_ONCE(range->snap->is_ending))
		return;
	pr_err("bpfsnap%u: snapshot of %s failed, %s at sector %llu (%d); the disk itself goes on\n",
	       range->info.image_minor, range->origin->disk->disk_name, what[reason], sect, error);
	trace_bpfsnap_failed(range->origin->dev, range->info.image_minor, sect, error);
	bpfsnap_event_add(BPFSNAP_EVENT_FAILED, range, error, sect);
	/* Jobs that starve for it need not any more. */
	bpfsnap_gate_kick(range->origin);
}

/* The oldest event that a reader at @seq has not seen.  Return: is there one? */
static bool take(u64 seq, struct bpfsnap_event *ret_event)
{
	bool found;

	spin_lock_irq(&event_lock);
	seq = max3(seq, 1ull, next_seq > EVENTS_KEPT ? next_seq - EVENTS_KEPT : 1ull);
	found = seq < next_seq;
	if (found)
		*ret_event = ring[seq % EVENTS_KEPT];
	spin_unlock_irq(&event_lock);
	return found;
}

/* The file's position is the number of the next event. */
ssize_t bpfsnap_event_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct bpfsnap_event event;
	size_t done = 0;
	int ret;

	if (len < sizeof(event))
		return -EINVAL;
	if (!(file->f_flags & O_NONBLOCK)) {
		ret = wait_event_interruptible(event_wait, take(*pos, &event));
		if (ret)
			return ret;
	}
	while (len - done >= sizeof(event) && take(*pos, &event)) {
		if (copy_to_user(to + done, &event, sizeof(event)))
			return done ?: -EFAULT;
		*pos = event.seq + 1;
		done += sizeof(event);
	}
	return done ?: -EAGAIN;
}

__poll_t bpfsnap_event_poll(struct file *file, struct poll_table_struct *table)
{
	struct bpfsnap_event event;

	poll_wait(file, &event_wait, table);
	return take(file->f_pos, &event) ? EPOLLIN | EPOLLRDNORM : 0;
}
