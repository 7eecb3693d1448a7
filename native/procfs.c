// See procfs.h.
#include "procfs.h"

#include "fault.h"

#include <stddef.h>
#include <sys/mount.h>

int procfs_private(void)
{
	CLEAN_FD int context = fsopen("proc", FSOPEN_CLOEXEC);
	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}
