// Values and frames, see wire.h and PROTOCOL.md. The reader believes no length before it has checked it: wire_open
// walks the whole body once, so that a malformed frame is refused before any of it is executed.
#include "wire.h"

#include "fault.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIST_HEAD = 9, BYTES_HEAD = 5, INT_SIZE = 9, FRAME_HEAD = 4 };

static uint32_t get_u32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v); // x86-64 and arm64 are little endian, as the wire is
	return v;
}

static void put_u32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}

// Returns the size of the value at `at` with everything in it, or 0 when it is malformed.
static size_t value_size(const uint8_t *at, const uint8_t *end, unsigned depth)
{
	size_t room = (size_t)(end - at);
	if (room < BYTES_HEAD)
		return 0;
	uint32_t length = get_u32(at + 1);
	switch (at[0]) {
	case WIRE_INT:
		return room >= INT_SIZE ? INT_SIZE : 0;
	case WIRE_BYTES: // the NUL behind the bytes is part of the value
		if (length >= room - BYTES_HEAD || at[BYTES_HEAD + length] != 0)
			return 0;
		return BYTES_HEAD + (size_t)length + 1;
	case WIRE_LIST:
		break;
	default:
		return 0;
	}
	if (depth == 0 || length < 4 || length > room - BYTES_HEAD)
		return 0;
	uint32_t count = get_u32(at + BYTES_HEAD);
	const uint8_t *next = at + LIST_HEAD, *list_end = at + BYTES_HEAD + length;
	for (; count > 0; count--) {
		size_t size = value_size(next, list_end, depth - 1);
		if (size == 0)
			return 0;
		next += size;
	}
	return next == list_end ? BYTES_HEAD + (size_t)length : 0;
}

static void reader_enter(struct reader *r, const uint8_t *list, uint8_t depth)
{
	r->at = list + LIST_HEAD;
	r->end = list + BYTES_HEAD + get_u32(list + 1);
	r->left = get_u32(list + BYTES_HEAD);
	r->depth = depth;
	r->bad = false;
}

bool wire_open(struct reader *r, const uint8_t *body, size_t size)
{
	memset(r, 0, sizeof *r);
	r->bad = true;
	if (size < LIST_HEAD || body[0] != WIRE_LIST || value_size(body, body + size, WIRE_MAX_DEPTH) != size)
		return false;
	reader_enter(r, body, 1);
	return true;
}

// Steps over the next value when it has the wanted tag. Lengths were checked by wire_open.
static const uint8_t *take(struct reader *r, uint8_t tag)
{
	if (r->bad || r->left == 0 || r->at >= r->end || r->at[0] != tag) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *value = r->at;
	size_t size = INT_SIZE;
	if (tag == WIRE_BYTES)
		size = BYTES_HEAD + (size_t)get_u32(value + 1) + 1;
	else if (tag == WIRE_LIST)
		size = BYTES_HEAD + (size_t)get_u32(value + 1);
	r->at += size;
	r->left--;
	return value;
}

uint8_t wire_peek(const struct reader *r)
{
	return r->bad || r->left == 0 || r->at >= r->end ? 0 : r->at[0];
}

bool wire_int(struct reader *r, int64_t *out)
{
	const uint8_t *value = take(r, WIRE_INT);
	if (!value)
		return false;
	memcpy(out, value + 1, sizeof *out);
	return true;
}

bool wire_bytes(struct reader *r, const uint8_t **out, size_t *size)
{
	const uint8_t *value = take(r, WIRE_BYTES);
	if (!value)
		return false;
	*out = value + BYTES_HEAD;
	*size = get_u32(value + 1);
	return true;
}

bool wire_str(struct reader *r, const char **out)
{
	const uint8_t *bytes;
	size_t size;
	if (!wire_bytes(r, &bytes, &size))
		return false;
	if (memchr(bytes, 0, size)) { // a path that C would cut short is never what was meant
		r->bad = true;
		return false;
	}
	*out = (const char *)bytes;
	return true;
}

bool wire_list(struct reader *r, struct reader *inner)
{
	const uint8_t *value = take(r, WIRE_LIST);
	*inner = (struct reader){.bad = true}; // whoever goes on without a look at the result reads nothing
	if (!value)
		return false;
	reader_enter(inner, value, (uint8_t)(r->depth + 1));
	return true;
}

bool wire_matches(struct reader r, const char *shape)
{
	for (; *shape && *shape != '*'; shape++) {
		int64_t number;
		const char *text;
		if (*shape == 'i')
			wire_int(&r, &number);
		else if (*shape == 's')
			wire_str(&r, &text);
		else
			take(&r, *shape == 'b' ? WIRE_BYTES : WIRE_LIST);
	}
	return *shape == '*' ? !r.bad : wire_done(&r);
}

bool wire_done(const struct reader *r)
{
	return !r->bad && r->left == 0 && r->at == r->end;
}

// Makes room for `more` bytes; false once memory or the frame limit is used up.
static bool grow(struct writer *w, size_t more)
{
	if (w->failed)
		return false;
	if (more > WIRE_MAX_FRAME || w->size + more > WIRE_MAX_FRAME + FRAME_HEAD) {
		w->failed = true;
		return false;
	}
	if (w->size + more <= w->capacity)
		return true;
	size_t capacity = w->capacity ? w->capacity : 256;
	while (capacity < w->size + more)
		capacity *= 2;
	uint8_t *data = realloc(w->data, capacity);
	if (!data) {
		w->failed = true;
		return false;
	}
	w->data = data;
	w->capacity = capacity;
	return true;
}

