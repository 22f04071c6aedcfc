// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: filesystems that stand still for the instant
 *
 * Freezing can take as long as the slowest filesystem needs to write back, and can't be
 * interrupted; the watchdog thaws those that wait for it when the deadline is over.
 */
#include <linux/fs.h>
#include <linux/slab.h>
#include "bpfsnap.h"

static struct workqueue_struct *watchdog_wq;

/* The frozen filesystems of one attempt. */
struct bpfsnap_freezer {
	struct delayed_work watchdog;
	u32 nr;
	struct mutex lock;		/* protects the rest, but for the handles */
	int error;			/* why not all is frozen any more */
	u32 thawed;			/* with ECANCELED: which one */
	struct {
		bpfsnap_bdev_t bdev;
		enum { UNFROZEN, FROZEN, FROZEN_BEFORE } state;
		bool was_mounted;
	} item[];
};

/* Is it frozen until now? */
static bool thaw_one(struct bpfsnap_freezer *freezer, u32 i)
{
	struct block_device *bdev = bpfsnap_bdev(freezer->item[i].bdev);
	int state = freezer->item[i].state, ret = 0;

	freezer->item[i].state = UNFROZEN;
	if (state == FROZEN_BEFORE)
		return bpfsnap_is_frozen(bdev, -EBUSY);
	/* What is gone was thawed by somebody else before; 6.1 would look at it all the same. */
	if (state == FROZEN)
		ret = freezer->item[i].was_mounted && !bpfsnap_is_mounted(bdev) ? -EINVAL :
									       bdev_thaw(bdev);
	if (!ret)
		return true;
	/* The kernel counts it as frozen still: nobody could freeze it any more, or mount it. */
	bpfsnap_forget_freeze(bdev);
	pr_err("the filesystem on %pg could not be thawed (%d): it was thawed by somebody else, or needs 'fsfreeze -u'\n",
	       bdev, ret);
	return false;
}

static void thaw_all(struct bpfsnap_freezer *freezer)
{
	u32 i = freezer->nr;

	lockdep_assert_held(&freezer->lock);
	while (i--)
		if (!thaw_one(freezer, i) && !freezer->error) {
			freezer->error = -ECANCELED;
			freezer->thawed = i;
		}
}

static void freeze_expired(struct work_struct *work)
{
	struct bpfsnap_freezer *freezer = container_of(to_delayed_work(work), struct bpfsnap_freezer, watchdog);

	mutex_lock(&freezer->lock);
	freezer->error = -ETIMEDOUT;
	thaw_all(freezer);
	mutex_unlock(&freezer->lock);
}

int bpfsnap_thaw(struct bpfsnap_freezer *freezer, u32 *ret_index)
{
	cancel_delayed_work_sync(&freezer->watchdog);
	mutex_lock(&freezer->lock);
	thaw_all(freezer);
	mutex_unlock(&freezer->lock);
	if (freezer->error == -ECANCELED)
		*ret_index = freezer->thawed;
	while (freezer->nr)
		bpfsnap_bdev_close(freezer->item[--freezer->nr].bdev);
	return freezer->error;
}

/* Is @bdev where the storage of a range lives?  Then storing would wait for the thaw. */
static bool holds_store(const struct bpfsnap_snapshot *snap, const struct block_device *bdev)
{
	u32 i;

	for (i = 0; i < snap->nr_stores; i++)
		if (!snap->stores[i]->bdev && file_inode(snap->stores[i]->file)->i_sb->s_bdev == bdev)
			return true;
	return false;
}

/*
 * Freezing writes back, which is copied for other snapshots of the same disks: their
 * storages must not be frozen before.
 */
static bool holds_any_store(const struct bpfsnap_snapshot *snap, const struct block_device *bdev)
{
	const struct bpfsnap_snapshot *other;

	if (holds_store(snap, bdev))
		return true;
	list_for_each_entry(other, &bpfsnap_snapshots, list)
		if (bpfsnap_share_disk(snap, other) && holds_store(other, bdev))
			return true;
	return false;
}

/* Opening may read partition tables and load modules: not while anything is frozen. */
static int open_one(struct bpfsnap_freezer *freezer, const struct bpfsnap_snapshot *snap, dev_t dev)
{
	bpfsnap_bdev_t handle = bpfsnap_bdev_open(dev);

	if (IS_ERR(handle))
		return PTR_ERR(handle);
	freezer->item[freezer->nr++].bdev = handle;
	return holds_any_store(snap, bpfsnap_bdev(handle)) ? -EXDEV : 0;
}

static int freeze_one(struct bpfsnap_freezer *freezer, u32 i)
{
	struct block_device *bdev = bpfsnap_bdev(freezer->item[i].bdev);
	/* Since 6.8 a freeze that fails at this, its last step, leaves the filesystem frozen. */
	int ret = sync_blockdev(bdev);

	if (ret)
		return ret;
	freezer->item[i].was_mounted = bpfsnap_is_mounted(bdev);
	ret = bdev_freeze(bdev);
	/* If somebody else has frozen it already, it is for him to thaw it. */
	if (ret && bpfsnap_is_frozen(bdev, ret)) {
		freezer->item[i].state = FROZEN_BEFORE;
		return 0;
	}
	if (ret) {
		if (ret != -EBUSY)
			pr_err("freezing the filesystem on %pg failed (%d): should it stay frozen, 'fsfreeze -u' thaws it\n",
			       bdev, ret);
		return ret;
	}
	mutex_lock(&freezer->lock);
	freezer->item[i].state = FROZEN;
	ret = freezer->error;
	if (ret)
		thaw_all(freezer);
	mutex_unlock(&freezer->lock);
	return ret;
}

/* In @ret_index: which one failed, or took longest. */
int bpfsnap_freeze(struct bpfsnap_freezer *freezer, const struct bpfsnap_snapshot *snap,
		   const struct bpfsnap_dev *devs, u32 nr, unsigned long deadline, u32 *ret_index)
{
	unsigned long begun, longest = 0;
	u32 i, slowest = 0;
	int ret;

	*ret_index = 0;
	for (i = 0; i < nr; i++) {
		*ret_index = i;
		ret = open_one(freezer, snap, MKDEV(devs[i].major, devs[i].minor));
		if (ret)
			return ret;
	}
	if (nr)
		queue_delayed_work(watchdog_wq, &freezer->watchdog,
				   max_t(long, deadline - jiffies, 0));
	for (i = 0; i < nr; i++) {
		*ret_index = i;
		begun = jiffies;
		ret = freeze_one(freezer, i);
		if (ret)
			return ret;
		if (jiffies - begun > longest) {
			longest = jiffies - begun;
			slowest = i;
		}
	}
	*ret_index = slowest;
	return 0;
}

int bpfsnap_freeze_init(void)
{
	/* With a rescuer: when nothing else moves, this must. */
	watchdog_wq = alloc_workqueue("bpfsnap-thaw", WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 1);
	return watchdog_wq ? 0 : -ENOMEM;
}

void bpfsnap_freeze_exit(void)
{
	destroy_workqueue(watchdog_wq);
}

struct bpfsnap_freezer *bpfsnap_freezer_new(u32 nr)
{
	struct bpfsnap_freezer *freezer = kzalloc(struct_size(freezer, item, nr), GFP_KERNEL);

	if (!freezer)
		return NULL;
	mutex_init(&freezer->lock);
	INIT_DELAYED_WORK(&freezer->watchdog, freeze_expired);
	return freezer;
}

void bpfsnap_freezer_free(struct bpfsnap_freezer *freezer)
{
	kfree(freezer);
}
