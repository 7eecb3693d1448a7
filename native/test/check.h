// The smallest test harness that says where it failed. Tests make everything below a private directory of their own.
#ifndef KEEL_CHECK_H
#define KEEL_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                       \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                               \
		}                                                                              \
	} while (0)

#define CHECK_INT(actual, expected)                                                            \
	do {                                                                                   \
		long long check_a = (long long)(actual), check_e = (long long)(expected);      \
		if (check_a != check_e) {                                                      \
			fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #actual, check_a, check_e); \
			exit(1);                                                               \
		}                                                                              \
	} while (0)

#endif
