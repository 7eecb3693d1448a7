// berth-runtime: an OCI runtime's command line for other engines. A program of its own, because it has to start fast.
#include "front.h"

int main(int argc, char **argv)
{
	return front_main(argc, argv);
}
