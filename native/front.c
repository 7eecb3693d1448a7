// See front.h. Nothing is decided here, and no error is told: whatever is not found as planned is left to `berth` with the same command
// line, before anything was changed or in the middle, since its commands take up where an interrupted one has stopped.
#include "front.h"

#include "hostops.h"
#include "lifetime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSION = 1, MAX_PLAN = 1 << 20, MAX_NAME = 127 };

#define LOCK ".lock" // src/runtime/cli/life/lock.ts

// A command line as far as it is understood here.
struct call {
	const char *root, *log, *id;
	int count;
	char **words; // from the command's name on
};

bool front_decode(const uint8_t *file, size_t size, struct front_plan *plan)
{
	struct reader r;
	uint32_t length;
	int64_t version = 0;
	if (size < sizeof length)
		return false;
	memcpy(&length, file, sizeof length);
	if (length != size - sizeof length || !wire_open(&r, file + sizeof length, length))
		return false;
	wire_int(&r, &version);
	wire_int(&r, &plan->pid);
	wire_int(&r, &plan->started);
	wire_str(&r, &plan->freezer);
	wire_str(&r, &plan->thawed);
	wire_list(&r, &plan->commands);
	return wire_done(&r) && version == VERSION;
}

static bool has_word(struct reader alternatives, const char *word)
{
	const char *text;
	while (alternatives.left > 0 && wire_str(&alternatives, &text))
		if (strcmp(text, word) == 0)
			return true;
	return false;
}

static bool is_asked(struct reader words, int count, char *const asked[])
{
	if (words.left != (uint32_t)count)
		return false;
	for (int i = 0; i < count; i++) {
		struct reader alternatives;
		if (!wire_list(&words, &alternatives) || !has_word(alternatives, asked[i]))
			return false;
	}
	return true;
}

bool front_find(const struct front_plan *plan, int count, char *const words[], int statuses, struct front_command *command)
{
	struct reader commands = plan->commands, one;
	while (commands.left > 0 && wire_list(&commands, &one)) {
		wire_list(&one, &command->words);
		wire_int(&one, &command->statuses);
		wire_int(&one, &command->is_exclusive);
		wire_list(&one, &command->ops);
		wire_bytes(&one, &command->output, &command->output_size);
		if (!wire_done(&one))
			return false;
		if (command->statuses & statuses && is_asked(command->words, count, words))
			return true;
	}
	return false;
}

// `--name VALUE` or `--name=VALUE` at argv[*at], which is left at its last word.
static bool take_flag(char **argv, int argc, int *at, const char *name, const char **value)
{
	size_t length = strlen(name);
	const char *arg = argv[*at];
	if (strncmp(arg, name, length) != 0)
		return false;
	if (arg[length] == '=')
		*value = arg + length + 1;
	else if (arg[length] == 0 && *at + 1 < argc)
		*value = argv[++*at];
	else
		return false;
	return true;
}

static const char *find_id(int count, char *const words[])
{
	for (int i = 1; i < count; i++)
		if (words[i][0] != '-')
			return words[i];
	return "";
}

static bool is_name(const char *id)
{
	return id[0] && !strchr(id, '/') && strcmp(id, ".") != 0 && strcmp(id, "..") != 0 && strlen(id) <= MAX_NAME;
}

static bool understand(struct call *call, int argc, char **argv)
{
	const char *format = "text";
	int at = 1;
	for (; at < argc && argv[at][0] == '-'; at++)
		if (!take_flag(argv, argc, &at, "--root", &call->root) && !take_flag(argv, argc, &at, "--log", &call->log) &&
		    !take_flag(argv, argc, &at, "--log-format", &format) && strcmp(argv[at], "--systemd-cgroup") != 0) // for new containers
			return false;
	call->count = argc - at;
	call->words = argv + at;
	call->id = find_id(call->count, call->words);
	if (!call->root && geteuid() == 0)
		call->root = "/run/berth/runtime"; // src/runtime/cli/main.ts
	return call->root && call->root[0] && is_name(call->id) && (strcmp(format, "text") == 0 || strcmp(format, "json") == 0);
}

static int open_directory(const struct call *call)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%s/%s", call->root, call->id);
	return n > 0 && (size_t)n < sizeof path ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

