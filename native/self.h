// Our own program in a form that nobody can open for writing. Whatever a container makes of /proc/PID/exe of a process that still
// runs keel, the program on disk stays what it is (CVE-2019-5736).
#ifndef KEEL_SELF_H
#define KEEL_SELF_H

// One way to seal it: a descriptor to execute, or -1 where it is not to be had.
struct self_way {
	const char *name; // as `keel run` tells it (PROTOCOL.md)
	int (*open)(void);
};
extern const struct self_way self_ways[]; // the best first; the last one, "none", seals nothing; ends without a name

// By the best way there is, whose name is told. Descriptor or -1.
int self_open(const char **name);

#endif
