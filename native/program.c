// See program.h.
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_OUTPUT = 1 << 20, MAX_TIMEOUT_MS = 600000 };

char **program_strings(struct reader *list)
{
	char **out = calloc((size_t)list->left + 1, sizeof *out);
	const char *s;
	for (unsigned i = 0; out && list->left > 0 && wire_str(list, &s); i++)
		out[i] = (char *)s;
	return out;
}

_Noreturn static void become(char *const argv[], char *const env[], const int stdio[3], int report)
{
	sigset_t none;
	int high[3];
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	for (int i = 0; i < 3; i++) // out of the way of each other
		high[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < 3; i++)
		dup2(high[i], i);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(argv[0], argv, env);
	int err = errno;
	if (write(report, &err, sizeof err) < 0)
		_exit(126);
	_exit(127);
}

pid_t program_start(char *const argv[], char *const env[], const int stdio[3])
{
	int report[2], err = 0;
	if (!argv[0])
		return -EINVAL;
	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		become(argv, env, stdio, report[1]);
	if (pid < 0)
		err = errno;
	close(report[1]);
	ssize_t n = 0;
	do
		n = pid < 0 ? 0 : read(report[0], &err, sizeof err);
	while (n < 0 && errno == EINTR);
	close(report[0]);
	if (n > 0)
		waitpid(pid, NULL, 0);
	return err ? -err : pid;
}

int program_wait(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 255;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// A file without a name: nobody has to pump bytes while the program runs.
static int make_file(const char *name, const uint8_t *data, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd >= 0 && size > 0 && (write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool ends_within(pid_t pid, int timeout_ms)
{
	CLEAN_FD int pidfd = pidfd_open(pid, 0);
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	int n;
	if (pidfd < 0)
		return true;
	do
		n = poll(&end, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	return n != 0;
}

static int write_result(struct writer *result, int code, int output, struct fault *f)
{
	struct stat st;
	if (fstat(output, &st) < 0)
		return fault_set(f, errno, "program", "", NULL);
	size_t size = st.st_size < MAX_OUTPUT ? (size_t)st.st_size : MAX_OUTPUT;
	CLEAN_FREE uint8_t *text = malloc(size + 1);
	if (!text || pread(output, text, size, 0) != (ssize_t)size)
		return fault_set(f, text ? EIO : ENOMEM, "program", "", NULL);
	write_open(result);
	write_int(result, code);
	write_bytes(result, text, size);
	write_close(result);
	return 0;
}

int program_run(struct reader *args, struct writer *result, struct fault *f)
{
	struct reader argv_list = {.bad = true}, env_list = {.bad = true};
	const uint8_t *input;
	size_t size = 0;
	int64_t timeout = 0;
	wire_list(args, &argv_list);
	wire_list(args, &env_list);
	wire_bytes(args, &input, &size);
	wire_int(args, &timeout);
	CLEAN_FREE char **argv = program_strings(&argv_list);
	CLEAN_FREE char **env = program_strings(&env_list);
	if (!argv || !env)
		return fault_set(f, ENOMEM, "program", "", NULL);
	if (argv_list.bad || env_list.bad || !argv[0] || timeout <= 0 || timeout > MAX_TIMEOUT_MS)
		return fault_set(f, EINVAL, "protocol", "program", NULL);
	CLEAN_FD int in = make_file("stdin", input, size), out = make_file("output", NULL, 0);
	if (in < 0 || out < 0)
		return fault_set(f, errno, "program", argv[0], NULL);
	pid_t pid = program_start(argv, env, (int[]){in, out, out});
	if (pid < 0)
		return fault_set(f, -pid, "program", argv[0], NULL);
	bool is_late = !ends_within(pid, (int)timeout);
	if (is_late)
		kill(pid, SIGKILL);
	int code = program_wait(pid);
	return is_late ? fault_set(f, ETIMEDOUT, "program", argv[0], "does not end") : write_result(result, code, out, f);
}
