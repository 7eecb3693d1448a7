// Notifications of the kernel: what changes devices, addresses and firewall tables, whoever does it.
#ifndef KEEL_WATCH_H
#define KEEL_WATCH_H

#include "fault.h"
#include "wire.h"

// Serves the rest of a WATCH connection (PROTOCOL.md): joins the groups, answers, and sends what comes until the other
// side closes. 1 at its end, or -errno when the connection failed.
int watch_serve(int sock, struct reader *request, struct fault *f);

#endif
