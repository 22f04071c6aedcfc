// SPDX-License-Identifier: GPL-2.0-only
/*
 * hammer THREADS: updates, looks up and deletes entries of a BPF map, until it is
 * killed. Some kinds of programs are skipped while a system call does that; those that
 * track changes must not be.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRIES = 64 };

static int map;

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static void *hammer(void *arg)
{
	uint32_t number = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0;; i++) {
		uint32_t key = (i * 7 + number) % ENTRIES;
		uint64_t value = i;
		union bpf_attr attr = { .map_fd = (uint32_t)map, .key = (uintptr_t)&key,
					.value = (uintptr_t)&value };

		bpf(i % 3 == 0 ? BPF_MAP_UPDATE_ELEM : i % 3 == 1 ? BPF_MAP_LOOKUP_ELEM :
		    BPF_MAP_DELETE_ELEM, &attr);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = ENTRIES,
	};
	long threads = argc == 2 ? atol(argv[1]) : 0;
	pthread_t thread;

	if (threads <= 0) {
		fprintf(stderr, "usage: hammer THREADS\n");
		return 2;
	}
	map = (int)bpf(BPF_MAP_CREATE, &attr);
	if (map < 0) {
		perror("bpf");
		return 1;
	}
	for (long i = 1; i < threads; i++)
		if (pthread_create(&thread, NULL, hammer, (void *)i))
			return 1;
	hammer(NULL);
	return 0;
}
