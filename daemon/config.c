// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the configuration files say?
 */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"

#define FILE_NAME	"bpfsnapd.conf"
#define DROPIN_DIR	FILE_NAME ".d"
#define DROPIN_SUFFIX	".conf"

enum {
	TIMEOUT_S	= 30,
	TIMEOUT_MAX_S	= 3600,
	TEXT_MAX	= 512,
};

static const char *const dirs[] = { "/etc/bpfsnap", "/run/bpfsnap", "/usr/lib/bpfsnap" };

struct loading {
	struct config *config;
	config_report_fn report;
	void *data;
	const char *path;
	unsigned int line;
	bool has_errors;
};

static _printf_(3, 4) void tell(struct loading *l, bool is_error, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->has_errors = l->has_errors || is_error;
	l->report(l->path, l->line, is_error, text, l->data);
}

/* Each takes a value into a field, or says what is wrong with it: -EINVAL, or -ENOMEM. */

static int take_path(const char *value, void *field, const char **ret_why)
{
	char **path = field, *copy = NULL;

	if (*value) {
		if (*value != '/') {
			*ret_why = "a path must begin with /";
			return -EINVAL;
		}
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(*path);
	*path = copy;
	return 0;
}

static int take_name(const char *value, void *field, const char **ret_why)
{
	char **name = field, *copy = *value ? strdup(value) : NULL;

	(void)ret_why;
	if (*value && !copy)
		return -ENOMEM;
	free(*name);
	*name = copy;
	return 0;
}

static void empty(struct config_commands *commands)
{
	while (commands->nr)
		free(commands->text[--commands->nr]);
}

static int take_command(const char *value, void *field, const char **ret_why)
{
	struct config_commands *commands = field;

	if (!*value) {
		empty(commands);
		return 0;
	}
	if (commands->nr == CONFIG_COMMANDS_MAX) {
		*ret_why = "too many commands";
		return -EINVAL;
	}
	commands->text[commands->nr] = strdup(value);
	return commands->text[commands->nr] ? (commands->nr++, 0) : -ENOMEM;
}

static int take_seconds(const char *value, void *field, const char **ret_why)
{
	unsigned int seconds = TIMEOUT_S;

	if (*value) {
		char *end;
		unsigned long number = strtoul(value, &end, 10);

		if (!isdigit((unsigned char)*value) || *end || number < 1 || number > TIMEOUT_MAX_S) {
			*ret_why = "must be a whole number of seconds, 1 to 3600";
			return -EINVAL;
		}
		seconds = (unsigned int)number;
	}
	*(unsigned int *)field = seconds;
	return 0;
}

static const char *const failures[] = {
	[CONFIG_FAILURE_REFUSE]		= "refuse",
	[CONFIG_FAILURE_CONTINUE]	= "continue",
};

static int take_failure(const char *value, void *field, const char **ret_why)
{
	if (!*value)
		value = failures[0];
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		if (strcmp(value, failures[i]) == 0) {
			*(enum config_failure *)field = (enum config_failure)i;
			return 0;
		}
	}
	*ret_why = "must be refuse or continue";
	return -EINVAL;
}

static const struct key {
	const char *section;
	const char *name;
	int (*take)(const char *value, void *field, const char **ret_why);
	size_t offset;
} keys[] = {
#define KEY(section, name, kind, field) { section, name, take_##kind, offsetof(struct config, field) }
	KEY("Daemon", "Socket", path, socket_path),
	KEY("Daemon", "Storage", path, storage_dir),
	KEY("Daemon", "Module", path, module_path),
	KEY("Daemon", "Pins", path, pins_dir),
	KEY("Daemon", "Group", name, group),
	KEY("Quiesce", "BeforeFreeze", command, before_freeze),
	KEY("Quiesce", "AfterThaw", command, after_thaw),
	KEY("Quiesce", "TimeoutSec", seconds, timeout_s),
	KEY("Quiesce", "OnFailure", failure, on_failure),
#undef KEY
};

static bool is_section(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].section, name) == 0)
			return true;
	return false;
}

static char *strip(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int take_assignment(struct loading *l, const char *section, char *line)
{
	char *equals = strchr(line, '='), *name, *value;
	const char *why = NULL;

	if (!equals) {
		tell(l, true, "'%.80s' is neither [Section] nor Key=value", line);
		return 0;
	}
	*equals = '\0';
	name = strip(line);
	value = strip(equals + 1);
	if (!section) {
		tell(l, false, "%.80s= is before any [Section]; ignored", name);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].name, name) != 0)
			continue;
		if (keys[i].take(value, (char *)l->config + keys[i].offset, &why) == 0)
			return 0;
		if (!why)
			return -ENOMEM;
		tell(l, true, "%s=%.80s: %s", name, value, why);
		return 0;
	}
	tell(l, false, "unknown key %.80s= in section [%.80s]; ignored", name, section);
	return 0;
}

/* Takes all of a file, of which @text is a copy to be torn to pieces. */
static int take_text(struct loading *l, char *text)
{
	char *section = NULL, *line;
	bool is_ignored = false;
	int r = 0;

	while (r == 0 && (line = strsep(&text, "\n"))) {
		l->line++;
		line = strip(line);
		if (!*line || strchr("#;", *line))
			continue;
		if (*line == '[') {
			char *end = strchr(line, ']');

			if (!end || end[1]) {
				tell(l, true, "'%.80s' has no ] at its end", line);
				is_ignored = true;
				continue;
			}
			*end = '\0';
			section = line + 1;
			is_ignored = !is_section(section);
			if (is_ignored)
				tell(l, false, "unknown section [%.80s]; ignored", section);
		} else if (!is_ignored) {
			r = take_assignment(l, section, line);
		}
	}
	l->line = 0;
	return r;
}

