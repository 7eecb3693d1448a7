// Filling a volume from an image: everything comes along, only into an empty directory, and never out of either side.
#include "check.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static char base[64], target[96];
static int root;
static struct fault f;

static void make(const char *script)
{
	char command[1024];
	snprintf(command, sizeof command, "cd %s && %s", base, script);
	CHECK_INT(system(command), 0);
}

static struct stat stat_of(const char *path)
{
	struct stat st = {0};
	char whole[256];
	snprintf(whole, sizeof whole, "%s/%s", base, path);
	CHECK_INT(lstat(whole, &st), 0);
	return st;
}

static void everything_comes_along(void)
{
	char path[128], value[8];
	make("mkdir -p root/data/sub && echo x > root/data/file && ln root/data/file root/data/hard && ln -s /etc root/data/link");
	make("chown 5:6 root/data && chmod 2750 root/data && chown 1000:1000 root/data/sub && mkdir volume");
	snprintf(path, sizeof path, "%s/root/data/file", base);
	CHECK_INT(setxattr(path, "user.colour", "red", 3, 0), 0);
	CHECK_INT(tree_fill(root, "/data", target, "", &f), 1);
	struct stat top = stat_of("volume");
	CHECK(top.st_uid == 5 && top.st_gid == 6 && (top.st_mode & 07777) == 02750);
	CHECK(stat_of("volume/sub").st_uid == 1000 && S_ISLNK(stat_of("volume/link").st_mode));
	CHECK(stat_of("volume/file").st_ino == stat_of("volume/hard").st_ino);
	snprintf(path, sizeof path, "%s/volume/file", base);
	CHECK(getxattr(path, "user.colour", value, sizeof value) == 3 && memcmp(value, "red", 3) == 0);
}

static void only_an_empty_directory_is_filled(void)
{
	make("rm -f volume/hard");
	CHECK_INT(tree_fill(root, "/data", target, "", &f), 0);
	make("test ! -e volume/hard");
	CHECK_INT(tree_fill(root, "/data", target, "sub", &f), 1);
	make("test -e volume/sub/hard");
}

static void neither_side_is_left(void)
{
	make("rm -rf volume && mkdir -p volume && echo secret > outside && ln -s /../../outside root/out && ln -s .. volume/up");
	make("ln -s /data root/alias && ln -s / volume/top");
	CHECK_INT(tree_fill(root, "/out", target, "", &f), -ENOENT); // it would be root/outside
	CHECK_INT(tree_fill(root, "/data/file", target, "", &f), -ENOTDIR);
	CHECK_INT(tree_fill(root, "/alias", target, "up", &f), -EXDEV);
	CHECK_INT(tree_fill(root, "/alias", target, "top", &f), -EXDEV);
	CHECK_INT(tree_fill(root, "/alias", target, "missing", &f), -ENOENT);
	CHECK_INT(tree_fill(root, "/alias", target, "", &f), 0);
}

int main(void)
{
	umask(0);
	strcpy(base, "/tmp/keel-fill-XXXXXX");
	CHECK(mkdtemp(base) != NULL);
	make("mkdir root");
	char path[96];
	snprintf(path, sizeof path, "%s/root", base);
	snprintf(target, sizeof target, "%s/volume", base);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(root >= 0);
	everything_comes_along();
	only_an_empty_directory_is_filled();
	neither_side_is_left();
	close(root);
	make("rm -rf root volume outside");
	CHECK_INT(rmdir(base), 0);
	return 0;
}
