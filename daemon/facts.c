// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does this system offer, and what is missing?
 */
#include "facts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The function at whose entry the module catches writes. */
#define GATE_FUNCTION	"submit_bio_noacct_nocheck"

#define SECURE_BOOT	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

enum {
	KERNEL_MAJOR_MIN = 6,
	KERNEL_MINOR_MIN = 1,
	/* of linux/capability.h */
	CAPABILITY_ADMIN = 21,
	CAPABILITY_PERFMON = 38,
	CAPABILITY_BPF = 39,
};

/* Old content of one busy hour of a small disk; less is likely to be too little. */
static const uint64_t STORAGE_SMALL_BYTES = 1ull << 30;

static const char *const names[FACT_NR] = {
	[FACT_KERNEL]	= "kernel",
	[FACT_RIGHTS]	= "rights",
	[FACT_BTF]	= "btf",
	[FACT_BPFFS]	= "bpffs",
	[FACT_CGROUPS]	= "cgroups",
	[FACT_FTRACE]	= "ftrace",
	[FACT_GATE]	= "gate",
	[FACT_TRACEFS]	= "tracefs",
	[FACT_LOADING]	= "loading",
	[FACT_HEADERS]	= "headers",
	[FACT_INSTALLED] = "module-file",
	[FACT_LOADED]	= "module",
	[FACT_STORAGE]	= "storage",
};

const char *facts_name(enum fact_name name)
{
	return names[name];
}

const char *facts_state(enum fact_state state)
{
	switch (state) {
	case FACT_GOOD:
		return "ok";
	case FACT_LIMITED:
		return "limited";
	case FACT_MISSING:
		break;
	}
	return "missing";
}

__attribute__((format(printf, 3, 4)))
static void say(struct fact *fact, enum fact_state state, const char *fmt, ...)
{
	va_list ap;

	fact->state = state;
	va_start(ap, fmt);
	vsnprintf(fact->text, sizeof(fact->text), fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3)))
static void advise(struct fact *fact, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fact->advice, sizeof(fact->advice), fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3)))
static bool exists(const struct facts_place *place, const char *fmt, ...)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s", place->root);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	return access(path, F_OK) == 0;
}

static FILE *open_text(const struct facts_place *place, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", place->root, name);
	return fopen(path, "re");
}

/* First line of a file, without its end; false if it can't be read. */
static bool read_line(const struct facts_place *place, const char *name, char *ret, size_t room)
{
	FILE *f = open_text(place, name);
	bool is_read;

	*ret = '\0';
	if (!f)
		return false;
	is_read = fgets(ret, (int)room, f) != NULL;
	fclose(f);
	ret[strcspn(ret, "\n")] = '\0';
	return is_read;
}

/* The first line that holds @word, as a word of its own. */
static bool find_line(const struct facts_place *place, const char *name, const char *word,
		      char *ret, size_t room)
{
	FILE *f = open_text(place, name);
	size_t length = strlen(word);
	bool is_found = false;

	while (f && !is_found && fgets(ret, (int)room, f)) {
		const char *at = strstr(ret, word);

		is_found = at && (at == ret || strchr(" \t/", at[-1])) &&
			   (!at[length] || strchr(" \t\n(:", at[length]));
	}
	if (f)
		fclose(f);
	if (is_found)
		ret[strcspn(ret, "\n")] = '\0';
	return is_found;
}

static void look_at_kernel(const struct facts_place *place, struct fact *fact)
{
	unsigned int major = 0, minor = 0;

	if (sscanf(place->release, "%u.%u", &major, &minor) != 2 || major < KERNEL_MAJOR_MIN ||
	    (major == KERNEL_MAJOR_MIN && minor < KERNEL_MINOR_MIN)) {
		say(fact, FACT_MISSING, "The kernel is %s; nothing before Linux %d.%d is known to work.",
		    place->release, KERNEL_MAJOR_MIN, KERNEL_MINOR_MIN);
		advise(fact, "Boot a newer kernel.");
		return;
	}
	say(fact, FACT_GOOD, "The kernel is %s.", place->release);
}

static void look_at_rights(const struct facts_place *place, struct fact *fact)
{
	unsigned long long caps = 0;
	char line[256];
	const char *lacks;

	if (!find_line(place, "/proc/self/status", "CapEff", line, sizeof(line)) ||
	    sscanf(line, "CapEff: %llx", &caps) != 1) {
		say(fact, FACT_LIMITED, "The rights of this process are not known.");
		advise(fact, "Mount proc at /proc.");
		return;
	}
	lacks = !(caps >> CAPABILITY_ADMIN & 1) ? "CAP_SYS_ADMIN" :
		!(caps >> CAPABILITY_BPF & 1) ? "CAP_BPF" :
		!(caps >> CAPABILITY_PERFMON & 1) ? "CAP_PERFMON" : NULL;
	if (lacks) {
		say(fact, FACT_MISSING, "This process lacks %s.", lacks);
		advise(fact, "Run it as root; in a container, give it that capability.");
		return;
	}
	say(fact, FACT_GOOD, "This process may load programs and modules.");
}

