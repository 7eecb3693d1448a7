// The container's log (PROTOCOL.md "Log") in Docker's json-file format or in our own variant of it, the spool, with rotation. Writes
// are gathered in one buffer and leave with one write(2) per batch. A log that cannot be written never stops the container: the
// batch is dropped.
#ifndef KEEL_JSONLOG_H
#define KEEL_JSONLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

// moby's daemon/logger/copier.go cuts lines into pieces of this size.
enum { JSONLOG_PIECE = 16 << 10, JSONLOG_BUFFER = 192 << 10 };

struct jsonlog_stream {
	uint8_t pending[JSONLOG_PIECE]; // the unfinished line
	size_t size;
	bool is_split;         // pieces of this line were written already
	struct timespec began; // the time they all carry
};

struct jsonlog_options {
	const char *path, *attrs; // must outlive the log
	int64_t max_size;         // <= 0: never rotated
	unsigned max_files;
	int64_t first; // number of the next line of a spool, 0: json-file
};

struct jsonlog {
	int fd; // -1: no log, everything is dropped
	const char *path, *attrs;
	int64_t max_size;
	unsigned max_files;
	int64_t next; // number of the next line of a spool, 0: json-file
	unsigned rotations;
	int64_t size;      // of the file, without what is buffered
	int64_t rotate_at; // size at which the next line goes to a new file
	int error;        // errno of the last failed batch, 0 after a good one
	size_t used;      // bytes in the buffer
	time_t shown;     // second that `date` spells
	char date[20];    // 2006-01-02T15:04:05
	struct jsonlog_stream streams[2]; // stdout, stderr
	uint8_t buffer[JSONLOG_BUFFER];
};

// Opens or makes the file, 0640 as Docker does, and appends to it, after its last whole line. 0 or -errno.
int jsonlog_open(struct jsonlog *l, const struct jsonlog_options *o);

// Takes bytes of a stream (0 stdout, 1 stderr); whole lines go to the buffer, the rest waits for its end.
void jsonlog_put(struct jsonlog *l, unsigned stream, const uint8_t *data, size_t size);

// The stream is at its end: an unterminated rest is written without a newline.
void jsonlog_end(struct jsonlog *l, unsigned stream);

// Writes what is buffered.
void jsonlog_flush(struct jsonlog *l);

void jsonlog_close(struct jsonlog *l);

// Puts the file `path`.gz in the place of the rotated file with this inode (which the caller has open, so that it is no other's),
// whatever its number is by now. 0 or -errno: ENOENT when it is gone; `path`.gz is gone then, too.
int jsonlog_replace(const struct jsonlog *l, uint64_t inode);

// Writes `text` JSON-escaped as moby does: at most six bytes per input byte. A byte that is not UTF-8 becomes U+FFFD, or, `exact`, a
// lone surrogate U+DC80…U+DCFF that stands for it. Returns the end of the output.
uint8_t *jsonlog_escape(uint8_t *out, const uint8_t *text, size_t size, bool exact);

#endif
