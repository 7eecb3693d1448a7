// A process in the foreground, see launch.h: its terminal is connected with ours, orphans are reaped, its end is ours. One poll loop; a
// terminal that is not read from holds nothing up, since we read input only while nothing waits to be written.
#include "launch.h"

#include "container.h"
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static struct {
	int master;
	bool is_raw, input_over;
	struct termios before;
	char input[4096]; // read from stdin and not yet taken by the terminal
	size_t at, size;
} relay;

static void copy_size(void)
{
	struct winsize size;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(relay.master, TIOCSWINSZ, &size);
}

static void make_raw(void)
{
	if (tcgetattr(STDIN_FILENO, &relay.before) < 0)
		return; // not a terminal: its bytes are passed on as they come
	struct termios raw = relay.before;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; // the container's side adds no carriage returns: ours does
	relay.is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	copy_size();
}

static bool write_out(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, data, size);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
			poll(&room, 1, -1);
			continue;
		}
		if (n < 0 && errno != EINTR)
			return false;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

// Copies what there is from the terminal; false when there is nothing more, ever.
static bool copy_output(void)
{
	char text[16384];
	ssize_t n = read(relay.master, text, sizeof text);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) { // EIO: nobody has it open any more
		close(relay.master);
		relay.master = -1;
		return false;
	}
	return write_out(text, (size_t)n);
}

static void copy_input(void)
{
	if (relay.size == 0) {
		ssize_t n = read(STDIN_FILENO, relay.input, sizeof relay.input);
		if (n <= 0 && (n == 0 || (errno != EINTR && errno != EAGAIN)))
			relay.input_over = true;
		relay.at = 0;
		relay.size = n > 0 ? (size_t)n : 0;
	}
	ssize_t n = relay.size > 0 ? write(relay.master, relay.input + relay.at, relay.size) : 0;
	if (n > 0) {
		relay.at += (size_t)n;
		relay.size -= (size_t)n;
	}
}

// Reaps everybody; true when `pid` was among them.
static bool reap(pid_t pid, int *status)
{
	bool is_over = false;
	int s;
	for (pid_t ended; (ended = waitpid(-1, &s, WNOHANG)) > 0;)
		if (ended == pid) {
			*status = s;
			is_over = true;
		}
	return is_over;
}

static bool take_signals(int signals, pid_t pid, int *status)
{
	struct signalfd_siginfo info;
	while (read(signals, &info, sizeof info) > 0)
		if (info.ssi_signo == SIGWINCH && relay.master >= 0)
			copy_size();
	return reap(pid, status);
}

static void serve(pid_t pid, int signals, int *status)
{
	bool is_over = reap(pid, status);
	while (!is_over) {
		bool has_terminal = relay.master >= 0;
		struct pollfd fds[] = {
			{.fd = signals, .events = POLLIN},
			{.fd = relay.master, .events = (short)(POLLIN | (relay.size > 0 ? POLLOUT : 0))},
			{.fd = has_terminal && !relay.input_over && relay.size == 0 ? STDIN_FILENO : -1, .events = POLLIN},
		};
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			is_over = take_signals(signals, pid, status);
		if (fds[1].revents & (POLLIN | POLLHUP | POLLERR))
			copy_output();
		if (relay.master >= 0 && (fds[2].revents || fds[1].revents & POLLOUT))
			copy_input();
	}
	while (relay.master >= 0 && copy_output())
		; // what it said last
}

int relay_run(int pid, int master)
{
	sigset_t watched;
	int status = 0;
	sigemptyset(&watched);
	sigaddset(&watched, SIGCHLD);
	sigaddset(&watched, SIGWINCH);
	sigprocmask(SIG_BLOCK, &watched, NULL);
	CLEAN_FD int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	relay.master = master;
	if (master >= 0) {
		console_clear_returns(master); // of a restored terminal
		make_raw();
	}
	serve(pid, signals, &status);
	if (relay.is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &relay.before);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
