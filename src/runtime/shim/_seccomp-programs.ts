// Two programs for the seccomp tests, built once per bed with the compiler that builds keel: one that makes any system call and
// says what came of it, and one that listens to a filter as a supervisor does (seccomp_unotify(2)).

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

/** `probe NUMBER ARGUMENT…`: prints `ok` or `errno N`, for SIGSYS `trap NUMBER errno N`. A number after `i` is i386's, by int 0x80. */
const PROBE = `
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static void on_trap(int s, siginfo_t *i, void *c)
{
	char text[64];
	int n = snprintf(text, sizeof text, "trap %d errno %d\\n", i->si_syscall, i->si_errno);
	_exit(write(1, text, n) != n);
}
int main(int argc, char **argv)
{
	long v[6] = {0}, rc;
	for (int k = 2; k < argc && k < 8; k++)
		v[k - 2] = strtoul(argv[k], NULL, 0);
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	if (!getenv("NO_HANDLER"))
		sigaction(SIGSYS, &action, NULL);
#ifdef __x86_64__
	if (argv[1][0] == 'i') {
		__asm__ volatile("int $0x80" : "=a"(rc) : "a"(strtol(argv[1] + 1, NULL, 0)), "b"(v[0]), "c"(v[1]), "d"(v[2]) : "memory");
		errno = rc < 0 && rc > -4096 ? -(int)rc : 0;
	} else
#endif
	{
		errno = 0;
		rc = syscall(strtol(argv[1], NULL, 0), v[0], v[1], v[2], v[3], v[4], v[5]);
	}
	errno ? printf("errno %d\\n", errno) : printf("ok\\n");
	return 0;
}
`;

/** `supervisor SOCKET ERRNO`: prints what it is told, and each call, which it answers with the errno (0: the call goes on). */
const SUPERVISOR = `
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static void serve(int listener, int error)
{
	struct seccomp_notif call;
	while (memset(&call, 0, sizeof call), ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0 || errno == EINTR) {
		printf("call %d\\n", call.data.nr);
		struct seccomp_notif_resp answer = {.id = call.id, .error = -error, .flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}
int main(int argc, char **argv)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	strcpy(at.sun_path, argv[1]);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (bind(s, (struct sockaddr *)&at, sizeof at) || listen(s, 8))
		return 1;
	printf("ready\\n");
	for (;;) {
		static char text[1 << 17];
		union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
		struct iovec part = {text, sizeof text - 1};
		struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
		int c = accept(s, NULL, NULL), listener;
		ssize_t n = recvmsg(c, &message, 0);
		if (n <= 0 || !CMSG_FIRSTHDR(&message))
			return 2;
		memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof listener);
		text[n] = 0;
		printf("message %s\\n", text);
		if (fork() == 0) {
			serve(listener, atoi(argv[2]));
			return 0;
		}
		close(listener);
		close(c);
	}
}
`;

/** Builds a program from C to a path, statically. */
function build(source: string, path: string): void {
  writeFileSync(`${path}.c`, source);
  execFileSync("gcc", ["-static", "-O1", "-w", "-o", path, `${path}.c`]);
}

export function buildProbe(dir: string): void {
  build(PROBE, join(dir, "probe"));
}

/** A supervisor that listens at a socket of its own. */
export class Supervisor implements AsyncDisposable {
  readonly path: string;
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(path: string, process: ChildProcess) {
    this.path = path;
    this.#process = process;
    this.#reader = createInterface({ input: process.stdout as NodeJS.ReadableStream });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  static async start(dir: string, errno: number): Promise<Supervisor> {
    const program = join(dir, "supervisor");
    build(SUPERVISOR, program);
    const path = join(dir, `notify-${errno}.sock`);
    // a group of its own: its children serve one listener each
    const child = spawn(program, [path, String(errno)], {
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    const supervisor = new Supervisor(path, child);
    await supervisor.next("ready");
    return supervisor;
  }

  /** Returns what stands behind the next line's first word. */
  async next(word: string): Promise<string> {
    const { value } = await this.#lines.next();
    if (typeof value !== "string" || !value.startsWith(word))
      throw new Error(`${word} is awaited, not ${value}`);
    return value.slice(word.length + 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    process.kill(-(this.#process.pid as number), "SIGKILL");
    await ended;
    this.#reader.close();
  }
}
