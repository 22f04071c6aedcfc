/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What does this system offer, and what is missing?
 *
 * Looks at files only, asks nobody and changes nothing: the daemon says by it what is
 * available, and the command what is missing where there is no daemon.
 */
#ifndef BPFSNAP_FACTS_H
#define BPFSNAP_FACTS_H

#include <stddef.h>
#include <stdint.h>

enum fact_name {
	FACT_KERNEL,
	FACT_RIGHTS,
	FACT_BTF,
	FACT_BPFFS,
	FACT_CGROUPS,
	FACT_FTRACE,
	FACT_GATE,
	FACT_TRACEFS,
	FACT_LOADING,
	FACT_HEADERS,
	FACT_INSTALLED,
	FACT_LOADED,
	FACT_STORAGE,
	FACT_NR,
};

enum fact_state {
	FACT_GOOD,
	FACT_LIMITED,	/* something can't be had, or is not known */
	FACT_MISSING,	/* tracking, or snapshots, can't be had */
};

enum {
	FACT_TEXT_MAX = 320,
};

/**
 * struct fact - one of them
 * @text: what was found, a sentence
 * @advice: what to do about it, a sentence; empty if there is nothing to do
 */
struct fact {
	enum fact_state state;
	char text[FACT_TEXT_MAX];
	char advice[FACT_TEXT_MAX];
};

/**
 * struct facts_place - where to look
 * @root: "", or a tree that a test made
 * @release: of the kernel, as uname tells
 * @module_path: file of the module that is to be loaded, or NULL for the installed one
 * @storage_dir: where old content goes, or NULL to leave that out
 */
struct facts_place {
	const char *root;
	const char *release;
	const char *module_path;
	const char *storage_dir;
};

/** facts_look - look at all */
void facts_look(const struct facts_place *place, struct fact ret_facts[FACT_NR]);

/** facts_name - for programs: "btf" */
const char *facts_name(enum fact_name name);

/** facts_state - for programs: "ok", "limited" or "missing" */
const char *facts_state(enum fact_state state);

#endif /* BPFSNAP_FACTS_H */
