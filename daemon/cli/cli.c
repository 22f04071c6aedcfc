// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which verbs are there, and which of them does a command line mean?
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cli.h"
#include "complete.h"

static const struct cli_command commands[] = {
	{ "device", "attach", cmd_device_attach, "DEV [--granularity SIZE]",
	  "Begin to track the disk of a device.\n"
	  "--granularity SIZE   bytes per tracked block, 4K to 1M, a power of two (64K)" },
	{ "device", "detach", cmd_device_detach, "DEV",
	  "Forget a device, its history and its checkpoints." },
	{ "device", "list", cmd_device_list, "",
	  "List the attached disks." },
	{ "device", "describe", cmd_device_describe, "DEV [--granularity SIZE]",
	  "Say what attaching a device would take, and what could not be seen of it.\n"
	  "--granularity SIZE   bytes per tracked block, 4K to 1M, a power of two (64K)" },
	{ "device", "renew", cmd_device_renew, "DEV",
	  "Begin a new history: what was in doubt is forgotten, and so is all that changed." },
	{ "device", "writers", cmd_device_writers, "DEV",
	  "Say which cgroups have written to a disk." },
	{ "device", "dirty", cmd_device_dirty, "DEV OFFSET LENGTH",
	  "Let a range count as changed now." },
	{ "epoch", "advance", cmd_epoch_advance,
	  "DEV... [--freeze] [--timeout MS] [--checkpoint NAME]",
	  "End the epoch, for a snapshot that another program takes after this.\n"
	  "--freeze             freeze the filesystems on the devices meanwhile\n"
	  "--timeout MS         longest time to wait for writes in flight (5000)\n"
	  "--checkpoint NAME    remember the boundary under a name" },
	{ "epoch", "list", cmd_epoch_list, "DEV",
	  "Say how much the latest epochs changed on a disk." },
	{ "snapshot", "create", cmd_snapshot_create,
	  "DEV... [--storage DIR|DEV] [--set-aside] [--limit SIZE] [--memory SIZE] [--low SIZE]"
	  " [--grow MS] [--writable] [--timeout MS] [--checkpoint NAME]",
	  "Take a snapshot of all devices at one instant.\n"
	  "--storage DIR|DEV    where old content is kept; on a device of the snapshot only\n"
	  "                     with --limit\n"
	  "--set-aside          write a file of --limit there first, and store in its blocks\n"
	  "--limit SIZE         most old content of each device\n"
	  "--memory SIZE        most old content in memory, on its way there (64M)\n"
	  "--low SIZE           tell when the storage has less left (a tenth)\n"
	  "--grow MS            how long a full storage waits to be extended (0)\n"
	  "--writable           images take writes\n"
	  "--timeout MS         longest time for which writes may be held (5000)\n"
	  "--checkpoint NAME    remember the instant under a name" },
	{ "snapshot", "list", cmd_snapshot_list, "",
	  "List the snapshots, a line for each of their devices." },
	{ "snapshot", "extend", cmd_snapshot_extend, "ID LIMIT [--device DEV]",
	  "Let a storage take more old content: LIMIT in all, no less than before.\n"
	  "--device DEV         of the snapshot: its storage; that of the first one if not given" },
	{ "snapshot", "destroy", cmd_snapshot_destroy, "ID [--force]",
	  "End a snapshot.\n"
	  "--force              although an image is open or mounted: who uses it gets errors" },
	{ "checkpoint", "list", cmd_checkpoint_list, "[DEV]",
	  "List the checkpoints." },
	{ "checkpoint", "commit", cmd_checkpoint_commit, "DEV NAME --since EPOCH --generation UUID",
	  "Make a checkpoint, or move it on.\n"
	  "--since EPOCH        all changes up to its end are safe\n"
	  "--generation UUID    the history that the epoch belongs to" },
	{ "checkpoint", "remove", cmd_checkpoint_remove, "DEV NAME",
	  "Forget a checkpoint." },
	{ "changes", NULL, cmd_changes,
	  "DEV --since EPOCH|CHECKPOINT [--generation UUID] [--start BYTES] [--max N]"
	  " [--details] [--format text|json|map|bmap] [--heatmap] [--svg FILE]",
	  "List what has changed on a device, as lines of OFFSET LENGTH in bytes.\n"
	  "--since EPOCH|CHECKPOINT  a number is an epoch, all else a checkpoint\n"
	  "--generation UUID    fail if the history is another one\n"
	  "--start BYTES        leave out what is before\n"
	  "--max N              stop after so many\n"
	  "--details            tell in which epoch each extent changed last, and what was discarded\n"
	  "--format FORMAT      text, json, map (as qemu-img map) or bmap (for bmaptool)\n"
	  "--heatmap            draw where the device has changed, in the terminal\n"
	  "--svg FILE           the same as a picture, - for standard output" },
	{ "backup", NULL, cmd_backup,
	  "DEV IMAGE [--since EPOCH|CHECKPOINT|image] [--snapshot ID] [--storage DIR] [--keep]"
	  " [--checkpoint NAME] [--verify] [--accept-uncertain] [--resume]"
	  " [-j JOBS]",
	  "Copy a snapshot of a device to a file, or update the file with what has changed.\n"
	  "IMAGE is - for a stream to standard output\n"
	  "--since image        update IMAGE with the changes since it was made\n"
	  "--since EPOCH|CHECKPOINT  the same, from an earlier instant\n"
	  "--snapshot ID        read an existing snapshot, don't make and destroy one\n"
	  "--storage DIR        where old content is kept; not on the device\n"
	  "--keep               don't destroy the snapshot\n"
	  "--checkpoint NAME    remember the instant under a name\n"
	  "--verify             read both back and compare all bytes\n"
	  "--accept-uncertain   update even if the list of changes may lack some\n"
	  "--resume             keep what was copied if a full backup fails, and go on from it\n"
	  "-j, --jobs JOBS      pieces that are worked on at once (4)" },
	{ "verify", NULL, cmd_verify, "IMAGE [-j JOBS]",
	  "Read an image, and compare it with the checksums of its backup.\n"
	  "-j, --jobs JOBS      pieces that are worked on at once (4)" },
	{ "restore", NULL, cmd_restore, "IMAGE DEV [--accept-image] [--overwrite] [--force]"
	  " [-j JOBS]",
	  "Write an image to a device, read it back and compare.\n"
	  "IMAGE is - for a stream from standard input; to a file, that becomes an image\n"
	  "--accept-image       also one that is incomplete, was changed or has no sidecar\n"
	  "--overwrite          also to a device that holds a filesystem or the like\n"
	  "--force              also to an attached device\n"
	  "-j, --jobs JOBS      pieces that are worked on at once (4)" },
	{ "call", NULL, cmd_call, "METHOD [JSON] [--more]",
	  "Call a method of the daemon, and print its replies.\n"
	  "--more               ask for a stream of replies" },
	{ "complete", NULL, cmd_complete, "", NULL },
	{ "info", NULL, cmd_info, "",
	  "Say which interfaces the daemon speaks." },
	{ "version", NULL, cmd_version, "",
	  "Say which versions are at work, and what can be had here." },
	{ "top", NULL, cmd_top, "[-d SECONDS] [-b] [-n COUNT] [--show devices|writers|snapshots]",
	  "Show what changes now, who writes it, and how storages fill.\n"
	  "-d, --delay SECONDS  between two looks (2)\n"
	  "-b, --batch          print one table after the other, for scripts\n"
	  "-n, --count COUNT    end after so many\n"
	  "--show TABLE         only devices, writers or snapshots" },
	{ "events", NULL, cmd_events, "[--follow] [--after SEQ [--stream STREAM]]",
	  "Say what has happened: the latest events, or with --follow all from now on.\n"
	  "--follow             a line for each event as it happens\n"
	  "--after SEQ          only those that follow this one\n"
	  "--stream STREAM      the one that SEQ is of: each start of the daemon begins another" },
	{ "metrics", NULL, cmd_metrics, "",
	  "Print all that is measured, as OpenMetrics text or, with --json, as a document." },
	{ "doctor", NULL, cmd_doctor, "",
	  "Say what works here, what is missing, and what to do about it." },
	{}
};

