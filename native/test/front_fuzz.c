// libFuzzer target of berth-runtime's plans: what was decoded is searched as a command line would, and its operations are checked.
#include "../hostops.c"

#include "front.h"
#include "wire_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *const lines[][3] = {{"start", "box"}, {"delete", "--force", "box"}, {"state", "box"}, {"kill", "box", "9"}};
	struct front_plan plan;
	struct front_command command;
	struct fault f = {0};
	if (!front_decode(data, size, &plan))
		return 0;
	feed_sink += (unsigned)(strlen(plan.freezer) + strlen(plan.thawed));
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
		for (int statuses = 0; statuses <= FRONT_ANY; statuses++)
			if (front_find(&plan, lines[i][2] ? 3 : 2, lines[i], statuses, &command)) {
				for (size_t at = 0; at < command.output_size; at++)
					feed_sink += command.output[at];
				check_all(command.ops, &f);
			}
	return 0;
}
