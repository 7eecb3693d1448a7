// Feeds any bytes to the reader the way a dispatcher would, touching every byte that it hands out.
#ifndef KEEL_WIRE_FEED_H
#define KEEL_WIRE_FEED_H

#include "wire.h"

#include <string.h>

static volatile unsigned feed_sink;

static inline void feed_list(struct reader r)
{
	while (r.left > 0 && !r.bad) {
		int64_t number;
		const uint8_t *bytes;
		const char *text;
		size_t size;
		struct reader inner, copy = r;
		switch (wire_peek(&r)) {
		case WIRE_INT:
			wire_int(&r, &number);
			feed_sink += (unsigned)number;
			break;
		case WIRE_BYTES:
			if (wire_str(&copy, &text))
				feed_sink += (unsigned)strlen(text);
			wire_bytes(&r, &bytes, &size);
			for (size_t i = 0; i <= size; i++) // the NUL behind it belongs to it
				feed_sink += bytes[i];
			break;
		case WIRE_LIST:
			wire_list(&r, &inner);
			feed_list(inner);
			break;
		default:
			return;
		}
	}
}

static inline bool feed(const uint8_t *data, size_t size)
{
	struct reader r;
	if (!wire_open(&r, data, size))
		return false;
	static const char *const shapes[] = {"", "i", "s", "b", "l", "*", "il", "sii*", "sbi"};
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		feed_sink += wire_matches(r, shapes[i]);
	feed_list(r);
	return true;
}

#endif
