// Paths inside a root. Every case runs twice, with openat2 and with the walker, which must agree. "outside" beside the root
// is what no path may reach.
#include "check.h"
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64];
static int root;
static struct fault f;

static void make(const char *format, const char *path)
{
	char command[512], script[400];
	snprintf(script, sizeof script, format, path);
	snprintf(command, sizeof command, "cd %s && %s", base, script);
	CHECK_INT(system(command), 0);
}

// Opens for reading and returns the first character, or -errno.
static int first_byte(const char *path)
{
	char c = 0;
	int fd = resolve_open(root, path, O_RDONLY, 0, &f);
	if (fd < 0)
		return fd;
	CHECK(read(fd, &c, 1) >= 0);
	close(fd);
	return c;
}

static void set_up(void)
{
	strcpy(base, "/tmp/keel-resolve-XXXXXX");
	CHECK(mkdtemp(base) != NULL);
	make("%s", "mkdir -p root/dir/sub outside && echo O > outside/secret && echo R > root/secret && echo F > root/dir/file");
	make("%s", "ln -s /etc root/abs-etc; ln -s ../../../../outside root/dir/up; ln -s /dir/file root/abs-file");
	make("%s", "ln -s ../secret root/dir/rel; ln -s loop root/loop; ln -s /gone/deep root/dangling; ln -s dir/ root/to-dir");
	make("%s", "mkdir root/etc && echo E > root/etc/passwd; ln -s /proc/self/cwd root/magic; ln -s a/../../.. root/dots; ln -s .. root/dir/sub/back");
	make("%s", "ln -s dangling root/to-dangling; mkfifo root/fifo");
	char path[80];
	snprintf(path, sizeof path, "%s/root", base);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(root >= 0);
}

static void tear_down(void)
{
	close(root);
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", base);
	CHECK_INT(system(command), 0);
}

static void opens_stay_inside(void)
{
	CHECK_INT(first_byte("secret"), 'R');
	CHECK_INT(first_byte("/secret"), 'R');
	CHECK_INT(first_byte("//dir//.//file"), 'F');
	CHECK_INT(first_byte("../../../secret"), 'R');
	CHECK_INT(first_byte("dir/sub/../../../secret"), 'R');
	CHECK_INT(first_byte("dir/rel"), 'R');
	CHECK_INT(first_byte("abs-file"), 'F');
	CHECK_INT(first_byte("abs-etc/passwd"), 'E');
	CHECK_INT(first_byte("to-dir/file"), 'F');
	CHECK_INT(first_byte("dir/sub/back/file"), 'F');
	CHECK_INT(first_byte("dots/secret"), -ENOENT);
	CHECK_INT(first_byte("dir/up/secret"), -ENOENT);
	CHECK_INT(first_byte("../outside/secret"), -ENOENT);
	CHECK_INT(first_byte("loop"), -ELOOP);
	CHECK_INT(first_byte("loop/x"), -ELOOP);
	CHECK_INT(first_byte("dangling"), -ENOENT);
	CHECK_INT(first_byte("secret/"), -ENOTDIR);
	CHECK_INT(first_byte("secret/x"), -ENOTDIR);
	CHECK_INT(first_byte("nothing"), -ENOENT);
	CHECK_INT(resolve_open(root, "abs-file", O_RDONLY | O_NOFOLLOW, 0, &f), -ELOOP);
	int fd = resolve_open(root, "abs-file", O_PATH | O_NOFOLLOW, 0, &f);
	struct stat st;
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode));
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	fd = resolve_open(root, "", O_PATH | O_DIRECTORY, 0, &f);
	CHECK(fd >= 0);
	close(fd);
	fd = resolve_open(root, "/..", O_RDONLY | O_DIRECTORY, 0, &f);
	CHECK(fd >= 0 && faccessat(fd, "abs-etc", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	close(fd);
	char name[300];
	memset(name, 'n', 256);
	name[256] = 0;
	CHECK_INT(first_byte(name), -ENAMETOOLONG);
}

static void creating_opens_stay_inside(void)
{
	int fd = resolve_open(root, "abs-etc/new", O_WRONLY | O_CREAT | O_EXCL, 0640, &f);
	struct stat st;
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0640);
	close(fd);
	CHECK_INT(fstatat(root, "etc/new", &st, 0), 0);
	CHECK_INT(unlinkat(root, "etc/new", 0), 0);
	CHECK_INT(resolve_open(root, "dangling", O_WRONLY | O_CREAT | O_EXCL, 0600, &f), -EEXIST);
	CHECK_INT(resolve_open(root, "dir", O_WRONLY | O_CREAT, 0600, &f), -EISDIR);
	CHECK_INT(resolve_open(root, ".", O_WRONLY | O_CREAT, 0600, &f), -EISDIR);
}