/* -ENOENT is returned silently, for the caller to judge. */
static int take_file(struct loading *l, const char *path)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int fd = -1;
	ssize_t len = 0, n;

	l->path = path;
	l->line = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	text = malloc(CONFIG_FILE_MAX_BYTES + 1);
	if (!text)
		return -ENOMEM;
	while (fd >= 0 && len <= CONFIG_FILE_MAX_BYTES) {
		n = read(fd, text + len, (size_t)(CONFIG_FILE_MAX_BYTES + 1 - len));
		if (n <= 0)
			break;
		len += n;
	}
	if (fd < 0 || (len <= CONFIG_FILE_MAX_BYTES && n < 0)) {
		tell(l, true, "can't be read: %s", strerror(errno));
		return 0;
	}
	if (len > CONFIG_FILE_MAX_BYTES) {
		tell(l, true, "is larger than a megabyte");
		return 0;
	}
	text[len] = '\0';
	if (memchr(text, 0, (size_t)len)) {
		tell(l, true, "has a NUL byte in it, and is no text");
		return 0;
	}
	return take_text(l, text);
}

struct dropins {
	char *path[CONFIG_FILES_MAX];
	size_t nr;
};

static const char *name_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

static bool has_name(const struct dropins *d, const char *name)
{
	for (size_t i = 0; i < d->nr; i++)
		if (strcmp(name_of(d->path[i]), name) == 0)
			return true;
	return false;
}

static int find_in(struct loading *l, const char *dir_path, struct dropins *d)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;
	int r = 0;

	l->path = dir_path;
	if (!dir) {
		if (errno != ENOENT)
			tell(l, true, "can't be read: %s", strerror(errno));
		return 0;
	}
	while (r == 0 && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), suffix = strlen(DROPIN_SUFFIX);

		if (entry->d_name[0] == '.' || len <= suffix ||
		    strcmp(entry->d_name + len - suffix, DROPIN_SUFFIX) != 0 ||
		    has_name(d, entry->d_name))
			continue;
		if (d->nr == CONFIG_FILES_MAX) {
			tell(l, true, "too many files");
			break;
		}
		if (asprintf(&d->path[d->nr], "%s/%s", dir_path, entry->d_name) < 0)
			r = -ENOMEM;
		else
			d->nr++;
	}
	closedir(dir);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(name_of(*(char *const *)a), name_of(*(char *const *)b));
}

static int take_dropins(struct loading *l, const char *root)
{
	struct dropins d = { .nr = 0 };
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s%s/" DROPIN_DIR, root, dirs[i]);
		r = find_in(l, path, &d);
	}
	qsort(d.path, d.nr, sizeof(d.path[0]), by_name);
	for (size_t i = 0; r == 0 && i < d.nr; i++) {
		r = take_file(l, d.path[i]);
		if (r == -ENOENT)	/* a link to nowhere, or gone meanwhile */
			r = 0;
	}
	for (size_t i = 0; i < d.nr; i++)
		free(d.path[i]);
	return r;
}

static void begin(struct config *config)
{
	*config = (struct config){ .timeout_s = TIMEOUT_S, .on_failure = CONFIG_FAILURE_REFUSE };
}

int config_load(const char *root, config_report_fn report, void *data, struct config *ret_config)
{
	struct loading l = { .config = ret_config, .report = report, .data = data };
	int r = -ENOENT;

	begin(ret_config);
	for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(dirs); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s%s/" FILE_NAME, root, dirs[i]);
		r = take_file(&l, path);
	}
	if (r == 0 || r == -ENOENT)
		r = take_dropins(&l, root);
	return r < 0 ? r : l.has_errors ? -EINVAL : 0;
}

int config_load_file(const char *path, config_report_fn report, void *data,
		     struct config *ret_config)
{
	struct loading l = { .config = ret_config, .report = report, .data = data };
	int r;

	begin(ret_config);
	r = take_file(&l, path);
	if (r == -ENOENT)
		tell(&l, true, "can't be read: %s", strerror(ENOENT));
	return r == -ENOMEM ? r : l.has_errors ? -EINVAL : 0;
}

void config_done(struct config *config)
{
	free(config->socket_path);
	free(config->storage_dir);
	free(config->module_path);
	free(config->pins_dir);
	free(config->group);
	empty(&config->before_freeze);
	empty(&config->after_thaw);
	*config = (struct config){ 0 };
}

static void print_key(const struct key *key, const void *field, FILE *out)
{
	if (key->take == take_path || key->take == take_name) {
		fprintf(out, "%s=%s\n", key->name, *(char *const *)field ?: "");
	} else if (key->take == take_seconds) {
		fprintf(out, "%s=%u\n", key->name, *(const unsigned int *)field);
	} else if (key->take == take_failure) {
		fprintf(out, "%s=%s\n", key->name, failures[*(const enum config_failure *)field]);
	} else {
		const struct config_commands *commands = field;

		for (size_t i = 0; i < commands->nr; i++)
			fprintf(out, "%s=%s\n", key->name, commands->text[i]);
	}
}

void config_print(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0)
			fprintf(out, "%s[%s]\n", i ? "\n" : "", keys[i].section);
		print_key(&keys[i], (const char *)config + keys[i].offset, out);
	}
}
