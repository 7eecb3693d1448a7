// The agent, see agent.h.
#include "agent.h"

#include "hostops.h"

int agent_main(const char *socket_path)
{
	(void)socket_path;
	return 1;
}
