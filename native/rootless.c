// The namespaces of a daemon that an ordinary user runs. `hold` makes them and keeps them, also while no daemon is there, so that
// containers and the daemon's successor find each other; `enter` executes a program in them. Which ids are mapped, and by whom, is the
// daemon's business: it reads "user" when the user namespace is there, writes a line when its maps are, and reads "ready".
#include "netns.h"
#include "rootless.h"
#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "keel: %s: %s\n", what, strerror(errno));
	return 1;
}

static int complain(const struct fault *f)
{
	fprintf(stderr, "keel: %s %s: %s\n", f->op, f->path, f->text);
	return 1;
}

static int say(const char *line)
{
	size_t size = strlen(line);
	return write(STDOUT_FILENO, line, size) == (ssize_t)size ? 0 : -1;
}

static bool hear(void)
{
	char byte;
	ssize_t n;
	do
		n = read(STDIN_FILENO, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

// Nothing of who started it is left: not its terminal, not its pipes, not its directory.
static int settle_down(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -1;
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	close_range(3, ~0U, 0);
	setsid();
	return chdir("/");
}

static int hold(void)
{
	struct fault f = {0};
	prctl(PR_SET_NAME, "keel-rootless", 0, 0, 0);
	if (unshare(CLONE_NEWUSER) < 0)
		return fail("cannot make a user namespace");
	if (say("user\n") < 0 || !hear()) // whoever wanted it is gone
		return 1;
	if (userns_become_root(&f) < 0)
		return complain(&f);
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0)
		return fail("cannot make mount and network namespaces");
	// What the host mounts later is seen, what is mounted here stays here.
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return fail("cannot make mounts slaves");
	if (netns_raise_loopback() < 0)
		return fail("cannot raise the loopback");
	if (say("ready\n") < 0 || settle_down() < 0)
		return 1;
	for (;;)
		pause();
}

static int enter(pid_t pid, char **argv)
{
	struct fault f = {0};
	char cwd[PATH_MAX];
	if (!getcwd(cwd, sizeof cwd))
		return fail("getcwd");
	CLEAN_FD int holder = pidfd_open(pid, 0);
	if (holder < 0 || setns(holder, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) < 0)
		return fail("cannot enter the namespaces");
	if (userns_become_root(&f) < 0)
		return complain(&f);
	// A daemon without who listens on its ports for it is of no use, and would be in its successor's way.
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (chdir(cwd) < 0 && chdir("/") < 0)
		return fail("chdir");
	execv(argv[0], argv);
	return fail(argv[0]);
}

int rootless_main(int argc, char **argv)
{
	if (argc == 1 && strcmp(argv[0], "hold") == 0)
		return hold();
	if (argc >= 4 && strcmp(argv[0], "enter") == 0 && strcmp(argv[2], "--") == 0)
		return enter((pid_t)atoi(argv[1]), argv + 3);
	fputs("usage: keel rootless hold | keel rootless enter PID -- COMMAND...\n", stderr);
	return 2;
}
