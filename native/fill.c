// First use of a volume: it gets what the image has at its mount point, see tree.h.
#include "resolve.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int is_empty(int dir, const char *label, struct fault *f)
{
	struct names names;
	CLEAN_FD int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : names_read(fd, &names);
	if (rc < 0)
		return fault_set(f, -rc, "fill", label, NULL);
	rc = names.count == 0;
	names_free(&names);
	return rc;
}

int tree_fill(int root, const char *path, const char *target, const char *sub, struct fault *f)
{
	CLEAN_FD int from = resolve_open(root, path, O_PATH | O_DIRECTORY, 0, f);
	if (from < 0)
		return from;
	CLEAN_FD int base = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return fault_set(f, errno, "open", target, NULL);
	CLEAN_FD int to = resolve_beneath(base, sub, O_PATH | O_DIRECTORY, f);
	if (to < 0)
		return to;
	int rc = is_empty(to, target, f);
	if (rc <= 0)
		return rc;
	const struct tree_copy copy = {.root = to, .uid = -1, .gid = -1, .mode = -1};
	rc = tree_copy(&copy, from, ".", to, ".", ".", f);
	return rc < 0 ? rc : 1;
}
