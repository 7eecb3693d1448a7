// keel: the C core. This file only chooses the program; each one is in a file of its own.
#include "agent.h"
#include "launch.h"
#include "rootless.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int shim_main(int argc, char **argv); // shim.c: argv[0] is "shim", argv[1] the id
int init_main(int argc, char **argv); // init.c: argv is the command to run

#ifndef KEEL_VERSION
#define KEEL_VERSION "0.1.0"
#endif

static bool ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);
	return length >= tail && strcmp(text + length - tail, end) == 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	// Bound into a container as /sbin/docker-init the command follows directly, with tini's optional "--".
	if (argc > 0 && ends_in(argv[0], "docker-init")) {
		int skip = strcmp(verb, "--") == 0 ? 2 : 1;
		return init_main(argc - skip, argv + skip);
	}
	if (strcmp(verb, "init") == 0 && argc > 3 && strcmp(argv[2], "--") == 0)
		return init_main(argc - 3, argv + 3);
	if (strcmp(verb, "agent") == 0 && argc == 3)
		return agent_main(argv[2]);
	if (strcmp(verb, "shim") == 0 && argc >= 3)
		return shim_main(argc - 1, argv + 1);
	if (strcmp(verb, "rootless") == 0)
		return rootless_main(argc - 2, argv + 2);
	if (strcmp(verb, "run") == 0 && argc <= 4)
		return argc == 4 ? run_main(argv[2]) : run_protected(argc == 3 ? argv[2] : "");
	if (strcmp(verb, "version") == 0) {
		static const char text[] = "keel " KEEL_VERSION "\n";
		return write(STDOUT_FILENO, text, sizeof text - 1) < 0;
	}
	fputs("usage: keel agent SOCKET | keel shim ID | keel run [DIR] | keel init -- COMMAND... | keel rootless hold|enter... | keel version\n", stderr);
	return 2;
}
