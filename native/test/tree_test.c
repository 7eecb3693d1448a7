// Removing and copying trees by descriptor: deep, locked, mounted, linked, sparse and hostile ones.
#include "check.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char base[64];
static int dir;
static struct fault f;

static void make(const char *script)
{
	char command[1024];
	snprintf(command, sizeof command, "cd %s && %s", base, script);
	CHECK_INT(system(command), 0);
}

static bool is_there(const char *path)
{
	struct stat st;
	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void set_up(void)
{
	strcpy(base, "/tmp/keel-tree-XXXXXX");
	CHECK(mkdtemp(base) != NULL && chmod(base, 0755) == 0);
	dir = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir >= 0);
}

static void tear_down(void)
{
	char command[128];
	close(dir);
	snprintf(command, sizeof command, "rm -rf %s", base);
	CHECK_INT(system(command), 0);
}

static void a_tree_is_removed_and_nothing_else(void)
{
	make("mkdir -p t/a/b t/empty keep && echo x > keep/file && ln -s ../keep t/link && ln -s ../../keep/file t/a/file && mkfifo t/fifo");
	make("i=0; while [ $i -lt 3000 ]; do : > t/a/b/a-name-of-some-length-$i; i=$((i+1)); done");
	CHECK_INT(tree_remove(dir, "t", "/t", &f), 0);
	CHECK(!is_there("t") && is_there("keep/file"));
	CHECK_INT(tree_remove(dir, "t", "/t", &f), 0); // missing is fine
	make("ln -s keep link");
	CHECK_INT(tree_remove(dir, "link", "/link", &f), 0);
	CHECK(!is_there("link") && is_there("keep/file"));
	CHECK_INT(tree_remove(dir, "keep", "/keep", &f), 0);
}

static void a_deep_tree_needs_few_descriptors(void)
{
	enum { DEPTH = 3000 };
	struct rlimit old, few = {.rlim_cur = 64, .rlim_max = 0};
	CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	few.rlim_max = old.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	int at = dup(dir);
	for (int i = 0; i < DEPTH; i++) {
		CHECK(mkdirat(at, "d", 0755) == 0);
		int sibling = openat(at, "file", O_CREAT | O_WRONLY, 0600);
		close(sibling);
		int next = openat(at, "d", O_PATH | O_DIRECTORY);
		CHECK(next >= 0);
		close(at);
		at = next;
	}
	close(at);
	CHECK_INT(tree_remove(dir, "d", "/d", &f), 0);
	CHECK(!is_there("d"));
	CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
	unlinkat(dir, "file", 0);
}