static const char global_help[] =
	"Options for all:\n"
	"  -J, --json           print JSON\n"
	"  -b, --bytes          print sizes in bytes\n"
	"  -n, --noheadings     print tables without headings\n"
	"  -r, --raw            print tables without alignment\n"
	"  -o, --output LIST    columns of tables, separated by commas\n"
	"      --progress MODE  of long work, on standard error: auto, json or none\n"
	"      --socket PATH    of the daemon\n"
	"  -h, --help           say this, or more about a verb\n"
	"      --version        print the version\n";

/* Prints the first line of the text, or all others, indented. */
static void print_help_line(const char *text)
{
	printf("%.*s\n", (int)strcspn(text, "\n"), text);
}

static void print_usage(const struct cli_command *c)
{
	printf("bpfsnap %s%s%s%s%s\n", c->noun, c->verb ? " " : "", c->verb ?: "",
	       *c->args ? " " : "", c->args);
}

static int help_all(void)
{
	puts("Usage: bpfsnap [OPTIONS] NOUN VERB ...\n"
	     "Change tracking and snapshots of live block devices.\n");
	for (const struct cli_command *c = commands; c->noun; c++) {
		if (!c->help)
			continue;
		fputs("  ", stdout);
		print_usage(c);
		fputs("        ", stdout);
		print_help_line(c->help);
	}
	printf("\n%s", global_help);
	return 0;
}

