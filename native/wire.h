// Values and frames (PROTOCOL.md): a bounds-checked reader over a buffer and a growing writer. No I/O besides frames.
#ifndef KEEL_WIRE_H
#define KEEL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_INT = 1, WIRE_BYTES = 2, WIRE_LIST = 3, WIRE_MAX_FRAME = 16 << 20, WIRE_MAX_DEPTH = 16 };

// A position in a list. All getters return false, and set `bad`, on a wrong type or an end of list; after that every
// getter fails, so that a sequence of gets needs one check at its end.
struct reader {
	const uint8_t *at, *end;
	uint32_t left; // values left in this list
	uint8_t depth;
	bool bad;
};

bool wire_open(struct reader *r, const uint8_t *body, size_t size); // body of a frame: one list value, checked to its last byte
bool wire_int(struct reader *r, int64_t *out);
bool wire_str(struct reader *r, const char **out);                  // refuses embedded NUL
bool wire_bytes(struct reader *r, const uint8_t **out, size_t *size);
bool wire_list(struct reader *r, struct reader *inner);
// True when what is left has exactly these types: i integer, s string without NUL, b bytes, l list, * anything more.
bool wire_matches(struct reader r, const char *shape);
bool wire_done(const struct reader *r);                             // everything was read and nothing was bad
uint8_t wire_peek(const struct reader *r);                          // tag of the next value, 0 at the end

struct writer {
	uint8_t *data;
	size_t size, capacity;
	size_t open[WIRE_MAX_DEPTH]; // offsets of unfinished lists
	uint8_t depth;
	bool failed;                 // out of memory or too deep; checked once at the end
};

void write_begin(struct writer *w);       // starts a frame with its outer list
void write_int(struct writer *w, int64_t v);
void write_bytes(struct writer *w, const void *data, size_t size);
void write_str(struct writer *w, const char *s);
void write_open(struct writer *w);        // a nested list
void write_close(struct writer *w);
uint8_t *write_space(struct writer *w, size_t size);                // a byte string to be filled in place, or NULL
void write_nested(struct writer *w, struct writer *from);           // the outer list of `from` as one value
void write_free(struct writer *w);

const uint8_t *frame_bytes(struct writer *w, size_t *size);         // closes the outer list: the frame's bytes, or NULL
int frame_send(int fd, struct writer *w);                           // closes the outer list, writes all; 0 or -errno
int frame_recv(int fd, uint8_t **body, size_t *size);               // 1 = frame (malloc'ed), 0 = end of file, or -errno
int send_all(int fd, const void *data, size_t size);                // raw bytes, never SIGPIPE; 0 or -errno
struct fault;
int frame_fault(int fd, const struct fault *f);                     // sends [errno, op, path, text, index]

#endif
