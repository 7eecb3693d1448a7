// libFuzzer target of the log: what a container writes, in pieces, and what a power cut left of the file before.
// Whatever goes in, the file has whole lines only, each one object in which nothing of the text can be taken for structure.
#include "jsonlog.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/dev/shm/keel-fuzz-XXXXXX";

static void leave_file(const uint8_t *data, size_t size)
{
	static bool is_made;
	if (!is_made)
		close(mkstemp(path));
	is_made = true;
	int fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

// A line that was written now: {"log":"…","stream":"…","time":"…"}, or with "n" before.
static void check_line(const char *line, size_t size, bool is_spool)
{
	const char *head = is_spool ? "{\"n\":" : "{\"log\":\"";
	if (size < 40 || strncmp(line, head, strlen(head)) != 0 || line[size - 1] != '}')
		__builtin_trap();
	unsigned quotes = 0;
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)line[i] < 0x20)
			__builtin_trap();
		if (line[i] == '\\')
			i++;
		else
			quotes += line[i] == '"';
	}
	if (quotes != (is_spool ? 14 : 12))
		__builtin_trap();
}

static void check_file(size_t kept, bool is_spool)
{
	static char text[4 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof text);
	close(fd);
	unlink(path);
	close(open(path, O_RDWR | O_CREAT, 0600));
	for (char *at = text + kept, *end; at < text + n; at = end + 1) {
		end = memchr(at, '\n', (size_t)(text + n - at));
		if (!end)
			__builtin_trap();
		check_line(at, (size_t)(end - at), is_spool);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jsonlog l;
	if (size < 2)
		return 0;
	bool is_spool = data[0] & 1;
	size_t before = data[1] < size - 2 ? data[1] : size - 2;
	data += 2;
	size -= 2;
	leave_file(data, before);
	memset(&l, 0, sizeof l);
	if (jsonlog_open(&l, &(struct jsonlog_options){.path = path, .attrs = "", .first = is_spool}) < 0)
		abort();
	size_t kept = (size_t)l.size;
	if (kept > before || (kept > 0 && data[kept - 1] != '\n'))
		__builtin_trap();
	data += before;
	size -= before;
	for (unsigned piece = 0; size > 0; piece++) {
		size_t length = (size_t)data[0] * 64 + 1;
		length = length < size ? length : size;
		jsonlog_put(&l, piece & 1, data, length);
		data += length;
		size -= length;
	}
	jsonlog_end(&l, 0);
	jsonlog_end(&l, 1);
	jsonlog_close(&l);
	check_file(kept, is_spool);
	return 0;
}
