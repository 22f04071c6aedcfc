// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is the right module there, and if not, can it be loaded?
 */
#include "kload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libkmod.h>

#include "kctl.h"

#define MODULE_NAME	"bpfsnap"

static void put_ctx(struct kmod_ctx **ctx)
{
	if (*ctx)
		kmod_unref(*ctx);
}

static void put_module(struct kmod_module **module)
{
	if (*module)
		kmod_module_unref(*module);
}

static int load(const char *path)
{
	_cleanup_(put_ctx) struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	_cleanup_(put_module) struct kmod_module *module = NULL;
	int r;

	if (!ctx)
		return -ENOMEM;
	kmod_set_log_priority(ctx, 0);
	if (path) {
		r = kmod_module_new_from_path(ctx, path, &module);
		return r < 0 ? r : kmod_module_insert_module(module, 0, NULL);
	}
	r = kmod_module_new_from_name(ctx, MODULE_NAME, &module);
	if (r < 0)
		return r;
	r = kmod_module_probe_insert_module(module, KMOD_PROBE_APPLY_BLACKLIST, NULL,
					    NULL, NULL, NULL);
	return r > 0 ? -EPERM : r;	/* > 0: blacklisted */
}

static const char *explain(int error)
{
	switch (-error) {
	case ENOENT:
	case ENOSYS:
		return "it is not installed for the running kernel";
	case ENOEXEC:
		return "it was built for another kernel";
	case EKEYREJECTED:
	case EPERM:
		return "the kernel or its configuration does not permit it (signature, lockdown or blacklist)";
	case EBUSY:
		return "another user of the same kernel function is active, for example a live patch";
	default:
		return strerror(-error);
	}
}

int kload_check(struct fault *fault)
{
	struct bpfsnap_ioc_version version;
	int r;

	if (!kctl_exists())
		return fault_plain(fault, REASON_MODULE_UNAVAILABLE,
				   "The kernel module %s is not loaded.", MODULE_NAME);
	r = kctl_version(&version);
	if (r < 0)
		return fault_plain(fault, REASON_MODULE_UNAVAILABLE,
				   "The kernel module %s does not answer: %s.", MODULE_NAME,
				   strerror(-r));
	if (version.abi != BPFSNAP_IOC_ABI)
		return fault_plain(fault, REASON_MODULE_UNAVAILABLE,
				   "The kernel module %s has ABI %u, but %d is needed: the module and the daemon are of different releases.",
				   MODULE_NAME, version.abi, BPFSNAP_IOC_ABI);
	return 0;
}

int kload_ensure(const char *path, struct fault *fault)
{
	int r;

	if (kctl_exists())
		return kload_check(fault);
	r = load(path);
	if (r < 0 && r != -EEXIST)
		return fault_plain(fault, REASON_MODULE_UNAVAILABLE,
				   "The kernel module %s could not be loaded: %s.",
				   path ?: MODULE_NAME, explain(r));
	return kload_check(fault);
}
