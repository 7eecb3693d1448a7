// Network namespaces and netlink transport. Messages are built and read in TypeScript; here they are only carried.
#ifndef KEEL_NETNS_H
#define KEEL_NETNS_H

#include "fault.h"
#include "wire.h"

#include <stdint.h>

// Makes a network namespace with its loopback up. Its descriptor, or -errno.
int netns_new(struct fault *f);

// Brings the loopback of the own network namespace up. 0 or -errno.
int netns_raise_loopback(void);

// Opens a network namespace file; anything else fails with EINVAL. Its descriptor, or -errno.
int netns_open(const char *path, struct fault *f);

// Index of the network device `name` in the namespace `ns` (-1: the caller's), or -errno.
int netns_device(int ns, const char *name, struct fault *f);

// socket(2) in the namespace `ns` (-1: the caller's), a namespace's or a process's descriptor. Its descriptor, or -errno.
int netns_socket(int ns, int domain, int type, int protocol, struct fault *f);

// Sends `size` bytes of whole netlink messages in one sendmsg on a fresh socket in the namespace `ns` (-1: the caller's) and
// writes what came back, without acknowledgements, as one byte string. The messages are numbered from 1
// (nlmsg_seq), replies carry the number of their request. Kernel warnings go to `warnings`. 0 or -errno.
int netlink_exchange(int protocol, int ns, uint8_t *messages, size_t size, struct writer *result,
                     struct writer *warnings, struct fault *f);

// Writes a file below sys/ of the procfs `proc` as seen in the namespace `ns` (-1: the caller's). 0 or -errno.
int netns_sysctl(int ns, int proc, const char *name, const char *value, struct fault *f);

#endif
