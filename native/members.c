// The processes in the container's cgroup: signalling all of them, and killing one of them with everything it has started.
#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { MAX_DEPTH = 64, MAX_FAMILY = 256, MAX_ROUNDS = 64 };

// A reading of cgroup.procs.
struct members {
	int fd;
	char text[4096];
	ssize_t size, at;
};

static int open_cgroup(void)
{
	const char *path = shim.plan.cgroup2[0] ? shim.plan.cgroup2 : shim.plan.cgroup_count ? shim.plan.cgroups[0] : NULL;
	return path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static bool members_open_in(struct members *m, int dir)
{
	m->size = m->at = 0;
	m->fd = openat(dir, "cgroup.procs", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return m->fd >= 0;
}

static bool members_open(struct members *m)
{
	CLEAN_FD int dir = open_cgroup();
	return dir >= 0 && members_open_in(m, dir);
}

// Returns the next process id, or 0 after the last one. A number may straddle two reads.
static pid_t members_next(struct members *m)
{
	pid_t pid = 0;
	for (;;) {
		if (m->at == m->size) {
			m->at = 0;
			m->size = read(m->fd, m->text, sizeof m->text);
			if (m->size <= 0) {
				m->size = 0;
				return pid;
			}
		}
		char c = m->text[m->at++];
		if (c >= '0' && c <= '9')
			pid = pid * 10 + (c - '0');
		else if (pid > 0)
			return pid;
	}
}

// The cgroup and those below it, which the container may have made. Takes `dir` over.
static void signal_tree(int dir, int signo, int depth)
{
	struct members m;
	if (members_open_in(&m, dir)) {
		for (pid_t pid = members_next(&m); pid > 0; pid = members_next(&m))
			if (pid > 1 && pid != getpid())
				kill(pid, signo);
		close(m.fd);
	}
	DIR *listing = depth < MAX_DEPTH ? fdopendir(dir) : NULL;
	if (!listing) {
		close(dir);
		return;
	}
	for (struct dirent *e; (e = readdir(listing)) != NULL;) {
		if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		int child = openat(dirfd(listing), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			signal_tree(child, signo, depth + 1);
	}
	closedir(listing);
}

void members_signal(int signo)
{
	int dir = open_cgroup();
	if (dir < 0)
		return;
	// v2 since Linux 5.14: everything in the tree at once, whatever forks meanwhile.
	CLEAN_FD int killer = signo == SIGKILL ? openat(dir, "cgroup.kill", O_WRONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (killer >= 0 && write(killer, "1", 1) == 1)
		close(dir);
	else
		signal_tree(dir, signo, 0);
}

struct relative {
	pid_t pid;
	int pidfd; // taken before the process was judged: the number may be another's by the time of a signal
};

struct family {
	pid_t leader;
	struct relative members[MAX_FAMILY];
	unsigned count;
};

static bool is_known(const struct family *f, pid_t pid)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->members[i].pid == pid)
			return true;
	return false;
}

static char *put_pid(char *at, pid_t pid)
{
	char digits[12], *d = digits + sizeof digits;
	*--d = 0;
	do
		*--d = (char)('0' + pid % 10);
	while (pid /= 10);
	size_t size = strlen(d);
	memcpy(at, d, size);
	return at + size;
}

// What stands in /proc/PID/stat behind the state.
enum { PARENT, GROUP, SESSION, TERMINAL, FOREGROUND, FLAGS, NUMBERS };

// The name before them may have any bytes in it.
static bool read_stat(pid_t pid, long numbers[NUMBERS])
{
	char path[32] = "/proc/", text[512];
	char *end = put_pid(path + strlen(path), pid);
	memcpy(end, "/stat", sizeof "/stat");
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	char *at = strrchr(text, ')');
	if (!at || strlen(at) < 4)
		return false;
	at += 4; // ") S "
	for (int i = 0; i < NUMBERS; i++)
		numbers[i] = strtol(at, &at, 10);
	return true;
}

static bool belongs(const struct family *f, pid_t pid)
{
	long kin[NUMBERS];
	if (!read_stat(pid, kin))
		return false;
	return is_known(f, (pid_t)kin[PARENT]) || kin[GROUP] == f->leader || kin[SESSION] == f->leader;
}

bool members_first_is_ending(void)
{
	enum { PF_EXITING = 4 }; // linux/sched.h
	long numbers[NUMBERS];
	return !read_stat(shim.container.pid, numbers) || (numbers[FLAGS] & PF_EXITING);
}

// Stops who was not known yet. False when there was nobody.
static bool gather(struct family *f)
{
	struct members m;
	bool found = false;
	if (!members_open(&m))
		return false;
	for (pid_t pid = members_next(&m); pid > 0; pid = members_next(&m)) {
		if (is_known(f, pid) || pid == shim.container.pid)
			continue;
		int pidfd = pidfd_open(pid, 0);
		if (pidfd < 0)
			continue;
		if (!belongs(f, pid)) {
			close(pidfd);
			continue;
		}
		found = true;
		if (f->count == MAX_FAMILY) { // whose children are told by the session they share
			pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
			close(pidfd);
			continue;
		}
		pidfd_send_signal(pidfd, SIGSTOP, NULL, 0);
		f->members[f->count++] = (struct relative){pid, pidfd};
	}
	close(m.fd);
	return found;
}

// All are stopped first, so that none starts another while we look, and killed when no new one is found. Who has left the session
// and lost its parent before that looks like the container's own, and stays.
void members_kill_family(pid_t leader)
{
	struct family *f = malloc(sizeof *f);
	if (f) {
		f->leader = leader;
		f->count = 1;
		f->members[0] = (struct relative){leader, -1};
		kill(leader, SIGSTOP); // ours, and not reaped: nobody else has this number
		for (int round = 0; round < MAX_ROUNDS && gather(f); round++)
			;
		for (unsigned i = 1; i < f->count; i++) {
			pidfd_send_signal(f->members[i].pidfd, SIGKILL, NULL, 0);
			close(f->members[i].pidfd);
		}
		free(f);
	}
	kill(-leader, SIGKILL);
	kill(leader, SIGKILL);
}