static void a_locked_tree_is_removed_without_privileges(void)
{
	make("mkdir -p u && chown 65534:65534 u");
	pid_t child = fork();
	if (child == 0) {
		CHECK(setgid(65534) == 0 && setuid(65534) == 0);
		make("mkdir -p u/t/locked/below u/t/blind && echo x > u/t/locked/file && chmod 0 u/t/locked/below u/t/locked u/t/blind && chmod 0555 u/t");
		int mine = openat(dir, "u", O_PATH | O_DIRECTORY);
		CHECK_INT(tree_remove(mine, "t", "/u/t", &f), 0);
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_INT(status, 0);
	CHECK(!is_there("u/t"));
	make("rmdir u");
}

static void a_mount_point_is_not_crossed(void)
{
	char source[80], target[80];
	make("mkdir -p t/a/mnt keep && echo x > keep/file");
	snprintf(source, sizeof source, "%s/keep", base);
	snprintf(target, sizeof target, "%s/t/a/mnt", base);
	// A bind mount of the same file system: st_dev alone would not show it.
	if (mount(source, target, NULL, MS_BIND, NULL) < 0) {
		fprintf(stderr, "tree_test: no mounts here, mount points not tested\n");
		return;
	}
	CHECK_INT(tree_remove(dir, "t", "/t", &f), -EBUSY);
	CHECK(strcmp(f.path, "/t/a/mnt") == 0);
	CHECK(is_there("keep/file"));
	CHECK(umount(target) == 0);
	CHECK_INT(tree_remove(dir, "t", "/t", &f), 0);
	make("rm -r keep");
}

static void names_are_sorted(void)
{
	struct names names;
	make("mkdir n && touch n/b n/a n/B n/ab n/é && touch n/$(printf '\\377')");
	int fd = openat(dir, "n", O_RDONLY | O_DIRECTORY);
	CHECK_INT(names_read(fd, &names), 0);
	static const char *const sorted[] = {"B", "a", "ab", "b", "é", "\377"};
	CHECK_INT(names.count, 6);
	for (int i = 0; i < 6; i++)
		CHECK(strcmp(names.items[i], sorted[i]) == 0);
	names_free(&names);
	close(fd);
	CHECK_INT(tree_remove(dir, "n", "/n", &f), 0);
}

static int copy(const char *from, const char *to, int64_t uid, int64_t gid, int64_t mode)
{
	struct tree_copy plan = {.root = dir, .uid = uid, .gid = gid, .mode = mode};
	return tree_copy(&plan, dir, from, dir, to, to, &f);
}

static void a_copy_keeps_everything(void)
{
	struct stat a, b;
	char value[8];
	make("mkdir -p s/sub && echo one > s/one && ln s/one s/sub/two && ln -s /etc/passwd s/link && mkfifo s/fifo && chown 12:34 s/sub s/one && chmod 4711 s/one");
	make("touch -d @1000000000.5 s/one s/sub && touch -h -d @1000000001 s/link && truncate -s 64M s/sparse && printf end >> s/sparse");
	char path[96];
	snprintf(path, sizeof path, "%s/s/sub", base);
	CHECK(lsetxattr(path, "user.k", "v", 1, 0) == 0);
	CHECK_INT(copy("s", "c", -1, -1, -1), 0);
	CHECK(fstatat(dir, "c/one", &a, 0) == 0 && fstatat(dir, "c/sub/two", &b, 0) == 0);
	CHECK(a.st_ino == b.st_ino && a.st_nlink == 2);
	CHECK_INT(a.st_mode & 07777, 04711);
	CHECK(a.st_uid == 12 && a.st_gid == 34 && a.st_mtim.tv_sec == 1000000000 && a.st_mtim.tv_nsec == 500000000);
	CHECK(fstatat(dir, "c/sub", &a, 0) == 0 && a.st_uid == 12 && a.st_mtim.tv_sec == 1000000000);
	CHECK(fstatat(dir, "c/link", &a, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(a.st_mode) && a.st_mtim.tv_sec == 1000000001);
	CHECK(fstatat(dir, "c/fifo", &a, AT_SYMLINK_NOFOLLOW) == 0 && S_ISFIFO(a.st_mode));
	CHECK(fstatat(dir, "c/sparse", &a, 0) == 0 && fstatat(dir, "s/sparse", &b, 0) == 0);
	CHECK(a.st_size == b.st_size && a.st_blocks < 1024);
	make("cmp s/sparse c/sparse && cmp s/one c/sub/two");
	snprintf(path, sizeof path, "%s/c/sub", base);
	CHECK(lgetxattr(path, "user.k", value, sizeof value) == 1 && value[0] == 'v');
}

static void a_copy_merges_and_replaces(void)
{
	struct stat st;
	make("rm -rf c && mkdir -p c/sub c/fifo && echo other > c/sub/other && ln -s /etc c/link && ln -s ../s c/one");
	CHECK_INT(copy("s", "c", 7, 8, 0700), 0);
	CHECK(is_there("c/sub/other") && is_there("c/sub/two"));
	CHECK(fstatat(dir, "c/one", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_uid == 7 && st.st_gid == 8);
	CHECK_INT(st.st_mode & 07777, 0700);
	CHECK(fstatat(dir, "c/link", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == 7);
	make("rm -rf c && mkdir -p c/one && echo x > c/one/x");
	CHECK_INT(copy("s", "c", -1, -1, -1), -ENOTEMPTY);
	CHECK(strcmp(f.path, "c/one") == 0 && is_there("c/one/x"));
	// A directory where the destination has a symlink: replaced, not followed.
	make("rm -rf c outside && mkdir c outside && ln -s ../outside c/sub");
	CHECK_INT(copy("s", "c", -1, -1, -1), 0);
	CHECK(fstatat(dir, "c/sub", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) && !is_there("outside/two"));
}

static void a_copy_into_itself_ends(void)
{
	make("mkdir -p self/in && echo x > self/file");
	int in = openat(dir, "self/in", O_PATH | O_DIRECTORY);
	struct tree_copy plan = {.root = dir, .uid = -1, .gid = -1, .mode = -1};
	CHECK_INT(tree_copy(&plan, dir, "self", in, "copy", "self/in/copy", &f), 0);
	CHECK(is_there("self/in/copy/file") && is_there("self/in/copy/in") && !is_there("self/in/copy/in/copy"));
	close(in);
}

int main(void)
{
	umask(0);
	if (unshare(CLONE_NEWNS) == 0) // what is mounted below is nobody else's business
		CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	set_up();
	int before = open("/dev/null", O_RDONLY);
	close(before);
	a_tree_is_removed_and_nothing_else();
	a_deep_tree_needs_few_descriptors();
	a_locked_tree_is_removed_without_privileges();
	a_mount_point_is_not_crossed();
	names_are_sorted();
	a_copy_keeps_everything();
	a_copy_merges_and_replaces();
	a_copy_into_itself_ends();
	CHECK_INT(open("/dev/null", O_RDONLY), before); // nothing was left open
	tear_down();
	return 0;
}
