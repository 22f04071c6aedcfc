/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _BPFSNAP_IMAGE_H
#define _BPFSNAP_IMAGE_H

struct bpfsnap_range;

/* image.c: the image block devices */
int bpfsnap_image_init(void);
void bpfsnap_image_exit(void);
int bpfsnap_image_create(struct bpfsnap_range *range);
int bpfsnap_image_publish(struct bpfsnap_range *range);
bool bpfsnap_image_end(struct bpfsnap_range *range, bool force);
void bpfsnap_image_unend(struct bpfsnap_range *range);
void bpfsnap_image_settle(struct bpfsnap_range *range);
void bpfsnap_image_await_close(struct bpfsnap_range *range);
void bpfsnap_image_destroy(struct bpfsnap_range *range);

/* sysfs.c: what an image's directory in /sys/block tells, and of disks debugfs */
extern const struct attribute_group *bpfsnap_image_groups[];
void bpfsnap_debugfs_init(void);
void bpfsnap_debugfs_exit(void);

#endif /* _BPFSNAP_IMAGE_H */
