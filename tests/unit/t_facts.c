// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is said of a system, of which a tree of files tells?
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "facts.h"

static char root[64];
static struct fact facts[FACT_NR];

__attribute__((format(printf, 2, 3)))
static void put(const char *path, const char *fmt, ...)
{
	char name[512], command[1100];
	va_list ap;
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", root, path);
	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\"", name);
	assert_int_equal(system(command), 0);
	f = fopen(name, "w");
	assert_non_null(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

static void take(const char *path)
{
	char command[600];

	snprintf(command, sizeof(command), "rm -rf '%s%s'", root, path);
	assert_int_equal(system(command), 0);
}

static void look_with(const char *release, const char *module_path)
{
	struct facts_place place = {
		.root = root, .release = release, .module_path = module_path,
		.storage_dir = "/store",
	};

	facts_look(&place, facts);
	for (int i = 0; i < FACT_NR; i++) {
		assert_int_not_equal(strlen(facts[i].text), 0);
		/* nobody is told that something is missing, and not what to do */
		if (facts[i].state == FACT_MISSING)
			assert_int_not_equal(strlen(facts[i].advice), 0);
	}
}

static void look(void)
{
	look_with("6.1.0-test", NULL);
}

/* A system on which all is well. */
static int make_system(void **state)
{
	(void)state;
	strcpy(root, "/tmp/t_facts.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	put("/proc/self/status", "Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\n");
	put("/proc/self/mountinfo",
	    "30 23 0:27 / /sys/fs/bpf rw,nosuid - bpf bpf rw,mode=700\n"
	    "31 23 0:28 / /sys/kernel/tracing rw - tracefs tracefs rw\n");
	put("/sys/kernel/btf/vmlinux", "x");
	put("/sys/fs/cgroup/cgroup.controllers", "io\n");
	put("/proc/sys/kernel/ftrace_enabled", "1\n");
	put("/proc/sys/kernel/modules_disabled", "0\n");
	put("/proc/modules", "loop 1 0 - Live 0\n");
	put("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	put("/sys/module/module/parameters/sig_enforce", "N\n");
	put("/sys/kernel/tracing/available_filter_functions",
	    "submit_bio\nsubmit_bio_noacct_nocheck\n");
	put("/sys/kernel/tracing/enabled_functions", "%s", "");
	put("/lib/modules/6.1.0-test/build/Makefile", "x");
	put("/lib/modules/6.1.0-test/updates/dkms/bpfsnap.ko", "not an honest module at all, unsigned");
	put("/sys/module/bpfsnap/version", "0.1.0\n");
	put("/store/x", "x");
	return 0;
}

static int remove_system(void **state)
{
	(void)state;
	take("");
	return 0;
}

static void all_is_well(void **state)
{
	(void)state;
	look();
	for (int i = 0; i < FACT_NR; i++) {
		if (i == FACT_STORAGE)	/* /tmp may be small */
			continue;
		if (facts[i].state != FACT_GOOD)
			print_message("%s: %s\n", facts_name(i), facts[i].text);
		assert_int_equal(facts[i].state, FACT_GOOD);
		assert_string_equal(facts[i].advice, "");
	}
	assert_non_null(strstr(facts[FACT_LOADED].text, "0.1.0"));
	assert_non_null(strstr(facts[FACT_INSTALLED].text, "updates/dkms"));
}

static void each_lack_is_seen(void **state)
{
	static const struct {
		const char *path;
		enum fact_name fact;
		enum fact_state state;
	} lacks[] = {
		{ "/proc/self/status", FACT_RIGHTS, FACT_LIMITED },
		{ "/sys/kernel/btf", FACT_BTF, FACT_MISSING },
		{ "/proc/self/mountinfo", FACT_BPFFS, FACT_MISSING },
		{ "/proc/self/mountinfo", FACT_TRACEFS, FACT_LIMITED },
		{ "/sys/fs/cgroup", FACT_CGROUPS, FACT_LIMITED },
		{ "/proc/sys/kernel/ftrace_enabled", FACT_FTRACE, FACT_MISSING },
		{ "/sys/kernel/tracing", FACT_GATE, FACT_LIMITED },
		{ "/lib/modules/6.1.0-test/build", FACT_HEADERS, FACT_LIMITED },
		{ "/lib/modules/6.1.0-test/updates", FACT_INSTALLED, FACT_LIMITED },
		{ "/proc/modules", FACT_LOADING, FACT_MISSING },
		{ "/sys/module/bpfsnap", FACT_LOADED, FACT_LIMITED },
		{ "/store", FACT_STORAGE, FACT_MISSING },
	};

	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
		remove_system(state);
		make_system(state);
		take(lacks[i].path);
		look();
		assert_int_equal(facts[lacks[i].fact].state, lacks[i].state);
	}
	/* neither there nor loaded */
	take("/lib/modules/6.1.0-test/updates");
	take("/sys/module/bpfsnap");
	look();
	assert_int_equal(facts[FACT_INSTALLED].state, FACT_MISSING);
}

static void kernels_are_told_apart(void **state)
{
	(void)state;
	look_with("5.10.0-30-amd64", NULL);
	assert_int_equal(facts[FACT_KERNEL].state, FACT_MISSING);
	look_with("6.0.12", NULL);
	assert_int_equal(facts[FACT_KERNEL].state, FACT_MISSING);
	look_with("7.0.1", NULL);
	assert_int_equal(facts[FACT_KERNEL].state, FACT_GOOD);
	/* of another release, nothing is installed */
	assert_int_equal(facts[FACT_HEADERS].state, FACT_LIMITED);
}

static void rights_and_ftrace(void **state)
{
	(void)state;
	put("/proc/self/status", "CapEff:\t0000000000000000\n");
	put("/proc/sys/kernel/ftrace_enabled", "0\n");
	look();
	assert_int_equal(facts[FACT_RIGHTS].state, FACT_MISSING);
	assert_int_equal(facts[FACT_FTRACE].state, FACT_MISSING);
	/* all but CAP_BPF */
	put("/proc/self/status", "CapEff:\t0000017fffffffff\n");
	look();
	assert_int_equal(facts[FACT_RIGHTS].state, FACT_MISSING);
	assert_non_null(strstr(facts[FACT_RIGHTS].text, "CAP_BPF"));
}

static void the_gate_may_be_taken(void **state)
{
	(void)state;
	put("/sys/kernel/tracing/enabled_functions",
	    "submit_bio_noacct_nocheck (1) R I   tramp: 0xff (klp_ftrace_handler+0x0/0x1f0)\n");
	look();
	assert_int_equal(facts[FACT_GATE].state, FACT_GOOD);	/* by ourselves */
	take("/sys/module/bpfsnap");
	look();
	assert_int_equal(facts[FACT_GATE].state, FACT_MISSING);
	put("/sys/kernel/tracing/available_filter_functions", "submit_bio\nnot_submit_bio_noacct_nochecked\n");
	look();
	assert_int_equal(facts[FACT_GATE].state, FACT_MISSING);
	/* there, but nobody may read it */
	put("/sys/kernel/tracing/available_filter_functions", "%s", "");
	look();
	assert_int_equal(facts[FACT_GATE].state, FACT_LIMITED);
}

static void secure_boot(bool is_on)
{
	put("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
	    "\006aaa%c", is_on ? 1 : 2);
}

static void signatures(void **state)
{
	(void)state;
	take("/sys/module/bpfsnap");
	secure_boot(true);
	put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	look();
	assert_int_equal(facts[FACT_LOADING].state, FACT_MISSING);
	assert_non_null(strstr(facts[FACT_LOADING].text, "Secure Boot"));
	put("/lib/modules/6.1.0-test/updates/dkms/bpfsnap.ko", "content~Module signature appended~\n");
	look();
	assert_int_equal(facts[FACT_LOADING].state, FACT_LIMITED);
	/* a file that was named is the one that counts */
	put("/own.ko", "a module without a signature, long enough to have one");
	look_with("6.1.0-test", "/own.ko");
	assert_int_equal(facts[FACT_LOADING].state, FACT_MISSING);
	put("/sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
	look();
	assert_int_equal(facts[FACT_LOADING].state, FACT_MISSING);
	put("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	look();
	assert_int_equal(facts[FACT_LOADING].state, FACT_GOOD);
	put("/sys/module/module/parameters/sig_enforce", "Y\n");
	secure_boot(false);
	look();
	assert_int_equal(facts[FACT_LOADING].state, FACT_LIMITED);
	put("/proc/sys/kernel/modules_disabled", "1\n");
	look();
	assert_int_equal(facts[FACT_LOADING].state, FACT_MISSING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_well, make_system, remove_system),
		cmocka_unit_test_setup_teardown(each_lack_is_seen, make_system, remove_system),
		cmocka_unit_test_setup_teardown(kernels_are_told_apart, make_system, remove_system),
		cmocka_unit_test_setup_teardown(rights_and_ftrace, make_system, remove_system),
		cmocka_unit_test_setup_teardown(the_gate_may_be_taken, make_system, remove_system),
		cmocka_unit_test_setup_teardown(signatures, make_system, remove_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
