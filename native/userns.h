// User namespaces: making one with its id maps, making others that belong to it, and seeing a directory through its ids.
// Ids are decided by TypeScript; here a map is the text that /proc/PID/uid_map takes: lines "inside outside count".
#ifndef KEEL_USERNS_H
#define KEEL_USERNS_H

#include "fault.h"

#include <stdbool.h>
#include <sys/types.h>

struct id_maps {
	const char *uids, *gids;
	const char *uid_tool, *gid_tool; // newuidmap(1) and newgidmap(1), which write what only root may; "": we write it ourselves
};

// Makes a user namespace that nobody is in. A descriptor of it, or -errno.
int userns_new(const struct id_maps *maps, struct fault *f);

// Opens the file of a user namespace; anything else fails with EINVAL. Its descriptor, or -errno.
int userns_open(const char *path, struct fault *f);

// Reads the maps of the user namespace at `path`, as this process sees them, into texts of USERNS_MAP_SIZE. 0 or -errno.
enum { USERNS_MAP_SIZE = 340 * 33 + 1 }; // the kernel's limit of lines, of three numbers in columns of ten
int userns_read_maps(const char *path, char *uids, char *gids, struct fault *f);

// Gives the user namespace of a process its maps, from outside. 0 or -errno.
int userns_write_maps(pid_t pid, const struct id_maps *maps, struct fault *f);

// Makes a network namespace that belongs to a user namespace, its loopback up. A descriptor of it, or -errno.
int userns_new_net(int userns, struct fault *f);

// Becomes root of the user namespace that this process has just entered; its other groups are gone where that is allowed.
int userns_become_root(struct fault *f);

// Shows a detached mount's files with the ids of a map: the owner that is `inside` on the disk is `outside` to everybody.
int idmap_set(int tree, const char *uids, const char *gids, bool recursive, struct fault *f);

// Covers a directory, in this mount namespace, with itself as idmap_set shows it. Its mount must not propagate.
int idmap_cover(const char *path, const char *uids, const char *gids, struct fault *f);

#endif
