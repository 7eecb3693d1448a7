// What runs inside the containers of the attack suite: each verb tries something that a container may not do and prints what it got.
// Nothing is destroyed where it succeeds: modes and owners are set to what they are.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// tamper PATH...: changes of an inode, and writing to it.
static void tamper(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return;
	if (chmod(path, st.st_mode & 07777) == 0)
		printf("chmod %s\n", path);
	if (chown(path, st.st_uid, st.st_gid) == 0)
		printf("chown %s\n", path);
	if (utimensat(AT_FDCWD, path, NULL, 0) == 0)
		printf("utimes %s\n", path);
	int fd = S_ISREG(st.st_mode) ? open(path, O_WRONLY) : -1;
	if (fd >= 0)
		printf("write %s\n", path);
	close(fd);
}

// inode FD: changes of the inode behind a descriptor, told by device and number.
static void inode(int fd)
{
	struct stat st;
	if (fstat(fd, &st) == 0)
		printf("device %u:%u inode %llu%s\n", major(st.st_dev), minor(st.st_dev), (unsigned long long)st.st_ino,
		       fchmod(fd, st.st_mode & 07777) == 0 ? " changed" : "");
}

// fds: descriptors that somebody left open.
static void fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	for (struct dirent *e; dir && (e = readdir(dir));) {
		char target[4096] = "";
		if (e->d_name[0] == '.' || atoi(e->d_name) <= 2 || atoi(e->d_name) == dirfd(dir))
			continue;
		if (readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1) < 0)
			strcpy(target, "?");
		printf("descriptor %s -> %s\n", e->d_name, target);
	}
}

// swap A B MS: exchanges two names as fast as it can.
static void swap(const char *a, const char *b, int ms)
{
	for (long end = now_ms() + ms; now_ms() < end;)
		syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
}

// spy NAME MS: looks for processes that still run the program NAME, and into them.
static void spy(const char *name, int ms)
{
	puts("ready");
	fflush(stdout);
	for (long end = now_ms() + ms; now_ms() < end;) {
		DIR *dir = opendir("/proc");
		for (struct dirent *e; dir && (e = readdir(dir));) {
			char path[300], target[4096];
			if (atoi(e->d_name) <= 1 || atoi(e->d_name) == getpid())
				continue;
			snprintf(path, sizeof path, "/proc/%s/exe", e->d_name);
			ssize_t n = readlink(path, target, sizeof target - 1);
			if (n <= 0)
				continue;
			target[n] = 0;
			// What is mounted nowhere has no path but "/".
			if (!strstr(target, name) && strcmp(target, "/") != 0)
				continue;
			printf("looked into %s, which runs %s\n", e->d_name, name);
			fflush(stdout);
			pause();
		}
		if (dir)
			closedir(dir);
	}
}

// bomb N: forks until it may not, prints how often that went well.
static void bomb(int most)
{
	int made = 0;
	for (; made < most; made++) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (pid == 0) {
			pause();
			_exit(0);
		}
	}
	printf("%d\n", made);
	fflush(stdout);
	kill(0, SIGKILL);
}

// eat MIB: memory, touched.
static void eat(size_t mib)
{
	for (size_t i = 0; i < mib; i++) {
		char *p = malloc(1 << 20);
		if (!p)
			break;
		memset(p, 1, 1 << 20);
	}
	puts("eaten");
}

static void tell(const char *name, long rc)
{
	if (rc >= 0)
		printf("%s\n", name);
}

static long in_child(long (*call)(void))
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(call() >= 0 ? 0 : 1);
	int status = 1;
	waitpid(pid, &status, 0);
	return status == 0 ? 0 : -1;
}

static long unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}

