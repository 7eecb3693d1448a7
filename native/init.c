// `keel init`: the first process of a container started with --init, by tini's contract. It has one child; it forwards signals to it, reaps
// whatever else ends up with it, and ends with the child's code, 128 + signal for a killed one.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int init_main(int argc, char **argv);

enum { EXIT_USAGE = 1, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

static void complain(const char *program, const char *why)
{
	const char *parts[] = {"docker-init: ", program, ": ", why, "\n"};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
			return;
}

// The child leads a process group of its own; with a terminal that group is the foreground one, so that ^C reaches the program and
// its children, and not us a second time.
_Noreturn static void run_child(char **argv, const sigset_t *inherited)
{
	setpgid(0, 0);
	if (tcsetpgrp(STDIN_FILENO, getpgrp()) < 0 && errno != ENOTTY && errno != ENXIO && errno != EBADF && errno != EPERM)
		complain(argv[0], strerror(errno)); // and go on: a program without job control beats none
	sigprocmask(SIG_SETMASK, inherited, NULL); // SIGTTIN and SIGTTOU too: they were blocked for tcsetpgrp
	execvp(argv[0], argv);
	int err = errno;
	complain(argv[0], strerror(err));
	_exit(err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

// Reaps all that has ended. True when the child was among them.
static bool reap(pid_t child, int *code)
{
	bool is_over = false;
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child) {
			is_over = true;
			*code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
	return is_over;
}

static void block_all(sigset_t *all, sigset_t *inherited)
{
	// Faults of our own must not be waited for like requests.
	static const int own[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};
	sigfillset(all);
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		sigdelset(all, own[i]);
	sigprocmask(SIG_SETMASK, all, inherited);
}

int init_main(int argc, char **argv)
{
	sigset_t all, inherited;
	int code = 0;
	if (argc < 1 || !argv[0]) {
		complain("init", "no command");
		return EXIT_USAGE;
	}
	if (getpid() != 1)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); // with a shared pid namespace orphans would go past us
	block_all(&all, &inherited);
	pid_t child = fork();
	if (child < 0) {
		complain(argv[0], strerror(errno));
		return EXIT_USAGE;
	}
	if (child == 0)
		run_child(argv, &inherited);
	for (;;) {
		siginfo_t info;
		int signo = sigwaitinfo(&all, &info);
		if (signo == SIGCHLD && reap(child, &code))
			return code;
		if (signo > 0 && signo != SIGCHLD)
			kill(child, signo); // ignored: it may be a zombie by now, the next round reaps it
	}
}
