// What the parts of the container's mounts share (rootmount.c, mountopts.c).
#ifndef KEEL_ROOTMOUNT_H
#define KEEL_ROOTMOUNT_H

#include "container.h"

// The path under which mount(2) finds a descriptor; in the host's view only, since it goes through the host's /proc.
struct fd_path {
	char text[32];
};
struct fd_path fd_path(int fd);

// Fails unless there is a root and the host is still in view.
int host_view(const struct container *c, const char *op, const char *path, struct fault *f);

// Remounts an attached tree with more attributes, for kernels that have no mount_setattr(2).
int remount_attributes(const struct container *c, int tree, uint64_t attr, const char *path, struct fault *f);

// From here on the host is out of sight.
void root_is_entered(struct container *c);

#endif
