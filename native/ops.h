// Written by tools/ops.ts from src/linux/ops.ts: change it there.
#ifndef KEEL_OPS_H
#define KEEL_OPS_H

enum opcode {
	OP_ON_FAILURE = 1,
	OP_MKDIR = 2,
	OP_RMDIR = 3,
	OP_WRITE = 4,
	OP_PUT = 5,
	OP_REMOVE = 6,
	OP_RENAME = 7,
	OP_SYNCFS = 8,
	OP_NETNS_NEW = 9,
	OP_NETNS_OPEN = 10,
	OP_NETLINK = 11,
	OP_SHIM = 12,
	OP_SYSCTL_HOST = 13,
	OP_DATAGRAMS = 14,
	OP_MOUNT_HOST = 15,
	OP_UNMOUNT_HOST = 16,
	OP_OWNER = 31,
	OP_SOCKET_PEER = 32,
	OP_PROJECT_QUOTA = 30,
	OP_USERNS_NEW = 145,
	OP_CGROUP_DEVICES = 17,
	OP_USERNS_OPEN = 147,
	OP_USERNS_MAPS = 33,
	OP_PROGRAM = 41,
	OP_LAUNCH = 23,
	OP_LAUNCH_EXEC = 24,
	OP_SIGNAL_PROCESS = 25,
	OP_END_PROCESS = 26,
	OP_RELEASE = 27,
	OP_CRIU = 28,
	OP_RESOLVE_PATHS = 29,
	OP_ROOT_OVERLAY = 64,
	OP_ROOT_BIND = 65,
	OP_MOUNT = 66,
	OP_BIND = 67,
	OP_DEVICE = 68,
	OP_SYMLINK = 69,
	OP_MKDIR_IN = 70,
	OP_MASK = 71,
	OP_READONLY = 72,
	OP_CONSOLE = 73,
	OP_PIVOT = 74,
	OP_ROOT_READONLY = 75,
	OP_ROOT_PROPAGATION = 76,
	OP_HOSTNAME = 77,
	OP_DOMAINNAME = 78,
	OP_SYSCTL = 79,
	OP_RLIMIT = 80,
	OP_OOM_SCORE_ADJ = 81,
	OP_LOOPBACK_UP = 82,
	OP_CHDIR = 83,
	OP_UMASK = 84,
	OP_SECCOMP = 85,
	OP_CREDENTIALS = 86,
	OP_NO_NEW_PRIVS = 87,
	OP_KEYRING = 88,
	OP_BARRIER = 89,
	OP_EXEC = 90,
	OP_BIND_FROM = 91,
	OP_SCHEDULER = 92,
	OP_IO_PRIORITY = 93,
	OP_CPU_AFFINITY = 94,
	OP_PERSONALITY = 95,
	OP_MEMORY_POLICY = 96,
	OP_TIME_OFFSET = 97,
	OP_SECCOMP_NOTIFY = 98,
	OP_MOUNT_ATTRIBUTES = 99,
	OP_STAGE = 100,
	OP_REMOUNT = 101,
	OP_MOUNT_PROPAGATION = 102,
	OP_MOUNT_COPY_UP = 103,
	OP_MOVE_ROOT = 104,
	OP_CPU_AFFINITY_FIRST = 105,
	OP_ID_MAPPED = 146,
	OP_EXEC_LABEL = 110,
	OP_BUNDLE = 42,
	OP_RUNTIME_CREATE = 43,
	OP_RUNTIME_START = 44,
	OP_RUNTIME_EXEC = 45,
	OP_HOOKS = 120,
	OP_CALLER_HOOKS = 121,
	OP_FIND_PROGRAM = 122,
	OP_AWAIT_START = 123,
	OP_ROOT_HERE = 124,
	OP_CHROOT = 125,
	OP_FS_MKDIR = 128,
	OP_FS_FILE = 129,
	OP_FS_DATA = 130,
	OP_FS_SYMLINK = 131,
	OP_FS_LINK = 132,
	OP_FS_NODE = 133,
	OP_FS_XATTR = 134,
	OP_FS_WHITEOUT = 135,
	OP_FS_OPAQUE = 136,
	OP_FS_REMOVE = 137,
	OP_FS_META = 138,
	OP_FS_COPY = 139,
	OP_FS_STAT = 140,
	OP_FS_READ = 141,
	OP_FS_LIST = 142,
	OP_FS_EXPORT = 143,
	OP_FS_FILL = 144,
	OP_FS_USER = 148,
};

