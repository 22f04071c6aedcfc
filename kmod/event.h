/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _BPFSNAP_EVENT_H
#define _BPFSNAP_EVENT_H

struct bpfsnap_range;

/* event.c: what the daemon is told without having asked */

/* The range's image fails for good, with the first reason.  Context: any. */
void bpfsnap_range_fail(struct bpfsnap_range *range, int error, enum bpfsnap_failure reason,
			u64 sect);
void bpfsnap_event_add(u32 kind, const struct bpfsnap_range *range, int error, u64 value);
ssize_t bpfsnap_event_read(struct file *file, char __user *to, size_t len, loff_t *pos);
__poll_t bpfsnap_event_poll(struct file *file, struct poll_table_struct *table);

#endif /* _BPFSNAP_EVENT_H */
