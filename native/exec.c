// The last step: find the program as Go's exec.LookPath does, so that messages are those Docker users know, and execve.
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// Appends as much of `s` as fits.
static void append(char *text, size_t room, const char *s)
{
	size_t have = strlen(text), size = strlen(s);
	if (size > room - 1 - have)
		size = room - 1 - have;
	memcpy(text + have, s, size);
	text[have + size] = 0;
}

// exec: "NAME": [stat NAME: ]WHY
static int fail_lookup(const char *name, int err, const char *why, struct fault *f)
{
	char text[256] = "exec: \"";
	char shown[101] = "";
	append(shown, sizeof shown, name);
	append(text, sizeof text, shown);
	append(text, sizeof text, "\": ");
	append(text, sizeof text, why);
	return fault_set(f, err, "exec", name, text);
}

// 0 when a file can be executed, or the errno that says why not.
static int check_program(const char *path, bool *is_missing)
{
	struct stat st;
	*is_missing = false;
	if (stat(path, &st) < 0) {
		*is_missing = true;
		return errno;
	}
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	// Real and effective ids are the same here, so that plain access(2) will do: every seccomp profile knows it.
	if (access(path, X_OK) == 0)
		return 0;
	// access(2) leaves out the capabilities of who is not root; this call does not, but not every profile knows it.
	if (errno == EACCES && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
		return 0;
	return errno == EACCES || errno == EPERM ? EACCES : errno;
}

static const char *go_text(int err)
{
	return err == ENOENT ? "no such file or directory" : err == EACCES ? "permission denied" : err == EISDIR ? "is a directory" : strerror(err);
}

static int lookup_direct(const char *name, struct fault *f)
{
	bool is_missing;
	char why[200] = "";
	int err = check_program(name, &is_missing);
	if (err == 0)
		return 0;
	if (is_missing) {
		char shown[101] = "";
		append(shown, sizeof shown, name);
		append(why, sizeof why, "stat ");
		append(why, sizeof why, shown);
		append(why, sizeof why, ": ");
	}
	append(why, sizeof why, go_text(err));
	return fail_lookup(name, err == EISDIR ? EACCES : err, why, f);
}

// Searches the directories of PATH; an empty one is the working directory.
static int lookup_path(const char *name, const char *path, char found[PATH_MAX], struct fault *f)
{
	bool is_missing;
	size_t length = strlen(name);
	for (const char *at = path; length > 0;) {
		size_t size = strcspn(at, ":");
		const char *dir = size ? at : ".";
		size_t dir_size = size ? size : 1;
		if (dir_size + 1 + length < PATH_MAX) {
			memcpy(found, dir, dir_size);
			found[dir_size] = '/';
			memcpy(found + dir_size + 1, name, length + 1);
			if (check_program(found, &is_missing) == 0)
				return 0;
		}
		if (!at[size])
			break;
		at += size + 1;
	}
	return fail_lookup(name, ENOENT, "executable file not found in $PATH", f);
}

static char **read_strings(struct reader *list, unsigned spare)
{
	char **out = calloc((size_t)list->left + spare + 1, sizeof *out);
	const char *s;
	for (unsigned i = 0; out && list->left > 0 && wire_str(list, &s); i++)
		out[i] = (char *)s;
	return out;
}

static char *find_variable(char **env, const char *name, size_t *index)
{
	size_t length = strlen(name);
	for (size_t i = 0; env[i]; i++)
		if (strncmp(env[i], name, length) == 0 && env[i][length] == '=') {
			*index = i;
			return env[i] + length + 1;
		}
	return NULL;
}

// compat: runc sets HOME from the user's account when the environment has none, or an empty one.
static void add_home(char **env, const char *home)
{
	static char text[262] = "HOME=";
	size_t index = 0;
	char *have = find_variable(env, "HOME", &index);
	if (have && *have)
		return;
	if (!have)
		while (env[index])
			index++;
	append(text, sizeof text, home[0] ? home : "/");
	env[index] = text;
}

static bool is_null(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

// A pipe that is at its end reads as the null device does.
static int take_empty_stdin(struct fault *f)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fault_set(f, errno, "pipe2", "", NULL);
	int rc = dup2(ends[0], 0);
	int err = errno;
	close(ends[0]);
	close(ends[1]);
	return rc < 0 ? fault_set(f, err, "dup2", "", NULL) : 0;
}

// What nobody feeds or reads must not be a piece of the host: whoever has the descriptor may change the owner and the mode of the
// host's null device, and no checkpoint can hold it. It is the container's own, where it has a true one.
static int take_own_null(struct fault *f)
{
	if (!is_null(0) && !is_null(1) && !is_null(2))
		return 0;
	CLEAN_FD int fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || !is_null(fd))
		return is_null(0) ? take_empty_stdin(f) : 0;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	for (int i = 0; i < 3; i++)
		if (is_null(i) && dup2(fd, i) < 0)
			return fault_set(f, errno, "dup2", "/dev/null", NULL);
	return 0;
}

int exec_find(const char *name, const char *search, struct fault *f)
{
	char found[PATH_MAX];
	return strchr(name, '/') ? lookup_direct(name, f) : lookup_path(name, search, found, f);
}

int exec_run(struct container *c, struct reader *args, struct reader *environment, struct fault *f)
{
	char found[PATH_MAX];
	char **argv = read_strings(args, 0), **env = read_strings(environment, 1);
	size_t unused;
	if (!argv || !env)
		return fault_set(f, ENOMEM, "exec", "", NULL);
	if (!argv[0])
		return fault_set(f, EINVAL, "exec", "", "no command specified");
	add_home(env, c->home);
	// The kernel looks the program and its interpreter up before it closes anything: what leads to the host has to be gone by now,
	// or /proc/self/fd/N/PID/root/... would be a program of the host's (the class of CVE-2024-21626).
	clean_fd(&c->host_proc);
	clean_fd(&c->root);
	c->host_proc = c->root = -1;
	int rc = take_own_null(f);
	if (rc < 0)
		return rc;
	const char *name = argv[0], *path = find_variable(env, "PATH", &unused);
	bool is_direct = strchr(name, '/') != NULL;
	rc = is_direct ? lookup_direct(name, f) : lookup_path(name, path ? path : "", found, f);
	if (rc < 0)
		return rc;
	if (!c->has_seccomp) // with a filter it was done before: a strict one may not know the call
		close_range(3 + c->preserved, ~0U, CLOSE_RANGE_CLOEXEC);
	umask(c->mask);
	// Changing the user cleared it. The parent may have died before this line: then the channel has no other end.
	if (!c->is_launched)
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (!container_note(c, NOTE_EXEC, NULL, -1))
		return fault_set(f, EPIPE, "exec", name, "the shim is gone");
	execve(is_direct ? name : found, argv, env);
	int err = errno;
	char text[256] = "exec ";
	append(text, 180, is_direct ? name : found);
	append(text, sizeof text, ": ");
	append(text, sizeof text, err == ENOEXEC ? "exec format error" : go_text(err));
	return fault_set(f, err, "exec", name, text);
}