// The plan's bytes; NULL where there is none, or one that others may have written.
static uint8_t *read_plan(int dir, size_t *size)
{
	struct stat st;
	CLEAN_FD int fd = openat(dir, FRONT_PLAN, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022 || st.st_size > MAX_PLAN)
		return NULL;
	*size = (size_t)st.st_size;
	uint8_t *bytes = malloc(*size + 1);
	if (bytes && pread(fd, bytes, *size, 0) == (ssize_t)*size)
		return bytes;
	free(bytes);
	return NULL;
}

static bool is_thawed(const struct front_plan *plan)
{
	char text[256];
	if (!plan->freezer[0])
		return true;
	CLEAN_FD int fd = open(plan->freezer, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT; // the cgroup is gone
	ssize_t n = read(fd, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	return strstr(text, plan->thawed) != NULL;
}

// 0, in which nothing may be carried out, for one that is frozen.
static int find_status(int dir, const struct front_plan *plan)
{
	struct stat st;
	if (!is_alive(plan->pid, plan->started))
		return FRONT_STOPPED;
	if (!is_thawed(plan))
		return 0;
	return fstatat(dir, "exec.fifo", &st, AT_SYMLINK_NOFOLLOW) == 0 ? FRONT_CREATED : FRONT_RUNNING;
}

// Fails in a directory that has been removed meanwhile, too: nobody removes one that is locked.
static bool lock(int dir)
{
	char owner[64];
	CLEAN_FD int fd = openat(dir, LOCK, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int n = snprintf(owner, sizeof owner, "%d %lld", (int)getpid(), (long long)start_time(getpid()));
	if (fd < 0)
		return false;
	if (write(fd, owner, (size_t)n) == n)
		return true;
	unlinkat(dir, LOCK, 0);
	return false;
}

// A log that cannot be written is told before anything is done.
static bool open_log(const char *path)
{
	if (!path || !path[0])
		return true;
	CLEAN_FD int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	return fd >= 0;
}

static void print(const uint8_t *bytes, size_t size)
{
	signal(SIGPIPE, SIG_IGN);
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, size);
		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
		else if (n < 0 && errno != EINTR)
			return; // whoever read has seen enough
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
}

static bool execute(const struct call *call, int dir, const struct front_plan *plan)
{
	struct front_command command;
	struct writer results = {0}, warnings = {0};
	struct fault ignored = {0};
	if (!front_find(plan, call->count, call->words, find_status(dir, plan), &command) || !open_log(call->log))
		return false;
	write_begin(&results);
	write_begin(&warnings);
	int rc = host_run(&command.ops, &results, &warnings, &ignored);
	write_free(&results);
	write_free(&warnings);
	if (rc == 0)
		print(command.output, command.output_size);
	return rc == 0;
}

static bool carry_out(const struct call *call)
{
	struct front_plan plan;
	struct front_command command;
	size_t size = 0;
	CLEAN_FD int dir = open_directory(call);
	CLEAN_FREE uint8_t *file = dir < 0 ? NULL : read_plan(dir, &size);
	if (!file || !front_decode(file, size, &plan) || !front_find(&plan, call->count, call->words, FRONT_ANY, &command))
		return false;
	if (command.is_exclusive && !lock(dir))
		return false;
	bool is_done = execute(call, dir, &plan);
	if (command.is_exclusive)
		unlinkat(dir, LOCK, 0); // gone with the directory already, where that was the command
	return is_done;
}

// Becomes `berth` in the directory of this program, under the name that makes it the runtime.
static int hand_over(char **argv)
{
	char path[PATH_MAX], name[] = "berth-runtime", runc[] = "runc";
	const char *slash = strrchr(argv[0], '/');
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "berth");
	char *end = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
	if (!end)
		return 1;
	memcpy(end + 1, "berth", sizeof "berth");
	argv[0] = strcmp(slash ? slash + 1 : argv[0], runc) == 0 ? runc : name;
	signal(SIGPIPE, SIG_DFL);
	// Commands of a few milliseconds do without compiled code, and so without what bun makes for it at every start.
	// src/runtime/cli/main.ts takes this out of the environment again.
	setenv("BUN_JSC_useJIT", "0", 1);
	execv(path, argv);
	fprintf(stderr, "%s: cannot execute %s: %s (it has to be installed in the same directory)\n", argv[0], path, strerror(errno));
	return 1;
}

int front_main(int argc, char **argv)
{
	struct call call = {0};
	if (argc < 1)
		return 1;
	return understand(&call, argc, argv) && carry_out(&call) ? 0 : hand_over(argv);
}
