// File sessions (PROTOCOL.md ROOT and FS): every file operation of src/linux/ops.ts below one root, by descriptor.
// Parents are resolved in the root, the last component is never followed. One session per handler process.
#ifndef KEEL_FSOPS_H
#define KEEL_FSOPS_H

#include "fault.h"
#include "wire.h"

struct fs_session;

// Opens the root that a ROOT request describes (its values after the verb). For an overlay this process leaves its mount
// namespace for one of its own. 0 or -errno.
int fs_session_open(struct fs_session **out, struct reader *request, struct fault *f);

// Releases everything, the overlay mount included. NULL is fine.
void fs_session_close(struct fs_session *s);

// Runs operations and writes one result each. The first failure is kept; until it is taken everything else is skipped. Copies tell
// `sock` how far they are, where they are asked to; -1: nobody listens. 0, or -errno of the kept failure.
int fs_session_run(struct fs_session *s, struct reader *ops, struct writer *results, int sock);

// Takes the kept failure.
void fs_session_fault(struct fs_session *s, struct fault *f);

// True when a request is an export, which answers with a stream instead of a reply.
bool fs_is_export(struct reader ops);

// Serves an export request on `sock`: its reply, the entries, the end. 0 or -errno of the socket.
int fs_session_export(struct fs_session *s, struct reader *ops, int sock);

// fsroot.c: opens the root that a ROOT request describes; `target` takes where an overlay is mounted. Its descriptor, or -errno.
int fs_root_open(struct reader *request, char **target, struct fault *f);

// fsexport.c: walks everything below `name` in `dir` and sends it. 0 or -errno of the socket.
int fs_export(int dir, const char *name, const char *label, int sock);

#endif
