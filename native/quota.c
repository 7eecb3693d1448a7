// Project quotas, see quota.h.
#include "quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BLOCK_BYTES = 512 }; // of struct fs_disk_quota

int quota_limit(const char *path, int64_t project, int64_t bytes, struct fault *f)
{
	if (project <= 0 || project > UINT32_MAX || bytes <= 0)
		return fault_set(f, EINVAL, "projectQuota", path, "project or limit out of range");
	CLEAN_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return fault_set(f, errno, "open", path, NULL);
	const uint64_t blocks = ((uint64_t)bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	struct fs_disk_quota limit = {
		.d_version = FS_DQUOT_VERSION,
		.d_flags = FS_PROJ_QUOTA,
		.d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT,
		.d_id = (uint32_t)project,
		.d_blk_hardlimit = blocks,
		.d_blk_softlimit = blocks,
	};
	if (syscall(SYS_quotactl_fd, dir, QCMD(Q_XSETQLIM, PRJQUOTA), (uint32_t)project, &limit) < 0)
		return fault_set(f, errno, "quotactl_fd", path, NULL);
	struct fsxattr attributes;
	if (ioctl(dir, FS_IOC_FSGETXATTR, &attributes) < 0)
		return fault_set(f, errno, "FS_IOC_FSGETXATTR", path, NULL);
	attributes.fsx_projid = (uint32_t)project;
	attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(dir, FS_IOC_FSSETXATTR, &attributes) < 0 ? fault_set(f, errno, "FS_IOC_FSSETXATTR", path, NULL) : 0;
}
