// Our own program, sealed: it can be executed, and nobody can change it, whichever way it was sealed. A program that runs is kept
// from writers by the kernel, sealed or not: what is looked at here is always a copy of this test that nobody runs any more.
#include "check.h"
#include "fault.h"
#include "self.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { HERE = 10, SEALED = 11 }; // descriptors: this test, and what it is to look at
enum { NOBODY = 65534 };

static char base[64];

static void execute(int fd, const char *part, const char *way, const char *which)
{
	char *argv[] = {"self_test", (char *)part, (char *)way, (char *)which, NULL}, *env[] = {NULL};
	syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
	CHECK(!"executed");
}

// What an attacker has: the program's name in /proc.
static void cannot_be_written(int fd)
{
	static const int modes[] = {O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_APPEND};
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		CHECK(open(path, modes[i]) < 0 && errno == EROFS);
	CHECK(truncate(path, 0) < 0 && errno == EROFS);
	CHECK(chmod(path, 0777) < 0 && errno == EROFS);
	CHECK(setxattr(path, "user.x", "", 0, 0) < 0 && errno == EROFS);
}

// A copy is a file of its own that can be opened, and refuses every change of its content.
static void cannot_be_changed(int fd)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	CLEAN_FD int opened = open(path, O_RDWR | O_CLOEXEC);
	CHECK(opened >= 0);
	CHECK(write(opened, "x", 1) < 0 && errno == EPERM);
	CHECK(ftruncate(opened, 0) < 0 && errno == EPERM);
	CHECK(ftruncate(opened, 1 << 30) < 0 && errno == EPERM);
	CHECK(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, opened, 0) == MAP_FAILED && errno == EPERM);
	CHECK(fcntl(opened, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0 && errno == EPERM);
}

// Neither by its own mount nor by another one of the same file, made by root.
static void cannot_be_made_writable(int fd)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};
	CHECK(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0);
	CLEAN_FD int again = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (again < 0)
		return; // a mount that is attached nowhere is not cloned by older kernels
	CHECK_INT(mount_setattr(again, "", AT_EMPTY_PATH, &attr, sizeof attr), 0);
	cannot_be_written(again);
}

// The second part: nobody runs the program any more. It can still be executed.
static int look(const char *way)
{
	if (strcmp(way, "copy") == 0)
		cannot_be_changed(SEALED);
	else
		cannot_be_written(SEALED);
	if (strcmp(way, "overlay") == 0)
		cannot_be_made_writable(SEALED);
	CHECK_INT(fcntl(SEALED, F_SETFD, FD_CLOEXEC), 0);
	execute(SEALED, "end", way, "");
	return 1;
}

// The first part: seals itself, by the way that is asked for or by the best, and leaves the place to the test.
static int seal(const char *way, const char *which)
{
	const char *name = way;
	int fd = -1;
	if (strcmp(which, "best") == 0)
		fd = self_open(&name);
	for (const struct self_way *w = self_ways; fd < 0 && w->name; w++)
		if (strcmp(w->name, way) == 0)
			fd = w->open();
	if (strcmp(name, way) != 0)
		fprintf(stderr, "sealed by %s, not by %s\n", name, way);
	CHECK(fd >= 0 && strcmp(name, way) == 0 && fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK_INT(dup2(fd, SEALED), SEALED);
	execute(HERE, "look", way, which);
	return 1;
}

static void make(const char *script)
{
	char command[512];
	snprintf(command, sizeof command, "cd %s && %s", base, script);
	CHECK_INT(system(command), 0);
}

// A copy of this test, in a directory of its own.
static int program_in(const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "mkdir '%s' && cp /proc/%d/exe '%s/program'", name, (int)getpid(), name);
	make(path);
	snprintf(path, sizeof path, "%s/%s/program", base, name);
	int fd = open(path, O_PATH | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void ends_well(pid_t pid)
{
	int status;
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

static void seals(int program, const char *way, const char *which, uid_t user)
{
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(user == 0 || (setgid(user) == 0 && setuid(user) == 0));
		execute(program, "seal", way, which);
	}
	ends_well(pid);
}

static const char *best_way(void)
{
	CLEAN_FD int context = fsopen("overlay", FSOPEN_CLOEXEC);
	return context < 0 ? "mount" : "overlay";
}

static void every_way_seals(void)
{
	CLEAN_FD int program = program_in("ways");
	seals(program, best_way(), "best", 0);
	seals(program, best_way(), "this", 0);
	seals(program, "mount", "this", 0);
	seals(program, "copy", "this", 0);
}

// Characters that mean something in the option that names an overlay's layers.
static void any_directory_will_do(void)
{
	CLEAN_FD int program = program_in("a:b,c\\d=e");
	seals(program, best_way(), "best", 0);
}

static void users_get_a_copy(void)
{
	CLEAN_FD int program = program_in("user");
	seals(program, "copy", "best", NOBODY);
}

// One that is a sealed copy already.
static void a_program_without_a_directory(void)
{
	CLEAN_FD int program = self_ways[2].open();
	seals(program, "copy", "best", 0);
}

// What lies at the path, or nothing, is not what runs.
static void another_program_is_not_taken(void)
{
	CLEAN_FD int program = program_in("old");
	CLEAN_FD int other = program_in("new");
	make("mv new/program old/program");
	seals(program, "mount", "best", 0);
	make("rm old/program");
	seals(program, "mount", "best", 0);
}

// Another directory is mounted over the program's: the path that the kernel tells leads to what is in that.
static void a_path_that_leads_elsewhere_is_not_followed(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_INT(unshare(CLONE_NEWNS), 0);
		CHECK_INT(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
		CLEAN_FD int program = program_in("below");
		CLEAN_FD int other = program_in("above");
		make("mount --bind above below");
		seals(program, "mount", "best", 0);
		exit(0);
	}
	ends_well(pid);
}

static void write_file(const char *path, const char *text)
{
	CLEAN_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_INT(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

// Not even where the kernel would make an overlay: usually it says no, and says so in its log.
static void a_user_namespace_gets_a_mount(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_INT(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/uid_map", "0 0 1");
		write_file("/proc/self/gid_map", "0 0 1");
		CHECK_INT(mount("none", "/dev", "tmpfs", 0, NULL), 0);
		CLEAN_FD int program = program_in("inside");
		seals(program, "mount", "best", 0);
		exit(0);
	}
	ends_well(pid);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "seal") == 0)
		return seal(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "look") == 0)
		return look(argv[2]);
	if (argc == 4)
		return strcmp(argv[1], "end");
	CLEAN_FD int here = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	CHECK_INT(dup2(here, HERE), HERE);
	strcpy(base, "/tmp/keel-self-XXXXXX");
	CHECK(mkdtemp(base) != NULL);
	CHECK_INT(chmod(base, 0755), 0);
	every_way_seals();
	any_directory_will_do();
	users_get_a_copy();
	a_program_without_a_directory();
	another_program_is_not_taken();
	a_path_that_leads_elsewhere_is_not_followed();
	a_user_namespace_gets_a_mount();
	make("rm -r ./*");
	CHECK_INT(rmdir(base), 0);
	return 0;
}