static void magic_links_are_not_jumped(void)
{
	// "magic" points into a procfs that is mounted in the root, as /proc is in a container.
	char path[80];
	snprintf(path, sizeof path, "%s/root/proc", base);
	CHECK(mkdir(path, 0755) == 0 || errno == EEXIST);
	if (mount("proc", path, "proc", 0, NULL) < 0) {
		fprintf(stderr, "resolve_test: no proc mount here, magic links not tested\n");
		return;
	}
	CHECK(chdir("/") == 0);
	// By the kernel ELOOP, by the walker text that leads nowhere inside the root.
	CHECK(first_byte("magic/bin/sh") < 0);
	CHECK(first_byte("proc/self/root/etc/hostname") < 0);
	CHECK(first_byte("proc/self/exe") < 0);
	int fd = resolve_open(root, "proc/self/cwd/tmp", O_PATH, 0, &f);
	CHECK(fd < 0);
	CHECK(umount2(path, MNT_DETACH) == 0 && rmdir(path) == 0);
}

static void plain_directories_have_no_symlinks(void)
{
	struct stat st;
	int fd = resolve_mkdirs_plain(root, "/plain/made/", 0755, &f);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
	close(fd);
	CHECK_INT(fstatat(root, "plain/made", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_INT(symlinkat("made", root, "plain/link"), 0);
	CHECK_INT(resolve_mkdirs_plain(root, "plain/link", 0755, &f), -ELOOP);
	CHECK_INT(resolve_mkdirs_plain(root, "plain/link/below", 0755, &f), -ELOOP);
	CHECK_INT(resolve_mkdirs_plain(root, "plain/../plain", 0755, &f), -EINVAL);
	CHECK_INT(symlinkat("nowhere", root, "plain/dangling"), 0);
	CHECK_INT(resolve_mkdirs_plain(root, "plain/dangling", 0755, &f), -ELOOP);
	char name[300];
	memset(name, 'n', 256);
	name[256] = 0;
	CHECK_INT(resolve_mkdirs_plain(root, name, 0755, &f), -ENAMETOOLONG);
	fd = resolve_mkdirs_plain(root, "/", 0755, &f);
	CHECK(fd >= 0);
	close(fd);
	CHECK(unlinkat(root, "plain/link", 0) == 0 && unlinkat(root, "plain/dangling", 0) == 0);
	CHECK(unlinkat(root, "plain/made", AT_REMOVEDIR) == 0 && unlinkat(root, "plain", AT_REMOVEDIR) == 0);
}

static void check_parent(const char *path, int expected, const char *expected_name)
{
	char name[256];
	int fd = resolve_parent(root, path, false, name, &f);
	if (expected < 0) {
		CHECK_INT(fd, expected);
		return;
	}
	CHECK(fd >= 0);
	CHECK(strcmp(name, expected_name) == 0);
	close(fd);
}

static void parents_are_split_off(void)
{
	check_parent("secret", 0, "secret");
	check_parent("/dir/file", 0, "file");
	check_parent("/dir/sub//", 0, "sub");
	check_parent("abs-etc/anything", 0, "anything");
	check_parent("/", 0, ".");
	check_parent("", 0, ".");
	check_parent("./", 0, ".");
	check_parent("dir/.", -EINVAL, NULL);
	check_parent("..", -EINVAL, NULL);
	check_parent("dir/..", -EINVAL, NULL);
	check_parent("../.", -EINVAL, NULL);
	check_parent("secret/x", -ENOTDIR, NULL);
	check_parent("missing/x", -ENOENT, NULL);
	char name[256], buffer[300];
	memset(buffer, 'n', 256);
	buffer[256] = 0;
	CHECK_INT(resolve_parent(root, buffer, false, name, &f), -ENAMETOOLONG);
	int fd = resolve_parent(root, "abs-etc/a/b/c", true, name, &f);
	struct stat st;
	CHECK(fd >= 0 && strcmp(name, "c") == 0);
	close(fd);
	CHECK(fstatat(root, "etc/a/b", &st, 0) == 0 && (st.st_mode & 07777) == 0755 && st.st_uid == geteuid());
	CHECK(fstatat(root, "etc/a/b/c", &st, 0) < 0);
	make("%s", "rm -r root/etc/a");
}

static void missing_parts_are_made_inside(void)
{
	struct stat st;
	int fd = resolve_mkdirs(root, "x/y/../z", 0700, &f);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0700);
	close(fd);
	CHECK(fstatat(root, "x/y", &st, 0) == 0 && (st.st_mode & 07777) == 0755);
	CHECK(fstatat(root, "x/z", &st, 0) == 0);
	fd = resolve_mkdirs(root, "to-dangling/er", 0755, &f); // → dangling → /gone/deep, inside the root
	CHECK(fd >= 0);
	close(fd);
	CHECK(fstatat(root, "gone/deep/er", &st, 0) == 0);
	CHECK(access("/gone", F_OK) < 0);
	CHECK_INT(resolve_mkdirs(root, "secret", 0755, &f), -ENOTDIR);
	CHECK_INT(resolve_mkdirs(root, "secret/x", 0755, &f), -ENOTDIR);
	CHECK_INT(resolve_mkdirs(root, "loop/x", 0755, &f), -ELOOP);
	make("%s", "rm -r root/x root/gone");

	fd = resolve_mkfile(root, "m/n/file", 0644, &f);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0644);
	CHECK(fcntl(fd, F_GETFL) & O_PATH);
	close(fd);
	fd = resolve_mkfile(root, "dangling", 0644, &f);
	CHECK(fd >= 0);
	close(fd);
	CHECK(fstatat(root, "gone/deep", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
	fd = resolve_mkfile(root, "abs-file", 0644, &f);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 2);
	close(fd);
	fd = resolve_mkfile(root, "fifo", 0644, &f); // what is there is not opened
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode));
	close(fd);
	make("%s", "rm -r root/m root/gone");
}

