// Whole trees, by descriptor: removed or copied without ever following a symlink or resolving a path twice.
#ifndef KEEL_TREE_H
#define KEEL_TREE_H

#include "fault.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// The names in a directory.
struct names {
	char **items; // sorted bytewise, without "." and ".."
	size_t count;
	char *block;
};

// Reads and sorts the names in the open directory `dir`. 0 or -errno; free with names_free.
int names_read(int dir, struct names *names);
void names_free(struct names *names);

// Removes `name` in the directory `dir` and everything below it. Missing is fine; a mount point on the way is EBUSY.
// `label` is the path for messages. 0 or -errno.
int tree_remove(int dir, const char *name, const char *label, struct fault *f);

struct tree_copy {
	int root;          // of the destination
	int64_t uid, gid;  // -1 keeps the source's
	int64_t mode;      // -1 keeps the source's; permission bits of files and directories
	// Told now and then how many bytes of content are there; -errno ends the copy. NULL: nobody asks.
	int (*progress)(void *asker, uint64_t bytes);
	void *asker;
};

// Copies `source_name` in `source_dir` to `name` in `dir`. Directories merge, anything else replaces; a non-empty directory is
// never replaced by a file. `path` is the destination below copy->root, for hard links within the tree. 0 or -errno.
int tree_copy(const struct tree_copy *copy, int source_dir, const char *source_name, int dir, const char *name,
              const char *path, struct fault *f);

// Gives the host directory `target`, or `sub` below it, everything that is in the directory `path` below `root`, and its owner,
// mode, attributes and time; not when there is something in it already. 1 when it did, 0 when not, -errno.
int tree_fill(int root, const char *path, const char *target, const char *sub, struct fault *f);

#endif
