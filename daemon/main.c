// SPDX-License-Identifier: GPL-2.0-only
/*
 * bpfsnapd: what is it told on its command line, and in which order does it start?
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "kload.h"
#include "aside.h"
#include "ending.h"
#include "log.h"
#include "methods.h"
#include "notify.h"
#include "server.h"
#include "snapshot.h"

#define RUN_DIR		"/run/bpfsnap"
#define SOCKET_PATH	RUN_DIR "/bpfsnapd.sock"
#define LOCK_PATH	RUN_DIR "/lock"
#define HELD_DIR	RUN_DIR "/snapshots"
#define STORAGE_DIR	"/var/tmp"
#define GROUP		"bpfsnap"

enum {
	EXIT_USAGE = 2,
	MARK_LIMIT_MIN = 8,
	OPTION_PINS = 256,
	OPTION_MARK_LIMIT,
	OPTION_DIE_IN_STEP,
};

static const char help[] =
	"Usage: bpfsnapd [options]\n"
	"Track changes of block devices and take snapshots of them, for clients of a\n"
	"Varlink socket. Runs in the foreground.\n"
	"\n"
	"  -s, --socket PATH    listen here (" SOCKET_PATH ")\n"
	"  -d, --storage DIR    keep old content in files here, if a client names no\n"
	"                       other directory (" STORAGE_DIR ")\n"
	"  -m, --module FILE    load this kernel module instead of the installed one\n"
	"      --pins DIR       pin maps and programs here (" BPFSNAP_PIN_DIR ")\n"
	"  -g, --group NAME     let members of this group read (" GROUP "); \"\": only root\n"
	"      --mark-limit N   tell at most N epochs apart, for tests\n"
	"      --die-in-step N  die in this step of taking a snapshot, for tests\n"
	"  -f, --foreground     as always\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this\n";

struct settings {
	const char *socket_path;
	const char *storage_dir;
	const char *module_path;
	const char *group;
	struct tracker_options tracker;
};

/* Return: -1 to go on, or the exit status. */
static int take_options(int argc, char *argv[], struct settings *settings)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "storage", required_argument, NULL, 'd' },
		{ "module", required_argument, NULL, 'm' },
		{ "group", required_argument, NULL, 'g' },
		{ "pins", required_argument, NULL, OPTION_PINS },
		{ "mark-limit", required_argument, NULL, OPTION_MARK_LIMIT },
		{ "die-in-step", required_argument, NULL, OPTION_DIE_IN_STEP },
		{ "foreground", no_argument, NULL, 'f' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "s:d:m:g:fVh", options, NULL)) >= 0) {
		switch (option) {
		case 's':
			settings->socket_path = optarg;
			break;
		case 'd':
			settings->storage_dir = optarg;
			break;
		case 'm':
			settings->module_path = optarg;
			break;
		case 'g':
			settings->group = *optarg ? optarg : NULL;
			break;
		case OPTION_PINS:
			settings->tracker.dir = optarg;
			break;
		case OPTION_MARK_LIMIT:
			settings->tracker.mark_limit = (uint32_t)strtoul(optarg, NULL, 10);
			if (settings->tracker.mark_limit < MARK_LIMIT_MIN ||
			    settings->tracker.mark_limit > BPFSNAP_MARK_MAX) {
				fprintf(stderr, "bpfsnapd: --mark-limit is %d to %d\n",
					MARK_LIMIT_MIN, BPFSNAP_MARK_MAX);
				return EXIT_USAGE;
			}
			break;
		case OPTION_DIE_IN_STEP:
			snapshot_die_in_step = (int)strtol(optarg, NULL, 10);
			break;
		case 'f':
			break;
		case 'V':
			puts("bpfsnapd " BPFSNAP_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'bpfsnapd --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "bpfsnapd: '%s' is not an option\nTry 'bpfsnapd --help'.\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/*
 * The pins are one for all of the system, whatever the socket: so is the lock.  Pins in
 * another place have a lock of their own, beside the socket.
 */
static int lock(const struct settings *settings, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	char path[512] = LOCK_PATH;

	if (mkdir(RUN_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (settings->tracker.dir)
		snprintf(path, sizeof(path), "%s.lock", settings->socket_path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Without the module or with strange pins the daemon runs, and says so when asked. */
static void look_around(struct daemon *daemon)
{
	_cleanup_(fault_done) struct fault module = { 0 }, pins = { 0 };

	if (kload_ensure(daemon->module_path, &module) < 0)
		log_warning("no snapshots: %s", fault_text(&module));
	if (tracker_check(daemon->tracker, &pins) < 0)
		log_err("no tracking: %s", fault_text(&pins));
}

/* Like the lock: where the pins are others, so are the snapshots. */
static int open_held(const struct settings *settings)
{
	char path[512] = HELD_DIR;
	int r;

	if (settings->tracker.dir)
		snprintf(path, sizeof(path), "%s.snapshots", settings->socket_path);
	r = held_open(path, ending_is_held);
	if (r < 0)
		log_err("%s: %s", path, strerror(-r));
	return r;
}

static void ready(void)
{
	log_info("ready");
	notify_ready();
}

int main(int argc, char *argv[])
{
	struct settings settings = { .socket_path = SOCKET_PATH, .storage_dir = STORAGE_DIR,
				     .group = GROUP };
	_cleanup_(methods_done) struct daemon daemon = { 0 };
	_cleanup_(tracker_freep) struct tracker *tracker = NULL;
	_cleanup_(closep) int lock_fd = -1;
	int r;

	r = take_options(argc, argv, &settings);
	if (r >= 0)
		return r;
	log_open();
	daemon.storage_dir = settings.storage_dir;
	daemon.module_path = settings.module_path;
	r = methods_init(&daemon);
	if (r < 0)
		return EXIT_FAILURE;
	r = lock(&settings, &lock_fd);
	if (r < 0) {
		log_err("%s: %s", LOCK_PATH, r == -EWOULDBLOCK ? "bpfsnapd runs already" : strerror(-r));
		return EXIT_FAILURE;
	}
	r = tracker_new(&settings.tracker, &tracker);
	if (r < 0) {
		log_err("tracker: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	daemon.tracker = tracker;
	look_around(&daemon);
	aside_clean();
	r = open_held(&settings);
	if (r < 0)
		return EXIT_FAILURE;
	r = server_run(&daemon, &(struct server_options){ settings.socket_path, settings.group },
		       ready);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