static void look_at_btf(const struct facts_place *place, struct fact *fact)
{
	if (exists(place, "/sys/kernel/btf/vmlinux")) {
		say(fact, FACT_GOOD, "The kernel describes its types (BTF).");
		return;
	}
	say(fact, FACT_MISSING, "The kernel does not describe its types: there is no /sys/kernel/btf/vmlinux.");
	advise(fact, "Boot a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions' are.");
}

static void look_at_bpffs(const struct facts_place *place, struct fact *fact)
{
	char line[1024];

	if (find_line(place, "/proc/self/mountinfo", "/sys/fs/bpf", line, sizeof(line)) &&
	    strstr(line, " - bpf ")) {
		say(fact, FACT_GOOD, "The filesystem for pinned maps is mounted at /sys/fs/bpf.");
		return;
	}
	say(fact, FACT_MISSING, "No bpf filesystem is mounted at /sys/fs/bpf.");
	advise(fact, "mount -t bpf bpf /sys/fs/bpf");
}

static void look_at_cgroups(const struct facts_place *place, struct fact *fact)
{
	if (exists(place, "/sys/fs/cgroup/cgroup.controllers")) {
		say(fact, FACT_GOOD, "Writes are attributed to cgroups of version 2.");
		return;
	}
	say(fact, FACT_LIMITED, "Cgroups of version 2 are not at /sys/fs/cgroup: writers may be known by number only, or not told apart.");
	advise(fact, "Boot with systemd.unified_cgroup_hierarchy=1, if that matters.");
}

static void look_at_ftrace(const struct facts_place *place, struct fact *fact)
{
	char value[16];

	if (!read_line(place, "/proc/sys/kernel/ftrace_enabled", value, sizeof(value))) {
		say(fact, FACT_MISSING, "The kernel has no function tracing (ftrace): no snapshots.");
		advise(fact, "Boot a kernel built with CONFIG_DYNAMIC_FTRACE.");
	} else if (!strcmp(value, "0")) {
		say(fact, FACT_MISSING, "Function tracing (ftrace) is switched off: no snapshots.");
		advise(fact, "sysctl kernel.ftrace_enabled=1");
	} else {
		say(fact, FACT_GOOD, "Function tracing (ftrace) is on.");
	}
}

static bool is_loaded(const struct facts_place *place)
{
	return exists(place, "/sys/module/bpfsnap");
}

/* "submit_bio_noacct_nocheck (1) R I tramp: ..." tells who else is there. */
static void look_at_gate(const struct facts_place *place, struct fact *fact)
{
	const char *dir = "/sys/kernel/tracing";
	char line[512], path[128];

	if (!exists(place, "%s/available_filter_functions", dir))
		dir = "/sys/kernel/debug/tracing";
	snprintf(path, sizeof(path), "%s/available_filter_functions", dir);
	if (!read_line(place, path, line, sizeof(line))) {
		say(fact, FACT_LIMITED, "Whether writes can be caught at %s is not known before the module is loaded.",
		    GATE_FUNCTION);
		if (!exists(place, "%s", path))
			advise(fact, "mount -t tracefs tracefs /sys/kernel/tracing");
		return;
	}
	if (!find_line(place, path, GATE_FUNCTION, line, sizeof(line))) {
		say(fact, FACT_MISSING, "%s can't be traced in this kernel: no snapshots.",
		    GATE_FUNCTION);
		advise(fact, "Boot another kernel.");
		return;
	}
	snprintf(path, sizeof(path), "%s/enabled_functions", dir);
	if (!is_loaded(place) && find_line(place, path, GATE_FUNCTION, line, sizeof(line)) &&
	    strstr(line, " I")) {
		say(fact, FACT_MISSING, "Something else redirects %s, a live patch or another vendor's driver: no snapshots.",
		    GATE_FUNCTION);
		advise(fact, "Unload it; %s names it.", path);
		return;
	}
	say(fact, FACT_GOOD, "Writes can be caught at %s.", GATE_FUNCTION);
}

static void look_at_tracefs(const struct facts_place *place, struct fact *fact)
{
	char line[1024];

	if (find_line(place, "/proc/self/mountinfo", "/sys/kernel/tracing", line, sizeof(line))) {
		say(fact, FACT_GOOD, "The module's tracepoints can be watched in /sys/kernel/tracing.");
		return;
	}
	say(fact, FACT_LIMITED, "tracefs is not mounted: the module's tracepoints can't be watched.");
	advise(fact, "mount -t tracefs tracefs /sys/kernel/tracing");
}

