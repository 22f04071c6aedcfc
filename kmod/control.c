// SPDX-License-Identifier: GPL-2.0-only
/* The control device: arguments in and out, and who may call. */
#include <linux/capability.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "bpfsnap.h"
#include "trace.h"

static long ioctl_version(void __user *uarg)
{
	struct bpfsnap_ioc_version arg = { .abi = BPFSNAP_IOC_ABI };

	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/* A device number that MKDEV() would cut short names no device. */
static bool is_dev(u32 major, u32 minor)
{
	return major < (1u << (32 - MINORBITS)) && minor <= MINORMASK;
}

static long ioctl_attach(void __user *uarg)
{
	struct bpfsnap_ioc_attach arg;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.flags || !arg.timeout_ms || arg.timeout_ms > BPFSNAP_MAX_TIMEOUT_MS)
		return -EINVAL;
	if (!is_dev(arg.major, arg.minor))
		return -ENODEV;
	if (mutex_lock_killable(&bpfsnap_lock))
		return -EINTR;
	ret = bpfsnap_origin_attach(&arg);
	mutex_unlock(&bpfsnap_lock);
	if (ret)
		trace_bpfsnap_refused(MKDEV(arg.major, arg.minor), BPFSNAP_STEP_NONE, ret);
	return ret;
}

static long ioctl_detach(void __user *uarg)
{
	struct bpfsnap_ioc_detach arg;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (!is_dev(arg.major, arg.minor))
		return -ENODEV;
	if (mutex_lock_killable(&bpfsnap_lock))
		return -EINTR;
	ret = bpfsnap_origin_detach(&arg);
	mutex_unlock(&bpfsnap_lock);
	if (ret)
		trace_bpfsnap_refused(MKDEV(arg.major, arg.minor), BPFSNAP_STEP_NONE, ret);
	return ret;
}

enum { MEMORY_MIN_BYTES = 1 << 20 };

static bool is_valid(const struct bpfsnap_ioc_snap_create *arg)
{
	return memchr_inv(arg->id, 0, sizeof(arg->id)) && arg->epoch &&
	       arg->nr_devices && arg->nr_devices <= BPFSNAP_MAX_DEVICES &&
	       arg->nr_freeze <= BPFSNAP_MAX_FREEZE &&
	       arg->timeout_ms && arg->timeout_ms <= BPFSNAP_MAX_TIMEOUT_MS &&
	       !(arg->flags & ~(BPFSNAP_SNAP_WRITABLE | BPFSNAP_SNAP_COPY_DISCARDS)) &&
	       (!arg->memory_bytes || arg->memory_bytes >= MEMORY_MIN_BYTES) &&
	       arg->memory_bytes >> PAGE_SHIFT <= INT_MAX / 2 &&
	       !arg->hold_ns && !arg->frozen_ns && !arg->failed_step && !arg->failed_index && !arg->reserved;
}

static int check_devices(const struct bpfsnap_snap_device *devices, u32 nr,
			 const struct bpfsnap_dev *freeze, u32 nr_freeze)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (devices[i].reserved || devices[i].store_flags & ~BPFSNAP_STORE_PINNED ||
		    devices[i].grow_ms > BPFSNAP_MAX_GROW_MS)
			return -EINVAL;
		if (!is_dev(devices[i].major, devices[i].minor))
			return -ENODEV;
	}
	for (i = 0; i < nr_freeze; i++)
		if (!is_dev(freeze[i].major, freeze[i].minor))
			return -ENODEV;
	return 0;
}

static long ioctl_snap_create(void __user *uarg)
{
	struct bpfsnap_ioc_snap_create arg;
	struct bpfsnap_snap_device *devices;
	struct bpfsnap_dev *freeze;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (!is_valid(&arg))
		return -EINVAL;
	devices = memdup_user(u64_to_user_ptr(arg.devices), arg.nr_devices * sizeof(*devices));
	if (IS_ERR(devices))
		return PTR_ERR(devices);
	freeze = memdup_user(u64_to_user_ptr(arg.freeze), arg.nr_freeze * sizeof(*freeze));
	if (IS_ERR(freeze)) {
		ret = PTR_ERR(freeze);
		goto free_devices;
	}
	ret = check_devices(devices, arg.nr_devices, freeze, arg.nr_freeze);
	if (ret)
		goto free_freeze;

	ret = -EINTR;
	if (mutex_lock_killable(&bpfsnap_lock))
		goto free_freeze;
	ret = bpfsnap_snapshot_create(&arg, devices, freeze);
	mutex_unlock(&bpfsnap_lock);
	if (ret) {
		u32 i = arg.failed_index;
		bool is_freeze = arg.failed_step == BPFSNAP_STEP_FREEZE && i < arg.nr_freeze;

		trace_bpfsnap_refused(is_freeze ? MKDEV(freeze[i].major, freeze[i].minor) :
						  MKDEV(devices[i].major, devices[i].minor),
				      arg.failed_step, ret);
	}

	/*
	 * If the answer can't be delivered the snapshot still exists: its owner
	 * named it, and can find and destroy it.
	 */
	if (copy_to_user(uarg, &arg, sizeof(arg)) ||
	    (!ret && copy_to_user(u64_to_user_ptr(arg.devices), devices,
				  arg.nr_devices * sizeof(*devices))))
		ret = -EFAULT;
free_freeze:
	kfree(freeze);
free_devices:
	kfree(devices);
	return ret;
}

