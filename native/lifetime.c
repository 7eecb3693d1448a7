// See lifetime.h. Signals go through a pidfd: between the look at the start time and the signal the number cannot change hands.
#include "lifetime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { START_TIME = 22, MAX_WAIT_MS = 60000 };

// The state's letter, and the start time; 0 when there is no such process.
static char look_at(pid_t pid, int64_t *started)
{
	char path[32], text[1024];
	*started = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return 0;
	text[n] = 0;
	char *at = strrchr(text, ')'), state = at && at[1] == ' ' ? at[2] : 0;
	for (int field = 2; at && field < START_TIME; field++)
		at = strchr(at + 1, ' ');
	*started = at ? strtoll(at, NULL, 10) : 0;
	return state;
}

int64_t start_time(pid_t pid)
{
	int64_t started;
	look_at(pid, &started);
	return started;
}

bool is_alive(int64_t pid, int64_t started)
{
	int64_t found;
	char state = pid > 0 && pid <= INT_MAX ? look_at((pid_t)pid, &found) : 0;
	return state != 0 && state != 'Z' && state != 'X' && found == started;
}

// A descriptor, or -errno: -ESRCH for a process that is gone or a zombie.
static int open_process(int64_t pid, int64_t started)
{
	int fd = pid > 0 && pid <= INT_MAX ? pidfd_open((pid_t)pid, 0) : (errno = ESRCH, -1);
	if (fd < 0)
		return -errno;
	if (is_alive(pid, started))
		return fd;
	close(fd);
	return -ESRCH;
}

int signal_process(struct reader *args, struct fault *f)
{
	int64_t pid, started, signo;
	wire_int(args, &pid);
	wire_int(args, &started);
	wire_int(args, &signo);
	CLEAN_FD int fd = open_process(pid, started);
	int err = fd < 0 ? -fd : signo < 0 || signo >= NSIG ? EINVAL : pidfd_send_signal(fd, (int)signo, NULL, 0) < 0 ? errno : 0;
	return err ? fault_set(f, err, "signalProcess", "", NULL) : 0;
}

int end_process(struct reader *args, struct fault *f)
{
	int64_t pid, started, timeout_ms;
	wire_int(args, &pid);
	wire_int(args, &started);
	wire_int(args, &timeout_ms);
	CLEAN_FD int fd = open_process(pid, started);
	if (fd == -ESRCH || (fd >= 0 && pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno == ESRCH))
		return 0;
	if (fd < 0)
		return fault_set(f, -fd, "endProcess", "", NULL);
	struct pollfd end = {.fd = fd, .events = POLLIN};
	int n;
	do
		n = poll(&end, 1, timeout_ms < 0 || timeout_ms > MAX_WAIT_MS ? MAX_WAIT_MS : (int)timeout_ms);
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : fault_set(f, n < 0 ? errno : ETIMEDOUT, "endProcess", "", "the process does not end");
}

int release(struct reader *args, struct fault *f)
{
	char claimed[PATH_MAX];
	const char *path;
	wire_str(args, &path);
	int n = snprintf(claimed, sizeof claimed, "%s.started", path);
	if (n < 0 || (size_t)n >= sizeof claimed)
		return fault_set(f, ENAMETOOLONG, "release", path, NULL);
	// Whoever renames the fifo is the one that starts the process.
	if (rename(path, claimed) < 0)
		return fault_set(f, errno, "release", path, NULL);
	// ENXIO: nobody waits there any more.
	CLEAN_FD int fd = open(claimed, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	int err = fd < 0 || write(fd, "0", 1) != 1 ? errno : 0;
	unlink(claimed);
	return err ? fault_set(f, err, "release", path, NULL) : 0;
}