// Returns the operation's name in ops.ts, or "unknown".
static inline const char *op_name(long long code)
{
	switch (code) {
	case OP_ON_FAILURE: return "onFailure";
	case OP_MKDIR: return "mkdir";
	case OP_RMDIR: return "rmdir";
	case OP_WRITE: return "write";
	case OP_PUT: return "put";
	case OP_REMOVE: return "remove";
	case OP_RENAME: return "rename";
	case OP_SYNCFS: return "syncfs";
	case OP_NETNS_NEW: return "netnsNew";
	case OP_NETNS_OPEN: return "netnsOpen";
	case OP_NETLINK: return "netlink";
	case OP_SHIM: return "shim";
	case OP_SYSCTL_HOST: return "sysctlHost";
	case OP_DATAGRAMS: return "datagrams";
	case OP_MOUNT_HOST: return "mountHost";
	case OP_UNMOUNT_HOST: return "unmountHost";
	case OP_OWNER: return "owner";
	case OP_SOCKET_PEER: return "socketPeer";
	case OP_PROJECT_QUOTA: return "projectQuota";
	case OP_USERNS_NEW: return "usernsNew";
	case OP_CGROUP_DEVICES: return "cgroupDevices";
	case OP_USERNS_OPEN: return "usernsOpen";
	case OP_USERNS_MAPS: return "usernsMaps";
	case OP_PROGRAM: return "program";
	case OP_LAUNCH: return "launch";
	case OP_LAUNCH_EXEC: return "launchExec";
	case OP_SIGNAL_PROCESS: return "signalProcess";
	case OP_END_PROCESS: return "endProcess";
	case OP_RELEASE: return "release";
	case OP_CRIU: return "criu";
	case OP_RESOLVE_PATHS: return "resolvePaths";
	case OP_ROOT_OVERLAY: return "rootOverlay";
	case OP_ROOT_BIND: return "rootBind";
	case OP_MOUNT: return "mount";
	case OP_BIND: return "bind";
	case OP_DEVICE: return "device";
	case OP_SYMLINK: return "symlink";
	case OP_MKDIR_IN: return "mkdirIn";
	case OP_MASK: return "mask";
	case OP_READONLY: return "readonly";
	case OP_CONSOLE: return "console";
	case OP_PIVOT: return "pivot";
	case OP_ROOT_READONLY: return "rootReadonly";
	case OP_ROOT_PROPAGATION: return "rootPropagation";
	case OP_HOSTNAME: return "hostname";
	case OP_DOMAINNAME: return "domainname";
	case OP_SYSCTL: return "sysctl";
	case OP_RLIMIT: return "rlimit";
	case OP_OOM_SCORE_ADJ: return "oomScoreAdj";
	case OP_LOOPBACK_UP: return "loopbackUp";
	case OP_CHDIR: return "chdir";
	case OP_UMASK: return "umask";
	case OP_SECCOMP: return "seccomp";
	case OP_CREDENTIALS: return "credentials";
	case OP_NO_NEW_PRIVS: return "noNewPrivs";
	case OP_KEYRING: return "keyring";
	case OP_BARRIER: return "barrier";
	case OP_EXEC: return "exec";
	case OP_BIND_FROM: return "bindFrom";
	case OP_SCHEDULER: return "scheduler";
	case OP_IO_PRIORITY: return "ioPriority";
	case OP_CPU_AFFINITY: return "cpuAffinity";
	case OP_PERSONALITY: return "personality";
	case OP_MEMORY_POLICY: return "memoryPolicy";
	case OP_TIME_OFFSET: return "timeOffset";
	case OP_SECCOMP_NOTIFY: return "seccompNotify";
	case OP_MOUNT_ATTRIBUTES: return "mountAttributes";
	case OP_STAGE: return "stage";
	case OP_REMOUNT: return "remount";
	case OP_MOUNT_PROPAGATION: return "mountPropagation";
	case OP_MOUNT_COPY_UP: return "mountCopyUp";
	case OP_MOVE_ROOT: return "moveRoot";
	case OP_CPU_AFFINITY_FIRST: return "cpuAffinityFirst";
	case OP_ID_MAPPED: return "idMapped";
	case OP_EXEC_LABEL: return "execLabel";
	case OP_BUNDLE: return "bundle";
	case OP_RUNTIME_CREATE: return "runtimeCreate";
	case OP_RUNTIME_START: return "runtimeStart";
	case OP_RUNTIME_EXEC: return "runtimeExec";
	case OP_HOOKS: return "hooks";
	case OP_CALLER_HOOKS: return "callerHooks";
	case OP_FIND_PROGRAM: return "findProgram";
	case OP_AWAIT_START: return "awaitStart";
	case OP_ROOT_HERE: return "rootHere";
	case OP_CHROOT: return "chroot";
	case OP_FS_MKDIR: return "fsMkdir";
	case OP_FS_FILE: return "fsFile";
	case OP_FS_DATA: return "fsData";
	case OP_FS_SYMLINK: return "fsSymlink";
	case OP_FS_LINK: return "fsLink";
	case OP_FS_NODE: return "fsNode";
	case OP_FS_XATTR: return "fsXattr";
	case OP_FS_WHITEOUT: return "fsWhiteout";
	case OP_FS_OPAQUE: return "fsOpaque";
	case OP_FS_REMOVE: return "fsRemove";
	case OP_FS_META: return "fsMeta";
	case OP_FS_COPY: return "fsCopy";
	case OP_FS_STAT: return "fsStat";
	case OP_FS_READ: return "fsRead";
	case OP_FS_LIST: return "fsList";
	case OP_FS_EXPORT: return "fsExport";
	case OP_FS_FILL: return "fsFill";
	case OP_FS_USER: return "fsUser";
	default: return "unknown";
	}
}

#endif