static long ioctl_snap_destroy(void __user *uarg)
{
	struct bpfsnap_ioc_snap_destroy arg;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.flags & ~BPFSNAP_DESTROY_FORCE || arg.reserved)
		return -EINVAL;
	if (mutex_lock_killable(&bpfsnap_lock))
		return -EINTR;
	ret = bpfsnap_snapshot_destroy(&arg);
	mutex_unlock(&bpfsnap_lock);
	return ret;
}

static long ioctl_snap_extend(void __user *uarg)
{
	struct bpfsnap_ioc_snap_extend arg;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	if (mutex_lock_killable(&bpfsnap_list_lock))
		return -EINTR;
	ret = bpfsnap_snapshot_extend(&arg);
	mutex_unlock(&bpfsnap_list_lock);
	return ret;
}

static u32 list_origins(void *items, u32 room)
{
	struct bpfsnap_origin_info *infos = items;
	struct bpfsnap_origin *origin;
	u32 nr = 0;

	list_for_each_entry(origin, &bpfsnap_origins, list) {
		struct bpfsnap_passed passed = bpfsnap_gate_passed(origin);

		if (nr < room)
			infos[nr] = (struct bpfsnap_origin_info) {
				.major = MAJOR(origin->dev),
				.minor = MINOR(origin->dev),
				.flags = disk_live(origin->disk) ? 0 : BPFSNAP_ORIGIN_GONE,
				.gate_bios = passed.bios,
				.gate_sect = passed.sect,
				.diverted_bios = atomic64_read(&origin->diverted),
			};
		nr++;
	}
	return nr;
}

static long ioctl_list(void __user *uarg, size_t item_bytes, u32 (*list)(void *items, u32 room))
{
	enum { LIST_ROOM_MAX = 4096 };
	struct bpfsnap_ioc_list arg;
	void *items;
	u32 room, nr;
	int ret = 0;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	room = min_t(u32, arg.nr_items, LIST_ROOM_MAX);
	items = kvcalloc(room ?: 1, item_bytes, GFP_KERNEL);
	if (!items)
		return -ENOMEM;

	ret = -EINTR;
	/* Not bpfsnap_lock: who looks must not wait for a disk that drains. */
	if (mutex_lock_killable(&bpfsnap_list_lock))
		goto free_items;
	ret = 0;
	nr = list(items, room);
	mutex_unlock(&bpfsnap_list_lock);

	arg.nr_items = nr;
	if (copy_to_user(u64_to_user_ptr(arg.items), items, min(nr, room) * item_bytes) ||
	    copy_to_user(uarg, &arg, sizeof(arg)))
		ret = -EFAULT;
free_items:
	kvfree(items);
	return ret;
}

static long control_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	void __user *arg = (void __user *)uarg;

	/* Whoever passed an open file on has not passed on the right to use it. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (cmd) {
	case BPFSNAP_IOC_VERSION:
		return ioctl_version(arg);
	case BPFSNAP_IOC_ATTACH:
		return ioctl_attach(arg);
	case BPFSNAP_IOC_DETACH:
		return ioctl_detach(arg);
	case BPFSNAP_IOC_ORIGIN_LIST:
		return ioctl_list(arg, sizeof(struct bpfsnap_origin_info), list_origins);
	case BPFSNAP_IOC_SNAP_CREATE:
		return ioctl_snap_create(arg);
	case BPFSNAP_IOC_SNAP_DESTROY:
		return ioctl_snap_destroy(arg);
	case BPFSNAP_IOC_SNAP_EXTEND:
		return ioctl_snap_extend(arg);
	case BPFSNAP_IOC_SNAP_LIST:
		return ioctl_list(arg, sizeof(struct bpfsnap_snap_info), bpfsnap_snapshot_list);
	}
	return -ENOTTY;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.read = bpfsnap_event_read,
	.poll = bpfsnap_event_poll,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice control = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = BPFSNAP_CONTROL_NAME,
	.mode = 0600,
	.fops = &control_fops,
};

int bpfsnap_control_init(void)
{
	return misc_register(&control);
}

void bpfsnap_control_exit(void)
{
	misc_deregister(&control);
}
