// Weaknesses that several attacks share.
import type { Edit } from "./weaken.ts";

/**
 * Paths in a container's root as runtimes once resolved them: joined to the root and given to the kernel, which follows symlinks and
 * ".." wherever they lead.
 */
export const JOINED_PATHS: readonly Edit[] = [
  [
    "native/resolve.c",
    "fd = syscall(SYS_openat2, root, path, &how, sizeof how);",
    `how.resolve = 0;
		path += strspn(path, "/");
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);`,
  ],
  [
    "native/resolve.c",
    "	if (target[0] == '/')\n		while (w->depth > 0)\n			walk_pop(w);",
    `	if (target[0] == '/') {
		while (w->depth > 0)
			walk_pop(w);
		w->root = open("/", O_PATH);
	}`,
  ],
];

/** Devices that nobody has allowed: the group keeps what its parent may, which is everything. */
export const WITHOUT_DEVICE_RULES: readonly Edit[] = [
  [
    "src/runtime/cgroup/devices.ts",
    '  if (policy.default === "deny") ops.push(host',
    "  if (policy.lost === null) ops.push(host",
  ],
];
