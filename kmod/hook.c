// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: how write bios are caught on an unpatched kernel
 *
 * submit_bio_noacct_nocheck() is where all bios meet: after throttling and the
 * remap of partitions, before block_bio_queue and the driver.  An ftrace handler
 * on its entry looks at the bio; if the gate keeps it, the handler points the
 * instruction pointer at a function that stands in for the hooked one: an empty one, or
 * one that copies for the bio.  The handler calls nothing by address, and never sleeps.
 *
 * The kernel may be built so that the function is inlined somewhere.  So before
 * the module offers anything, it writes to a disk of its own and sees the hook fire.
 */
#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/rculist.h>
#include "bpfsnap.h"

#define HOOKED_FUNCTION	"submit_bio_noacct_nocheck"

enum { ORIGIN_HASH_BITS = 6 };

static struct hlist_head origin_hash[1 << ORIGIN_HASH_BITS];
static const struct gendisk *selftest_disk;
static unsigned int selftest_seen;

static struct hlist_head *bucket(const struct gendisk *disk)
{
	return &origin_hash[hash_ptr(disk, ORIGIN_HASH_BITS)];
}

/* Stands in for the hooked function when the gate keeps the bio. */
static noinline notrace void keep_bio(struct bio *bio)
{
	barrier();
}

/* Likewise, when a write is not to wait and would have to. */
static noinline notrace void refuse_bio(struct bio *bio)
{
	bio_wouldblock_error(bio);
}

static void notrace on_submit(unsigned long ip, unsigned long parent_ip,
			      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct bio *bio = (struct bio *)ftrace_regs_get_argument(fregs, 0);
	const struct gendisk *disk;
	struct bpfsnap_origin *origin;

	/* An empty flush writes nothing and orders nothing that has not completed. */
	if (!op_is_write(bio->bi_opf) || !bio_sectors(bio))
		return;

	disk = bio->bi_bdev->bd_disk;
	preempt_disable_notrace();
	hlist_for_each_entry_rcu_notrace(origin, bucket(disk), hash) {
		if (origin->disk != disk)
			continue;
		switch (bpfsnap_gate_enter(origin, bio)) {
		case BPFSNAP_PASS:
			break;
		case BPFSNAP_KEEP:
			ftrace_regs_set_instruction_pointer(fregs, (unsigned long)keep_bio);
			break;
		case BPFSNAP_COPY:
			ftrace_regs_set_instruction_pointer(fregs, (unsigned long)bpfsnap_gate_copy_for);
			break;
		case BPFSNAP_REFUSE:
			ftrace_regs_set_instruction_pointer(fregs, (unsigned long)refuse_bio);
			break;
		}
		break;
	}
	if (unlikely(disk == READ_ONCE(selftest_disk)))
		selftest_seen++;
	preempt_enable_notrace();
}

/*
 * No FTRACE_OPS_FL_RECURSION: the handler submits nothing, so it can't recurse,
 * and a skipped call would be a missed write.  PERMANENT: ftrace can't be
 * switched off while it is registered.
 */
static struct ftrace_ops hook_ops = {
	.func = on_submit,
	.flags = FTRACE_OPS_FL_DYNAMIC | FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

void bpfsnap_hook_add(struct bpfsnap_origin *origin)
{
	lockdep_assert_held(&bpfsnap_lock);
	hlist_add_head_rcu(&origin->hash, bucket(origin->disk));
}

void bpfsnap_hook_del(struct bpfsnap_origin *origin)
{
	lockdep_assert_held(&bpfsnap_lock);
	hlist_del_rcu(&origin->hash);
	/* The handler runs with preemption off: it is an RCU reader. */
	synchronize_rcu();
}

static void selftest_submit_bio(struct bio *bio)
{
	bio_endio(bio);
}

static const struct block_device_operations selftest_fops = {
	.owner = THIS_MODULE,
	.submit_bio = selftest_submit_bio,
};

static int selftest(void)
{
	struct gendisk *disk = bpfsnap_alloc_disk(SECTOR_SIZE, SECTOR_SIZE - 1, false);
	struct bio *bio;
	int ret;

	if (IS_ERR(disk))
		return PTR_ERR(disk);
	/* Hidden: no device node and no uevent, so nobody but us finds it. */
	disk->flags |= GENHD_FL_HIDDEN | GENHD_FL_NO_PART;
	disk->fops = &selftest_fops;
	strscpy(disk->disk_name, "bpfsnap-test", sizeof(disk->disk_name));
	set_capacity(disk, BPFSNAP_CHUNK_SECT);
	ret = add_disk(disk);
	if (ret)
		goto put;

	ret = -ENOMEM;
	bio = bio_alloc(disk->part0, 1, REQ_OP_WRITE, GFP_KERNEL);
	if (!bio)
		goto del;
	__bio_add_page(bio, ZERO_PAGE(0), SECTOR_SIZE, 0);
	WRITE_ONCE(selftest_disk, disk);
	selftest_seen = 0;
	ret = submit_bio_wait(bio);
	WRITE_ONCE(selftest_disk, NULL);
	bio_put(bio);
	if (!ret && selftest_seen != 1) {
		pr_err("%s() did not fire for a write (seen %u times): writes can't be caught on this kernel\n",
		       HOOKED_FUNCTION, selftest_seen);
		ret = -ENXIO;
	}
del:
	del_gendisk(disk);
put:
	put_disk(disk);
	return ret;
}

int bpfsnap_hook_init(void)
{
	int ret;

	ret = ftrace_set_filter(&hook_ops, HOOKED_FUNCTION, strlen(HOOKED_FUNCTION), 1);
	if (ret) {
		pr_err("no function %s() to hook (%d)\n", HOOKED_FUNCTION, ret);
		return ret;
	}
	ret = register_ftrace_function(&hook_ops);
	if (ret) {
		if (ret == -EBUSY)
			pr_err("%s() is redirected already by a live patch or another module, or kernel.ftrace_enabled is 0\n",
			       HOOKED_FUNCTION);
		goto free_filter;
	}
	ret = selftest();
	if (ret)
		goto unregister;
	return 0;

unregister:
	unregister_ftrace_function(&hook_ops);
free_filter:
	ftrace_free_filter(&hook_ops);
	return ret;
}

void bpfsnap_hook_exit(void)
{
	/* Waits until no task runs in the handler or its trampoline. */
	unregister_ftrace_function(&hook_ops);
	ftrace_free_filter(&hook_ops);
}