// Appends room for one value and counts it in the innermost open list.
static uint8_t *append(struct writer *w, size_t size)
{
	if (w->depth == 0) // a value outside write_begin … frame_send is a programming error, not a crash
		w->failed = true;
	if (!grow(w, size))
		return NULL;
	uint8_t *count = w->data + w->open[w->depth - 1] + BYTES_HEAD;
	put_u32(count, get_u32(count) + 1);
	uint8_t *at = w->data + w->size;
	w->size += size;
	return at;
}

static void push_list(struct writer *w, uint8_t *head)
{
	head[0] = WIRE_LIST;
	memset(head + 1, 0, LIST_HEAD - 1);
	w->open[w->depth++] = (size_t)(head - w->data);
}

void write_begin(struct writer *w)
{
	w->size = 0;
	w->depth = 0;
	w->failed = false;
	if (!grow(w, FRAME_HEAD + LIST_HEAD))
		return;
	w->size = FRAME_HEAD + LIST_HEAD;
	push_list(w, w->data + FRAME_HEAD);
}

void write_int(struct writer *w, int64_t v)
{
	uint8_t *at = append(w, INT_SIZE);
	if (!at)
		return;
	at[0] = WIRE_INT;
	memcpy(at + 1, &v, sizeof v);
}

uint8_t *write_space(struct writer *w, size_t size)
{
	if (size > WIRE_MAX_FRAME) {
		w->failed = true;
		return NULL;
	}
	uint8_t *at = append(w, BYTES_HEAD + size + 1);
	if (!at)
		return NULL;
	at[0] = WIRE_BYTES;
	put_u32(at + 1, (uint32_t)size);
	at[BYTES_HEAD + size] = 0;
	return at + BYTES_HEAD;
}

void write_bytes(struct writer *w, const void *data, size_t size)
{
	uint8_t *at = write_space(w, size);
	if (at && size > 0)
		memcpy(at, data, size);
}

void write_str(struct writer *w, const char *s)
{
	write_bytes(w, s, strlen(s));
}

void write_open(struct writer *w)
{
	if (w->depth >= WIRE_MAX_DEPTH)
		w->failed = true;
	uint8_t *at = append(w, LIST_HEAD);
	if (at)
		push_list(w, at);
}

void write_close(struct writer *w)
{
	if (w->failed || w->depth == 0) {
		w->failed = true;
		return;
	}
	size_t head = w->open[--w->depth];
	put_u32(w->data + head + 1, (uint32_t)(w->size - head - BYTES_HEAD));
}

void write_nested(struct writer *w, struct writer *from)
{
	while (from->depth > 0 && !from->failed)
		write_close(from);
	if (from->failed || from->size < FRAME_HEAD + LIST_HEAD) {
		w->failed = true;
		return;
	}
	size_t size = from->size - FRAME_HEAD;
	uint8_t *at = append(w, size);
	if (at)
		memcpy(at, from->data + FRAME_HEAD, size);
}

void write_free(struct writer *w)
{
	free(w->data);
	memset(w, 0, sizeof *w);
}

int send_all(int fd, const void *data, size_t size)
{
	const uint8_t *at = data;
	while (size > 0) {
		// MSG_NOSIGNAL: a peer that went away is an error code, never a signal. Frames also go over pipes.
		ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
		if (n < 0 && errno == ENOTSOCK)
			n = write(fd, at, size);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (errno == EAGAIN)
				poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
			continue;
		}
		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

const uint8_t *frame_bytes(struct writer *w, size_t *size)
{
	while (w->depth > 0 && !w->failed)
		write_close(w);
	if (w->failed || w->size < FRAME_HEAD + LIST_HEAD)
		return NULL;
	put_u32(w->data, (uint32_t)(w->size - FRAME_HEAD));
	*size = w->size;
	return w->data;
}

int frame_send(int fd, struct writer *w)
{
	size_t size;
	const uint8_t *bytes = frame_bytes(w, &size);
	return bytes ? send_all(fd, bytes, size) : -EMSGSIZE;
}

// Reads exactly `size` bytes: 1, 0 = end of file before the first, or -errno.
static int read_all(int fd, uint8_t *at, size_t size)
{
	size_t got = 0;
	while (got < size) {
		ssize_t n = read(fd, at + got, size - got);
		if (n > 0) {
			got += (size_t)n;
		} else if (n == 0) {
			return got == 0 ? 0 : -ECONNRESET;
		} else if (errno == EAGAIN) {
			poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 1;
}

int frame_recv(int fd, uint8_t **body, size_t *size)
{
	uint8_t head[FRAME_HEAD];
	int rc = read_all(fd, head, sizeof head);
	if (rc <= 0)
		return rc;
	uint32_t length = get_u32(head);
	if (length < LIST_HEAD || length > WIRE_MAX_FRAME)
		return -EMSGSIZE;
	uint8_t *data = malloc(length);
	if (!data)
		return -ENOMEM;
	rc = read_all(fd, data, length);
	if (rc <= 0) {
		free(data);
		return rc == 0 ? -ECONNRESET : rc;
	}
	*body = data;
	*size = length;
	return 1;
}

int frame_fault(int fd, const struct fault *f)
{
	struct writer w = {0};
	write_begin(&w);
	write_int(&w, f->errno_);
	write_str(&w, f->op);
	write_str(&w, f->path);
	write_str(&w, f->text);
	write_int(&w, f->index);
	int rc = frame_send(fd, &w);
	write_free(&w);
	return rc;
}
