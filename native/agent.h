// The agent: one listening process per daemon, one forked handler per connection (PROTOCOL.md "keel agent").
#ifndef KEEL_AGENT_H
#define KEEL_AGENT_H

// Runs the agent until file descriptor 0 is at end of file. Returns the exit code.
int agent_main(const char *socket_path);

#endif