static bool takes_modules(const struct facts_place *place)
{
	return exists(place, "/proc/modules");
}

static void look_at_headers(const struct facts_place *place, struct fact *fact)
{
	if (!takes_modules(place)) {
		say(fact, FACT_GOOD, "Headers are of no use: the kernel takes no modules.");
		return;
	}
	if (exists(place, "/lib/modules/%s/build/Makefile", place->release)) {
		say(fact, FACT_GOOD, "Headers to build the module are installed.");
		return;
	}
	say(fact, FACT_LIMITED, "Headers of %s are not installed: the module can't be built here.",
	    place->release);
	advise(fact, "Install linux-headers-%s, if the module is to be built here.", place->release);
}

/* Where packages, DKMS and "make modules_install" put it, and as what. */
static bool find_module(const struct facts_place *place, char *ret_path, size_t room)
{
	static const char *const dirs[] = { "updates/dkms", "updates", "extra", "kernel/drivers/block" };
	static const char *const suffixes[] = { "", ".xz", ".zst", ".gz" };

	for (size_t d = 0; d < sizeof(dirs) / sizeof(dirs[0]); d++) {
		for (size_t s = 0; s < sizeof(suffixes) / sizeof(suffixes[0]); s++) {
			snprintf(ret_path, room, "%s/lib/modules/%s/%s/bpfsnap.ko%s", place->root,
				 place->release, dirs[d], suffixes[s]);
			if (access(ret_path, F_OK) == 0)
				return true;
		}
	}
	return false;
}

static bool module_file(const struct facts_place *place, char *ret_path, size_t room)
{
	if (!place->module_path)
		return find_module(place, ret_path, room);
	snprintf(ret_path, room, "%s%s", place->root, place->module_path);
	return access(ret_path, F_OK) == 0;
}

