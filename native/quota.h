// Project quotas of ext4 and xfs.
#ifndef KEEL_QUOTA_H
#define KEEL_QUOTA_H

#include "fault.h"

#include <stdint.h>

// Puts the empty directory `path` into a project, which what is made in it inherits, and limits what the project's files take to
// `bytes`. 0 or -errno; ENOSYS, ESRCH, ENOTTY, EOPNOTSUPP: there are no project quotas.
int quota_limit(const char *path, int64_t project, int64_t bytes, struct fault *f);

#endif