static volatile int swapping;

// Swaps a directory with a symlink to the outside as fast as it can.
static void *swap(void *unused)
{
	(void)unused;
	while (swapping) {
		renameat2(root, "swap-dir", root, "swap-link", RENAME_EXCHANGE);
	}
	return NULL;
}

static void a_race_never_leads_outside(void)
{
	pthread_t thread;
	make("%s", "mkdir -p root/swap-dir && echo I > root/swap-dir/secret && ln -sfn ../../../../../$PWD/outside root/swap-link");
	swapping = 1;
	CHECK(pthread_create(&thread, NULL, swap, NULL) == 0);
	for (int i = 0; i < 3000; i++) {
		int c = first_byte("swap-dir/secret");
		CHECK(c != 'O');
		char name[256];
		int fd = resolve_mkfile(root, "swap-dir/planted", 0644, &f);
		if (fd >= 0)
			close(fd);
		fd = resolve_parent(root, "swap-dir/sub/x", true, name, &f);
		if (fd >= 0)
			close(fd);
	}
	swapping = 0;
	pthread_join(thread, NULL);
	make("%s", "test \"$(ls outside)\" = secret");
	make("%s", "rm -rf root/swap-dir root/swap-link root/tmp root/private");
}

static void no_descriptor_is_left_open(int before)
{
	int probe = open("/dev/null", O_RDONLY);
	CHECK_INT(probe, before);
	close(probe);
}

int main(void)
{
	umask(0);
	if (unshare(CLONE_NEWNS) == 0) // what is mounted below is nobody else's business
		CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	for (int round = 0; round < 2; round++) {
		resolve_force_walker(round == 1);
		set_up();
		int before = open("/dev/null", O_RDONLY);
		close(before);
		opens_stay_inside();
		creating_opens_stay_inside();
		magic_links_are_not_jumped();
		plain_directories_have_no_symlinks();
		parents_are_split_off();
		missing_parts_are_made_inside();
		a_race_never_leads_outside();
		no_descriptor_is_left_open(before);
		tear_down();
	}
	return 0;
}
