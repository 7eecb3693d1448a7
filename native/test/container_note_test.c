// The channel between a process on its way to exec and who started it, at the receiving end: nothing that was sent is lost, not even what
// the kernel has taken the end for.
#include "../container.h"
#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

// What recvmsg answers, in order: a note's kind, an end, or an error.
enum { END = 0, FIRST_ERROR = 1000 };
static const int *script;

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	(void)fd, (void)flags;
	int answer = *script++;
	if (answer >= FIRST_ERROR) {
		errno = answer - FIRST_ERROR;
		return -1;
	}
	if (answer == END)
		return 0;
	struct note note = {.kind = answer};
	memcpy(message->msg_iov[0].iov_base, &note, sizeof note);
	memcpy(message->msg_iov[1].iov_base, "abc", 3);
	message->msg_controllen = 0;
	return (ssize_t)sizeof note + 3;
}

static ssize_t take(struct note *note, char *rest)
{
	int fd = 0;
	ssize_t n = container_take_note(-1, MSG_DONTWAIT, note, &fd, (struct iovec){rest, 8});
	CHECK(n < 0 || fd == -1);
	return n;
}

int main(void)
{
	struct note note;
	char rest[8];
	const int plain[] = {NOTE_PID, FIRST_ERROR + EINTR, NOTE_EXEC, FIRST_ERROR + EAGAIN, END, END};
	script = plain;
	CHECK_INT(take(&note, rest), 3);
	CHECK_INT(note.kind, NOTE_PID);
	CHECK(memcmp(rest, "abc", 3) == 0);
	CHECK_INT(take(&note, rest), 3);
	CHECK_INT(note.kind, NOTE_EXEC);
	CHECK_INT(take(&note, rest), -1);
	CHECK_INT(take(&note, rest), NOTE_END);
	// The end came between the kernel's two looks: the last word is behind it. The same for a connection that was reset.
	const int late[] = {END, NOTE_EXEC, FIRST_ERROR + ECONNRESET, NOTE_FAULT, END, FIRST_ERROR + EINTR, END};
	script = late;
	CHECK_INT(take(&note, rest), 3);
	CHECK_INT(note.kind, NOTE_EXEC);
	CHECK_INT(take(&note, rest), 3);
	CHECK_INT(note.kind, NOTE_FAULT);
	CHECK_INT(take(&note, rest), NOTE_END);
	CHECK(script == late + sizeof late / sizeof *late);
	return 0;
}
