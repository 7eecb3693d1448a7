// Docker's json-file format, see jsonlog.h. What the format is was read off moby's daemon/logger (copier, jsonfilelog, loggerutils)
// and checked against files that dockerd writes.
#ifndef __clang__
#pragma GCC optimize("O2") // the one hot loop of keel; the rest is built for size
#endif
#include "jsonlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h> // rename
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TIME_ROOM = 40, HEAD_ROOM = 96, NAME_ROOM = 4096 };

static const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;

static uint64_t has_byte(uint64_t word, uint8_t b)
{
	uint64_t x = word ^ (ones * b);
	return (x - ones) & ~x & highs;
}

// Non-zero when one of eight bytes needs more than copying: a control, a quote, a backslash, HTML's three, or not ASCII.
static uint64_t needs_care(uint64_t word)
{
	uint64_t control = (word - ones * 0x20) & ~word & highs;
	return control | has_byte(word, '"') | has_byte(word, '\\') | has_byte(word, '<') | has_byte(word, '>') |
	       has_byte(word, '&') | (word & highs);
}

// Length of the UTF-8 sequence at `s`, or 0 when it is not one (RFC 3629: no overlong forms, no surrogates, <= U+10FFFF).
static size_t utf8_length(const uint8_t *s, size_t room)
{
	uint8_t a = s[0], low = 0x80, high = 0xBF;
	size_t length;
	if (a >= 0xC2 && a <= 0xDF)
		length = 2;
	else if (a >= 0xE0 && a <= 0xEF)
		length = 3;
	else if (a >= 0xF0 && a <= 0xF4)
		length = 4;
	else
		return 0;
	if (a == 0xE0)
		low = 0xA0;
	else if (a == 0xED)
		high = 0x9F;
	else if (a == 0xF0)
		low = 0x90;
	else if (a == 0xF4)
		high = 0x8F;
	if (room < length || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	return length;
}

static uint8_t *put(uint8_t *out, const char *text, size_t size)
{
	memcpy(out, text, size);
	return out + size;
}

static uint8_t *put_hex(uint8_t *out, const char *head, uint8_t b)
{
	static const char hex[] = "0123456789abcdef";
	out = put(out, head, 4);
	*out++ = (uint8_t)hex[b >> 4];
	*out++ = (uint8_t)hex[b & 15];
	return out;
}

static uint8_t *escape_ascii(uint8_t *out, uint8_t b)
{
	if (b >= 0x20 && b != '"' && b != '\\' && b != '<' && b != '>' && b != '&') {
		*out++ = b;
		return out;
	}
	if (b == '"' || b == '\\') {
		*out++ = '\\';
		*out++ = b;
		return out;
	}
	if (b == '\n')
		return put(out, "\\n", 2);
	if (b == '\r')
		return put(out, "\\r", 2);
	return put_hex(out, "\\u00", b); // compat: moby's encoder knows no \t, \b and \f
}

uint8_t *jsonlog_escape(uint8_t *out, const uint8_t *text, size_t size, bool exact)
{
	size_t i = 0;
	while (i < size) {
		uint64_t word;
		while (size - i >= sizeof word) {
			memcpy(&word, text + i, sizeof word);
			if (needs_care(word))
				break;
			memcpy(out, &word, sizeof word);
			out += sizeof word;
			i += sizeof word;
		}
		// Up to eight bytes one by one, then another try with words.
		size_t stop = size - i > sizeof word ? i + sizeof word : size;
		while (i < stop) {
			if (text[i] < 0x80) {
				out = escape_ascii(out, text[i++]);
				continue;
			}
			size_t length = utf8_length(text + i, size - i);
			bool separator = length == 3 && text[i] == 0xE2 && text[i + 1] == 0x80 && (text[i + 2] & 0xFE) == 0xA8;
			if (length == 0 && exact)
				out = put_hex(out, "\\udc", text[i]);
			else if (length == 0)
				out = put(out, "\\ufffd", 6);
			else if (separator) // U+2028 and U+2029 end a line in JavaScript
				out = put(out, text[i + 2] & 1 ? "\\u2029" : "\\u2028", 6);
			else
				out = put(out, (const char *)text + i, length);
			i += length ? length : 1;
		}
	}
	return out;
}

static void put_digits(char *at, unsigned value, unsigned count)
{
	while (count > 0) {
		at[--count] = (char)('0' + value % 10);
		value /= 10;
	}
}

static uint8_t *put_number(uint8_t *out, int64_t value)
{
	char digits[20], *d = digits + sizeof digits;
	do
		*--d = (char)('0' + value % 10);
	while (value /= 10);
	return put(out, d, (size_t)(digits + sizeof digits - d));
}

// Spells the date of a second since 1970 in UTC, by Howard Hinnant's civil_from_days.
static void spell_date(char out[20], time_t second)
{
	int64_t days = second / 86400;
	unsigned rest = (unsigned)(second % 86400);
	days += 719468;
	int64_t era = days / 146097;
	unsigned doe = (unsigned)(days - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	unsigned month = mp < 10 ? mp + 3 : mp - 9;
	unsigned year = (unsigned)(era * 400) + yoe + (month <= 2);
	memcpy(out, "0000-00-00T00:00:00", 20);
	put_digits(out, year, 4);
	put_digits(out + 5, month, 2);
	put_digits(out + 8, doy - (153 * mp + 2) / 5 + 1, 2);
	put_digits(out + 11, rest / 3600, 2);
	put_digits(out + 14, rest / 60 % 60, 2);
	put_digits(out + 17, rest % 60, 2);
}

// Go's RFC3339Nano: the fraction without its trailing zeros, and without the dot when nothing is left.
static uint8_t *put_time(struct jsonlog *l, uint8_t *out, struct timespec at)
{
	if (at.tv_sec < 0)
		at = (struct timespec){0};
	if (at.tv_sec != l->shown || l->date[0] == 0) {
		spell_date(l->date, at.tv_sec);
		l->shown = at.tv_sec;
	}
	out = put(out, l->date, 19);
	if (at.tv_nsec > 0) {
		char digits[9];
		size_t length = sizeof digits;
		put_digits(digits, (unsigned)at.tv_nsec, 9);
		while (digits[length - 1] == '0')
			length--;
		*out++ = '.';
		out = put(out, digits, length);
	}
	*out++ = 'Z';
	return out;
}

static int open_log(const char *path, int flags)
{
	// No O_APPEND races here: the shim is the only writer.
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | flags, 0640);
}

// Length of the file up to the end of its last whole line. After a power cut it may end in the middle of one, or in zeros: that is no
// line, and whatever came behind it would be none either.
static off_t whole_lines(const char *path, off_t size)
{
	char block[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && size > 0) {
		size_t part = size % (off_t)sizeof block ? (size_t)(size % (off_t)sizeof block) : sizeof block;
		ssize_t n = pread(fd, block, part, size - (off_t)part);
		const char *newline = n > 0 ? memrchr(block, '\n', (size_t)n) : NULL;
		size -= (off_t)part;
		if (newline) {
			size += newline + 1 - block;
			break;
		}
	}
	if (fd >= 0)
		close(fd);
	return size;
}

int jsonlog_open(struct jsonlog *l, const struct jsonlog_options *o)
{
	struct stat st;
	l->path = o->path;
	l->attrs = o->attrs;
	l->max_size = l->rotate_at = o->max_size;
	l->max_files = o->max_files;
	l->next = o->first;
	l->fd = open_log(l->path, 0);
	if (l->fd < 0)
		return -errno;
	if (fstat(l->fd, &st) < 0)
		return 0;
	l->size = whole_lines(l->path, st.st_size);
	if (l->size < st.st_size && ftruncate(l->fd, l->size) < 0)
		l->size = st.st_size; // ignored: readers pass over what is no line
	return 0;
}

void jsonlog_flush(struct jsonlog *l)
{
	size_t done = 0;
	while (done < l->used && l->fd >= 0) {
		ssize_t n = write(l->fd, l->buffer + done, l->used - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			// A full disk: drop the batch, and take back what was written of it, so that the file stays lines of JSON.
			l->error = errno;
			if (ftruncate(l->fd, l->size) < 0)
				l->size += (int64_t)done;
			break;
		}
		done += (size_t)n;
	}
	if (done == l->used && l->used > 0) {
		l->size += (int64_t)done;
		l->error = 0;
	}
	l->used = 0;
}

// Writes path ["." number] suffix into `out`, without a number for 0; false when it does not fit.
static bool numbered(char out[NAME_ROOM], const char *path, unsigned number, const char *suffix)
{
	size_t length = strlen(path), end = strlen(suffix) + 1;
	if (length + end + 24 > NAME_ROOM)
		return false;
	uint8_t *at = put((uint8_t *)out, path, length);
	if (number > 0)
		at = put_number(put(at, ".", 1), number);
	put(at, suffix, end);
	return true;
}

static void shift(const char *path, unsigned from, unsigned to, const char *suffix)
{
	char old[NAME_ROOM], new[NAME_ROOM];
	if (numbered(old, path, from, suffix) && numbered(new, path, to, suffix))
		rename(old, new); // ignored: missing at first, and where it has, or has not, been compressed
}

static void drop(const char *path, unsigned number, const char *suffix)
{
	char name[NAME_ROOM];
	if (numbered(name, path, number, suffix))
		unlink(name);
}

// Rotation as moby's loggerutils does it: path.(n-2) becomes path.(n-1), …, path becomes path.1, and a new file begins. Each may have
// been compressed meanwhile.
static void rotate(struct jsonlog *l)
{
	char first[NAME_ROOM];
	jsonlog_flush(l);
	if (l->max_files > 1) {
		drop(l->path, l->max_files - 1, "");
		drop(l->path, l->max_files - 1, ".gz");
	}
	for (unsigned i = l->max_files; i > 2; i--) {
		shift(l->path, i - 2, i - 1, "");
		shift(l->path, i - 2, i - 1, ".gz");
	}
	if (l->max_files < 2)
		unlink(l->path); // a reader that has it open can finish
	else if (numbered(first, l->path, 1, ""))
		rename(l->path, first);
	int fd = open_log(l->path, O_TRUNC);
	if (fd < 0) { // go on in the old file, and do not try again at every line
		l->error = errno;
		l->rotate_at = l->size + l->max_size;
		return;
	}
	close(l->fd);
	l->fd = fd;
	l->size = 0;
	l->rotate_at = l->max_size;
	l->rotations++;
}

int jsonlog_replace(const struct jsonlog *l, uint64_t inode)
{
	char packed[NAME_ROOM], name[NAME_ROOM], target[NAME_ROOM];
	struct stat st;
	if (!numbered(packed, l->path, 0, ".gz"))
		return -ENAMETOOLONG;
	for (unsigned i = 1; i < l->max_files; i++) {
		if (!numbered(name, l->path, i, "") || !numbered(target, l->path, i, ".gz") || stat(name, &st) < 0 || st.st_ino != inode)
			continue;
		if (rename(packed, target) < 0)
			return -errno;
		return unlink(name) < 0 ? -errno : 0;
	}
	unlink(packed);
	return -ENOENT;
}

// Adds one object. `newline`: the piece ends its line.
static void put_entry(struct jsonlog *l, unsigned stream, const uint8_t *text, size_t size, bool newline, struct timespec at)
{
	size_t attrs = strlen(l->attrs);
	if (l->max_size > 0 && l->size + (int64_t)l->used >= l->rotate_at)
		rotate(l);
	if (sizeof l->buffer - l->used < 6 * size + attrs + TIME_ROOM + HEAD_ROOM)
		jsonlog_flush(l);
	uint8_t *out = l->buffer + l->used;
	if (l->next > 0)
		out = put_number(put(out, "{\"n\":", 5), l->next++);
	out = put(out, l->next > 0 ? ",\"log\":\"" : "{\"log\":\"", 8);
	out = jsonlog_escape(out, text, size, l->next > 0);
	if (newline)
		out = put(out, "\\n", 2);
	out = put(out, stream ? "\",\"stream\":\"stderr\"," : "\",\"stream\":\"stdout\",", 20);
	if (attrs > 0) {
		out = put(out, "\"attrs\":", 8);
		out = put(out, l->attrs, attrs);
		*out++ = ',';
	}
	out = put(out, "\"time\":\"", 8);
	out = put_time(l, out, at);
	out = put(out, "\"}\n", 3);
	l->used = (size_t)(out - l->buffer);
}

// Finishes a line or a full piece. All pieces of one line carry the time of the first, as moby's copier does.
static void put_piece(struct jsonlog *l, unsigned stream, const uint8_t *text, size_t size, bool newline)
{
	struct jsonlog_stream *s = &l->streams[stream];
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (s->is_split)
		now = s->began;
	else
		s->began = now;
	put_entry(l, stream, text, size, newline, now);
	s->is_split = !newline;
}

void jsonlog_put(struct jsonlog *l, unsigned stream, const uint8_t *data, size_t size)
{
	struct jsonlog_stream *s = &l->streams[stream];
	if (l->fd < 0)
		return;
	while (size > 0) {
		size_t room = JSONLOG_PIECE - s->size, look = size < room ? size : room;
		const uint8_t *newline = memchr(data, '\n', look);
		size_t length = newline ? (size_t)(newline - data) : look;
		if (s->size > 0 || (!newline && length < room)) { // join with, or keep for, what comes from another read
			memcpy(s->pending + s->size, data, length);
			s->size += length;
			if (newline || s->size == JSONLOG_PIECE) {
				put_piece(l, stream, s->pending, s->size, newline != NULL);
				s->size = 0;
			}
		} else {
			put_piece(l, stream, data, length, newline != NULL);
		}
		length += newline != NULL;
		data += length;
		size -= length;
	}
}

void jsonlog_end(struct jsonlog *l, unsigned stream)
{
	struct jsonlog_stream *s = &l->streams[stream];
	if (l->fd >= 0 && s->size > 0)
		put_piece(l, stream, s->pending, s->size, false);
	s->size = 0;
	s->is_split = false;
	jsonlog_flush(l);
}

void jsonlog_close(struct jsonlog *l)
{
	jsonlog_flush(l);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
