// A procfs of our own, for sysctls of network namespaces.
#ifndef KEEL_PROCFS_H
#define KEEL_PROCFS_H

// A procfs instance that nobody else has, attached nowhere. Descriptor, or -1 where it is not to be had (before Linux 5.2, or in a user
// namespace whose /proc has masked places).
//
// Each namespace that looks up "net/ipv4" leaves an entry of that name in the instance's one directory for all, and whoever comes next is
// compared with every one of them: a millisecond with a thousand containers, also for the host's own sysctls. An instance costs thirty
// microseconds.
int procfs_private(void);

#endif