static int help_command(const struct cli_command *c)
{
	const char *line = c->help;

	fputs("Usage: ", stdout);
	print_usage(c);
	print_help_line(line);
	for (line = strchr(line, '\n'); line; line = strchr(line + 1, '\n')) {
		fputs("  ", stdout);
		print_help_line(line + 1);
	}
	printf("\n%s", global_help);
	return 0;
}

const struct cli_command *cli_commands(void)
{
	return commands;
}

const struct cli_command *cli_find(const char *noun, const char *verb)
{
	for (const struct cli_command *c = commands; c->noun; c++) {
		if (!strcmp(c->noun, noun) && (!c->verb || (verb && !strcmp(c->verb, verb))))
			return c;
	}
	return NULL;
}

static bool is_noun(const char *word)
{
	for (const struct cli_command *c = commands; c->noun; c++) {
		if (!strcmp(c->noun, word))
			return true;
	}
	return false;
}

/* Words after "--", and values, are not looked at closely: this only picks a form. */
static bool has_word(int argc, char **argv, const char *a, const char *b)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], a) || !strcmp(argv[i], b))
			return true;
	}
	return false;
}

static int dispatch(struct cli *cli, int argc, char **argv)
{
	bool help = false, version = false;
	int first, words;

	first = args_globals(cli, argc, argv, &help, &version);
	if (first < 0)
		return first;
	if (version) {
		puts("bpfsnap " BPFSNAP_VERSION);
		return 0;
	}
	argc -= first;
	argv += first;
	if (!argc)
		return help ? help_all() : cli_usage(cli, "a noun is missing");
	cli->command = cli_find(argv[0], argv[1]);	/* argv ends with NULL */
	words = cli->command && cli->command->verb ? 2 : 1;
	if (!cli->command) {
		if (!is_noun(argv[0]))
			return cli_usage(cli, "unknown noun '%s'", argv[0]);
		if (help || has_word(argc, argv, "--help", "-h"))
			return help_all();
		return argc < 2 ? cli_usage(cli, "'%s' needs a verb", argv[0]) :
		       cli_usage(cli, "unknown verb '%s' of '%s'", argv[1], argv[0]);
	}
	if (cli->command->help && (help || has_word(argc, argv, "--help", "-h")))
		return help_command(cli->command);
	return cli->command->fn(cli, argc - words + 1, argv + words - 1);
}

static enum cli_exit exit_of(struct cli *cli, int r)
{
	const char *name;

	if (r >= 0)
		return r;
	if (!cli->error)
		cli_fail_errno(cli, r, "run", "command");
	return member_string(cli->error, "name", &name) ? cli_exit_of(name) : EXIT_FAILED;
}

int cli_main(int argc, char **argv)
{
	struct cli cli = {};
	enum cli_exit status;
	int r;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	r = dispatch(&cli, argc, argv);
	if (r < 0 && has_word(argc, argv, "--json", "-J"))
		cli.json = true;	/* the error may be in front of it */
	status = exit_of(&cli, r);
	cli_print_error(&cli);
	/* a full disk behind stdout is a failure too; close() may be what tells */
	if (ferror(stdout) | fclose(stdout)) {
		cli_warn("standard output: %s", strerror(errno));
		if (status == EXIT_OK)
			status = EXIT_FAILED;
	}
	json_object_put(cli.error);
	return status;
}