/* A signature is appended to the file; of a compressed one nothing is known. */
static bool is_signed(const char *path)
{
	static const char mark[] = "~Module signature appended~\n";
	char end[sizeof(mark) - 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	bool is_marked = size > (off_t)sizeof(end) &&
			 pread(fd, end, sizeof(end), size - (off_t)sizeof(end)) == sizeof(end) &&
			 !memcmp(end, mark, sizeof(end));

	if (fd >= 0)
		close(fd);
	return is_marked;
}

static bool is_compressed(const char *path)
{
	size_t length = strlen(path);

	return length < 3 || strcmp(path + length - 3, ".ko") != 0;
}

static void look_at_installed(const struct facts_place *place, struct fact *fact)
{
	char path[PATH_MAX];

	if (module_file(place, path, sizeof(path))) {
		say(fact, FACT_GOOD, "The module for %s is %.200s.", place->release,
		    path + strlen(place->root));
		return;
	}
	if (is_loaded(place)) {
		say(fact, FACT_LIMITED, "The module is loaded, but not installed for %s.",
		    place->release);
		advise(fact, "Install it, or the next boot is without snapshots.");
		return;
	}
	if (!takes_modules(place)) {
		say(fact, FACT_LIMITED, "There is no module for a kernel that takes none.");
		return;
	}
	say(fact, FACT_MISSING, "The module is not installed for %s: changes are tracked, but there are no snapshots.",
	    place->release);
	advise(fact, "Install bpfsnap-dkms, or build it: make module && make install.");
}

/* "none [integrity] confidentiality" */
static void lockdown(const struct facts_place *place, char *ret, size_t room)
{
	char line[128], *open, *close;

	snprintf(ret, room, "none");
	if (!read_line(place, "/sys/kernel/security/lockdown", line, sizeof(line)))
		return;
	open = strchr(line, '[');
	close = open ? strchr(open, ']') : NULL;
	if (!close)
		return;
	*close = '\0';
	snprintf(ret, room, "%s", open + 1);
}

/* Four bytes of attributes, then the value. */
static bool has_secure_boot(const struct facts_place *place)
{
	FILE *f = open_text(place, SECURE_BOOT);
	unsigned char value[5] = { 0 };
	bool is_on = f && fread(value, 1, sizeof(value), f) == sizeof(value) && value[4] == 1;

	if (f)
		fclose(f);
	return is_on;
}

static void look_at_loading(const struct facts_place *place, struct fact *fact)
{
	char mode[32], enforced[8] = "", disabled[8] = "", path[PATH_MAX];
	const char *why = NULL;

	if (!takes_modules(place)) {
		say(fact, FACT_MISSING, "The kernel takes no modules: no snapshots.");
		advise(fact, "Boot a kernel built with CONFIG_MODULES.");
		return;
	}
	read_line(place, "/proc/sys/kernel/modules_disabled", disabled, sizeof(disabled));
	if (!strcmp(disabled, "1") && !is_loaded(place)) {
		say(fact, FACT_MISSING, "No more modules can be loaded (kernel.modules_disabled): no snapshots.");
		advise(fact, "Load the module earlier: name it in /etc/modules-load.d, and reboot.");
		return;
	}
	lockdown(place, mode, sizeof(mode));
	if (!strcmp(mode, "confidentiality")) {
		say(fact, FACT_MISSING, "The kernel is locked down (confidentiality): programs may not read its memory, so nothing can be tracked.");
		advise(fact, "Boot with lockdown=integrity.");
		return;
	}
	read_line(place, "/sys/module/module/parameters/sig_enforce", enforced, sizeof(enforced));
	if (!strcmp(mode, "integrity"))
		why = has_secure_boot(place) ? "Secure Boot is on and the kernel locked down" :
					       "the kernel is locked down";
	else if (!strcmp(enforced, "Y"))
		why = "the kernel enforces signatures";
	if (!why) {
		say(fact, FACT_GOOD, "Modules need no signature%s.",
		    has_secure_boot(place) ? ", although Secure Boot is on" : "");
		return;
	}
	if (is_loaded(place)) {
		say(fact, FACT_GOOD, "Modules must be signed (%s), and this one is loaded.", why);
	} else if (!module_file(place, path, sizeof(path)) || is_compressed(path)) {
		say(fact, FACT_LIMITED, "Modules must be signed: %s.", why);
		advise(fact, "Sign the module with a key that the machine knows (mokutil --import).");
	} else if (is_signed(path)) {
		say(fact, FACT_LIMITED, "Modules must be signed: %s; this one is, by whom is not known.", why);
		advise(fact, "If it is refused, enroll the key of its signer: mokutil --import.");
	} else {
		say(fact, FACT_MISSING, "Modules must be signed (%s), and this one is not: no snapshots.", why);
		advise(fact, "Sign it with a key that the machine knows (mokutil --import), or switch Secure Boot off.");
	}
}

static void look_at_loaded(const struct facts_place *place, struct fact *fact)
{
	char version[64];

	if (is_loaded(place)) {
		read_line(place, "/sys/module/bpfsnap/version", version, sizeof(version));
		say(fact, FACT_GOOD, "The module %s is loaded.", version);
		return;
	}
	say(fact, FACT_LIMITED, "The module is not loaded: changes are tracked, but there are no snapshots.");
	if (takes_modules(place))
		advise(fact, "The daemon loads it when it starts and when a device is attached; modprobe bpfsnap tells what prevents it.");
}

static void look_at_storage(const struct facts_place *place, struct fact *fact)
{
	uint64_t free_bytes;
	struct statvfs fs;
	char path[PATH_MAX];

	if (!place->storage_dir) {
		say(fact, FACT_GOOD, "No directory for old content was asked about.");
		return;
	}
	snprintf(path, sizeof(path), "%s%s", place->root, place->storage_dir);
	if (statvfs(path, &fs) < 0 || access(path, W_OK | X_OK) < 0) {
		say(fact, FACT_MISSING, "Old content can't be kept in %.100s: %s.", place->storage_dir,
		    strerror(errno));
		advise(fact, "Make the directory, or name another: bpfsnapd --storage, or storage of each snapshot.");
		return;
	}
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_bytes < STORAGE_SMALL_BYTES) {
		say(fact, FACT_LIMITED, "Only %" PRIu64 " MiB are free for old content in %.100s.",
		    free_bytes >> 20, place->storage_dir);
		advise(fact, "A snapshot fails when its storage is full: make room, or name another place.");
		return;
	}
	say(fact, FACT_GOOD, "%" PRIu64 " GiB are free for old content in %.100s.",
	    free_bytes >> 30, place->storage_dir);
}

void facts_look(const struct facts_place *place, struct fact ret_facts[FACT_NR])
{
	static void (*const look[FACT_NR])(const struct facts_place *place, struct fact *fact) = {
		[FACT_KERNEL]	= look_at_kernel,
		[FACT_RIGHTS]	= look_at_rights,
		[FACT_BTF]	= look_at_btf,
		[FACT_BPFFS]	= look_at_bpffs,
		[FACT_CGROUPS]	= look_at_cgroups,
		[FACT_FTRACE]	= look_at_ftrace,
		[FACT_GATE]	= look_at_gate,
		[FACT_TRACEFS]	= look_at_tracefs,
		[FACT_HEADERS]	= look_at_headers,
		[FACT_INSTALLED] = look_at_installed,
		[FACT_LOADING]	= look_at_loading,
		[FACT_LOADED]	= look_at_loaded,
		[FACT_STORAGE]	= look_at_storage,
	};

	for (int i = 0; i < FACT_NR; i++) {
		ret_facts[i] = (struct fact){ 0 };
		look[i](place, &ret_facts[i]);
	}
}
