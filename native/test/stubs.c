// Stands in for the shim and init programs in builds without them.
#include "../hostops.h"

#include <errno.h>

int shim_main(int argc, char **argv);
int init_main(int argc, char **argv);

int shim_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}

int init_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}

int shim_start(struct reader *plan, const int regs[HOST_REGISTERS], struct writer *result, struct fault *f)
{
	(void)plan;
	(void)regs;
	(void)result;
	return fault_set(f, ENOSYS, "shim", "", "this keel has no shim");
}
