// SPDX-License-Identifier: GPL-2.0-only
/*
 * bpfsnap: catches write bios of attached disks, keeps old content for snapshots,
 * and tells tracking programs what passed.  What changed since when is not its
 * business: see bpf/ and daemon/.
 */
#include <linux/module.h>
#include "bpfsnap.h"

static int __init bpfsnap_init(void)
{
	int ret;

	ret = bpfsnap_job_init();
	if (ret)
		return ret;
	ret = bpfsnap_origin_init();
	if (ret)
		goto job_exit;
	ret = bpfsnap_freeze_init();
	if (ret)
		goto origin_exit;
	ret = bpfsnap_index_init();
	if (ret)
		goto freeze_exit;
	ret = bpfsnap_image_init();
	if (ret)
		goto index_exit;
	ret = bpfsnap_snapshot_init();
	if (ret)
		goto image_exit;
	ret = bpfsnap_hook_init();
	if (ret)
		goto snapshot_exit;
	ret = bpfsnap_control_init();
	if (ret)
		goto hook_exit;
	bpfsnap_debugfs_init();
	return 0;

hook_exit:
	bpfsnap_hook_exit();
snapshot_exit:
	bpfsnap_snapshot_exit();
image_exit:
	bpfsnap_image_exit();
index_exit:
	bpfsnap_index_exit();
freeze_exit:
	bpfsnap_freeze_exit();
origin_exit:
	bpfsnap_origin_exit();
job_exit:
	bpfsnap_job_exit();
	return ret;
}

static void __exit bpfsnap_exit(void)
{
	bpfsnap_debugfs_exit();
	bpfsnap_control_exit();
	/* No origin and no snapshot exists: each holds a reference on the module. */
	bpfsnap_hook_exit();
	bpfsnap_origin_exit();
	bpfsnap_snapshot_exit();
	bpfsnap_image_exit();
	bpfsnap_index_exit();
	bpfsnap_freeze_exit();
	bpfsnap_job_exit();
}

module_init(bpfsnap_init);
module_exit(bpfsnap_exit);
MODULE_DESCRIPTION("Copy-on-write snapshots of live block devices");
MODULE_LICENSE("GPL");
MODULE_VERSION(BPFSNAP_VERSION);