static long clone_user(void)
{
	struct { // struct clone_args, first version
		unsigned long long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		_exit(0);
	return pid;
}

static long mount_cgroup(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
		return -1;
	mkdir("/tmp/cg", 0755);
	return mount("cgroup", "/tmp/cg", "cgroup", 0, "rdma") == 0 ? 0 : mount("cgroup2", "/tmp/cg", "cgroup2", 0, NULL);
}

// syscalls: the ones that the filter or the lack of a capability has to stop.
static void syscalls(void)
{
	char buffer[256] = {0};
	tell("socket(AF_ALG)", socket(38, SOCK_SEQPACKET, 0));
	tell("socket(AF_VSOCK)", socket(40, SOCK_STREAM, 0));
	tell("socket(AF_ALG | rubbish)", syscall(SYS_socket, 0x100000000 | 38, SOCK_SEQPACKET, 0));
	tell("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
	tell("add_key", syscall(SYS_add_key, "user", "berth-attack", "x", 1, KEY_SPEC_PROCESS_KEYRING));
	tell("request_key", syscall(SYS_request_key, "user", "berth-attack", NULL, KEY_SPEC_PROCESS_KEYRING));
	tell("io_uring_setup", syscall(SYS_io_uring_setup, 1, buffer));
	tell("userfaultfd", syscall(SYS_userfaultfd, 1));
	tell("bpf", syscall(SYS_bpf, 0, buffer, sizeof buffer));
	tell("perf_event_open", syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0));
	tell("unshare(CLONE_NEWUSER)", in_child(unshare_user));
	tell("clone3(CLONE_NEWUSER)", in_child(clone_user));
	tell("mount of a cgroup hierarchy", in_child(mount_cgroup));
	tell("mount", mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
	tell("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	tell("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
	tell("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, buffer, 0));
	tell("init_module", syscall(SYS_init_module, buffer, sizeof buffer, ""));
	tell("swapon", syscall(SYS_swapon, "/bin/busybox", 0));
	tell("settimeofday", settimeofday(&(struct timeval){0}, NULL));
	tell("iopl", syscall(SYS_iopl, 3));
	tell("acct", syscall(SYS_acct, NULL));
	tell("setns", syscall(SYS_setns, open("/proc/1/ns/mnt", O_RDONLY), 0));
	tell("quotactl", syscall(SYS_quotactl, 0x800001, "/dev/null", 0, buffer));
}

#if defined __x86_64__
// ia32: the same calls by the numbers of another architecture, which a filter for one only would let through.
static long ia32(long number, long a, long b, long c)
{
	long rc;
	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
	return (int)rc;
}

static void other_architecture(void)
{
	tell("ia32 keyctl", ia32(288, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
	tell("ia32 unshare(CLONE_NEWUSER)", ia32(310, CLONE_NEWUSER, 0, 0));
	tell("x32 keyctl", syscall(0x40000000 | SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
}
#else
static void other_architecture(void)
{
}
#endif

// node TYPE MAJOR MINOR: makes a device node and opens it.
static void node(const char *type, unsigned major_, unsigned minor_)
{
	const char *path = "/tmp/node";
	unlink(path);
	if (mknod(path, (*type == 'b' ? S_IFBLK : S_IFCHR) | 0600, makedev(major_, minor_)) < 0)
		return;
	int fd = open(path, O_WRONLY | O_NONBLOCK);
	// EPERM is the device cgroup's answer; any other means that the driver was asked.
	if (fd >= 0 || errno != EPERM)
		printf("device %s %u:%u (%s)\n", type, major_, minor_, fd >= 0 ? "open" : strerror(errno));
	close(fd);
}

// write PATH...: files that open for writing. Nothing is written.
static void can_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0)
		printf("writable %s\n", path);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	if (strcmp(verb, "tamper") == 0)
		for (int i = 2; i < argc; i++)
			tamper(argv[i]);
	else if (strcmp(verb, "write") == 0)
		for (int i = 2; i < argc; i++)
			can_write(argv[i]);
	else if (strcmp(verb, "inode") == 0)
		inode(atoi(argv[2]));
	else if (strcmp(verb, "fds") == 0)
		fds();
	else if (strcmp(verb, "swap") == 0)
		swap(argv[2], argv[3], atoi(argv[4]));
	else if (strcmp(verb, "spy") == 0)
		spy(argv[2], atoi(argv[3]));
	else if (strcmp(verb, "bomb") == 0)
		bomb(atoi(argv[2]));
	else if (strcmp(verb, "eat") == 0)
		eat((size_t)atoi(argv[2]));
	else if (strcmp(verb, "syscalls") == 0)
		syscalls(), other_architecture();
	else if (strcmp(verb, "node") == 0)
		node(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
	else
		return 2;
	return 0;
}
