// The root of a file session: a directory, an overlay mounted for this session alone, or a running container's view. See fsops.h.
#include "fsops.h"

#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

// Appends one overlay option whose value is a path: "," and "\" are what the option parser would stumble over.
static int append_path(char *data, size_t room, const char *key, const char *path)
{
	size_t at = strlen(data);
	int n = snprintf(data + at, room - at, "%s%s=", at ? "," : "", key);
	if (n < 0 || (size_t)n >= room - at)
		return -E2BIG;
	at += (size_t)n;
	for (; *path; path++) {
		if (at + 3 > room)
			return -E2BIG;
		if (*path == ',' || *path == '\\')
			data[at++] = '\\';
		data[at++] = *path;
	}
	data[at] = 0;
	return 0;
}

struct overlay {
	const char *layers_dir, *lower, *upper, *work, *options, *target;
};

static int overlay_options(const struct overlay *o, char *data, size_t room)
{
	data[0] = 0;
	int n = snprintf(data, room, "lowerdir=%s", o->lower); // separated by ":" already, names of our own
	int rc = n < 0 || (size_t)n >= room ? -E2BIG : 0;
	if (rc == 0 && *o->upper)
		rc = append_path(data, room, "upperdir", o->upper);
	if (rc == 0 && *o->upper)
		rc = append_path(data, room, "workdir", o->work);
	if (rc < 0 || !*o->options)
		return rc;
	size_t at = strlen(data);
	n = snprintf(data + at, room - at, ",%s", o->options);
	return n < 0 || (size_t)n >= room - at ? -E2BIG : 0;
}

static int overlay_mount(const struct overlay *o, struct fault *f)
{
	char data[4096]; // mount(2) takes one page; short relative lower names make it last
	if (chdir(o->layers_dir) < 0)
		return fault_set(f, errno, "chdir", o->layers_dir, NULL);
	int rc = 0;
	if (!*o->upper && !strchr(o->lower, ':')) {
		// A read-only overlay needs two layers; one alone is its own view.
		if (mount(o->lower, o->target, NULL, MS_BIND, NULL) < 0 ||
		    mount(NULL, o->target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
			rc = fault_set(f, errno, "mount", o->target, NULL);
	} else if ((rc = overlay_options(o, data, sizeof data)) < 0) {
		fault_set(f, -rc, "mount", o->target, "too many or too long layers");
	} else if (mount("overlay", o->target, "overlay", *o->upper ? 0 : MS_RDONLY, data) < 0) {
		rc = fault_set(f, errno, "mount", o->target, NULL);
	}
	return chdir("/") < 0 && rc == 0 ? fault_set(f, errno, "chdir", "/", NULL) : rc;
}

// Covers directories with themselves as seen through a map: [path, uids, gids]…
static int cover_directories(struct reader *dirs, struct fault *f)
{
	while (dirs->left > 0) {
		struct reader dir = {.bad = true};
		const char *path = "", *uids = "", *gids = "";
		wire_list(dirs, &dir);
		if (!wire_str(&dir, &path) || !wire_str(&dir, &uids) || !wire_str(&dir, &gids) || !wire_done(&dir))
			return fault_set(f, EINVAL, "protocol", "", "malformed ROOT request");
		int rc = idmap_cover(path, uids, gids, f);
		if (rc < 0)
			return rc;
	}
	return 0;
}

// A mount namespace of our own. Slave, not private: our mounts stay ours, but what the host unmounts goes away here too and is
// not pinned.
static int leave_mounts(struct fault *f)
{
	if (unshare(CLONE_NEWNS) < 0)
		return fault_set(f, errno, "unshare", "", NULL);
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return fault_set(f, errno, "mount", "/", NULL);
	return 0;
}

static int open_overlay(struct reader *args, char **target, struct fault *f)
{
	struct overlay o;
	struct reader dirs;
	if (!wire_matches(*args, "ssssssl"))
		return fault_set(f, EINVAL, "protocol", "", "malformed ROOT request");
	wire_str(args, &o.layers_dir);
	wire_str(args, &o.lower);
	wire_str(args, &o.upper);
	wire_str(args, &o.work);
	wire_str(args, &o.options);
	wire_str(args, &o.target);
	wire_list(args, &dirs);
	int rc = leave_mounts(f);
	if (rc == 0)
		rc = cover_directories(&dirs, f);
	if (rc == 0)
		rc = overlay_mount(&o, f);
	if (rc < 0)
		return rc;
	*target = strdup(o.target);
	int root = open(o.target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? fault_set(f, errno, "open", o.target, NULL) : root;
}

static int open_directory(struct reader *args, struct fault *f)
{
	const char *path;
	struct reader dirs;
	if (!wire_matches(*args, "sl"))
		return fault_set(f, EINVAL, "protocol", "", "malformed ROOT request");
	wire_str(args, &path);
	wire_list(args, &dirs);
	int rc = dirs.left == 0 ? 0 : leave_mounts(f);
	if (rc == 0)
		rc = cover_directories(&dirs, f);
	if (rc < 0)
		return rc;
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? fault_set(f, errno, "open", path, NULL) : root;
}

// A directory as a container's root sees it, in its user namespace or in one of the same maps: whoever works in it has its ids, and no more rights than its root.
static int open_inside(struct reader *args, struct fault *f)
{
	const char *path, *userns;
	struct id_maps maps = {.uid_tool = "", .gid_tool = ""};
	if (!wire_matches(*args, "ssss"))
		return fault_set(f, EINVAL, "protocol", "", "malformed ROOT request");
	wire_str(args, &path);
	wire_str(args, &userns);
	wire_str(args, &maps.uids);
	wire_str(args, &maps.gids);
	CLEAN_FD int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fault_set(f, errno, "open", path, NULL);
	CLEAN_FD int ns = userns[0] ? open(userns, O_RDONLY | O_CLOEXEC) : userns_new(&maps, f);
	if (ns < 0)
		return userns[0] ? fault_set(f, errno, "open", userns, NULL) : ns;
	if (setns(ns, CLONE_NEWUSER) < 0)
		return fault_set(f, errno, "setns", userns, NULL);
	int rc = userns_become_root(f);
	if (rc < 0)
		return rc;
	int kept = root;
	root = -1;
	return kept;
}

int fs_root_open(struct reader *request, char **target, struct fault *f)
{
	int64_t kind = -1;
	wire_int(request, &kind);
	switch (kind) {
	case 0: return open_directory(request, f);
	case 1: return open_overlay(request, target, f);
	case 2: return open_inside(request, f);
	default: return fault_set(f, EINVAL, "protocol", "", "unknown kind of root");
	}
}
