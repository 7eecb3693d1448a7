// The program `berth-runtime` (PROTOCOL.md "berth-runtime"): carries out what TypeScript has planned for a container's later commands,
// and leaves every other command line, and everything that does not go as planned, to `berth` beside it.
#ifndef KEEL_FRONT_H
#define KEEL_FRONT_H

#include "wire.h"

#include <stdbool.h>

// The name, in a container's directory, of its planned commands.
#define FRONT_PLAN "commands"

enum front_status { FRONT_STOPPED = 1, FRONT_CREATED = 2, FRONT_RUNNING = 4, FRONT_ANY = 7 };

// A container's planned commands.
struct front_plan {
	int64_t pid, started;
	const char *freezer, *thawed; // a file that has this text in it as long as the container is not frozen; "": nothing can be
	struct reader commands;
};

// One of them.
struct front_command {
	struct reader words;   // for each word of the command line those that may stand there
	int64_t statuses;      // in which it may be carried out
	int64_t is_exclusive;  // nobody else may be at work on the container
	struct reader ops;
	const uint8_t *output; // what it says when it is done
	size_t output_size;
};

// Reads a file's bytes, length included. False when they are anything else.
bool front_decode(const uint8_t *file, size_t size, struct front_plan *plan);
// Finds the command for these words in one of `statuses`. False when there is none.
bool front_find(const struct front_plan *plan, int count, char *const words[], int statuses, struct front_command *command);

// The whole program. Returns the exit code, unless it has become `berth`.
int front_main(int argc, char **argv);

#endif
