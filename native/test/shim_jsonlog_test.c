// The json-file log: escaping against a straightforward second implementation, lines, pieces, rotation, a full disk.
#include "check.h"
#include "jsonlog.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct jsonlog l;
static char dir[] = "/tmp/keel-jsonlog-XXXXXX", path[64];

static size_t read_file(const char *name, char *to, size_t room)
{
	int fd = open(name, O_RDONLY);
	CHECK(fd >= 0);
	ssize_t n = read(fd, to, room - 1);
	CHECK(n >= 0);
	to[n] = 0;
	close(fd);
	return (size_t)n;
}

static void fresh(int64_t max_size, unsigned max_files, const char *attrs)
{
	unlink(path);
	memset(&l, 0, sizeof l);
	CHECK_INT(jsonlog_open(&l, &(struct jsonlog_options){.path = path, .attrs = attrs, .max_size = max_size, .max_files = max_files}), 0);
}

static void feed(unsigned stream, const char *text, size_t size)
{
	jsonlog_put(&l, stream, (const uint8_t *)text, size);
}

static void escapes(const char *in, size_t size, const char *expected)
{
	// Exactly as much room as promised, so that the sanitizer sees one byte more.
	uint8_t *out = malloc(6 * size + 1), *copy = malloc(size ? size : 1);
	memcpy(copy, in, size);
	uint8_t *end = jsonlog_escape(out, copy, size, false);
	CHECK_INT(end - out, strlen(expected));
	CHECK(memcmp(out, expected, strlen(expected)) == 0);
	free(out);
	free(copy);
}

static void test_escape(void)
{
	escapes("", 0, "");
	escapes("plain text, long enough for words", 33, "plain text, long enough for words");
	escapes("a\"b\\c", 5, "a\\\"b\\\\c");
	escapes("\n\r\t\b\f\0\x1f\x7f", 8, "\\n\\r\\u0009\\u0008\\u000c\\u0000\\u001f\x7f");
	escapes("<a href='x'>&", 13, "\\u003ca href='x'\\u003e\\u0026");
	escapes("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	escapes("\xe2\x80\xa8|\xe2\x80\xa9|\xe2\x80\xaa", 11, "\\u2028|\\u2029|\xe2\x80\xaa");
	escapes("\xff\xfe", 2, "\\ufffd\\ufffd");
	escapes("\xc0\xaf", 2, "\\ufffd\\ufffd");                  // overlong
	escapes("\xed\xa0\x80", 3, "\\ufffd\\ufffd\\ufffd");       // surrogate
	escapes("\xf4\x90\x80\x80", 4, "\\ufffd\\ufffd\\ufffd\\ufffd"); // beyond U+10FFFF
	escapes("\xe2\x82", 2, "\\ufffd\\ufffd");                  // cut off
	escapes("\xef\xbf\xbd", 3, "\xef\xbf\xbd");                // a true U+FFFD stays
	uint8_t exact[64];
	CHECK(memcmp(exact, "\\udcff\xc3\xa4\\udc80", (size_t)(jsonlog_escape(exact, (const uint8_t *)"\xff\xc3\xa4\x80", 4, true) - exact)) == 0);
}

// The definition, byte by byte: what the fast path must agree with.
static size_t escape_slowly(char *out, const uint8_t *s, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < size;) {
		unsigned c = s[i], length = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
		unsigned rune = length <= 1 ? c : c & (0xFF >> (length + 1));
		bool good = length > 0 && i + length <= size;
		for (unsigned k = 1; good && k < length; k++) {
			good = (s[i + k] & 0xC0) == 0x80;
			rune = rune << 6 | (s[i + k] & 0x3F);
		}
		static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
		if (good && length > 1 && (rune < least[length] || rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF)))
			good = false;
		if (!good) {
			n += (size_t)sprintf(out + n, "\\ufffd");
			i++;
			continue;
		}
		if (rune == '"' || rune == '\\')
			n += (size_t)sprintf(out + n, "\\%c", rune);
		else if (rune == '\n' || rune == '\r')
			n += (size_t)sprintf(out + n, rune == '\n' ? "\\n" : "\\r");
		else if (rune < 0x20 || rune == '<' || rune == '>' || rune == '&' || rune == 0x2028 || rune == 0x2029)
			n += (size_t)sprintf(out + n, "\\u%04x", rune);
		else
			n += (memcpy(out + n, s + i, length), length);
		i += length;
	}
	return n;
}

static void test_escape_random(void)
{
	static const char alphabet[] = "abcdefghijklmnop \n\r\t\"\\<>&\x01\x7f\x80\xa8\xa9\xbf\xc2\xe2\xed\xf0\xf4\xff";
	static uint8_t in[300], fast[6 * 300];
	static char slow[6 * 300 + 8];
	srand(7);
	for (int round = 0; round < 200000; round++) {
		size_t size = (size_t)rand() % sizeof in;
		unsigned plain = (unsigned)rand() % 30;
		for (size_t i = 0; i < size; i++)
			in[i] = rand() % 30 < (int)plain ? 'x' : rand() % 4 ? (uint8_t)alphabet[(size_t)rand() % (sizeof alphabet - 1)] : (uint8_t)rand();
		size_t a = (size_t)(jsonlog_escape(fast, in, size, false) - fast), b = escape_slowly(slow, in, size);
		CHECK(a == b && memcmp(fast, slow, a) == 0);
	}
}

// Replaces every time by T, after looking at its form.
static void without_times(char *text)
{
	char *to = text;
	for (char *at = text; *at;) {
		if (strncmp(at, "\"time\":\"", 8) != 0) {
			*to++ = *at++;
			continue;
		}
		unsigned y, mo, d, h, mi, s;
		CHECK_INT(sscanf(at + 8, "%4u-%2u-%2uT%2u:%2u:%2u", &y, &mo, &d, &h, &mi, &s), 6);
		char *z = strchr(at, 'Z');
		CHECK(z && z[1] == '"' && (z[-1] != '0' || z - at == 27));
		memcpy(to, "\"T\"", 3);
		to += 3;
		at = z + 2;
	}
	*to = 0;
}

static void expect_log(const char *expected)
{
	static char text[1 << 20];
	jsonlog_flush(&l);
	read_file(path, text, sizeof text);
	without_times(text);
	if (strcmp(text, expected) != 0)
		fprintf(stderr, "--- is\n%s--- should be\n%s", text, expected);
	CHECK(strcmp(text, expected) == 0);
}

static void test_lines(void)
{
	fresh(0, 1, "");
	feed(0, "one\ntw", 6);
	feed(1, "error\n", 6);
	feed(0, "o\n\nrest", 7);
	jsonlog_end(&l, 0);
	jsonlog_end(&l, 1);
	expect_log("{\"log\":\"one\\n\",\"stream\":\"stdout\",\"T\"}\n"
	           "{\"log\":\"error\\n\",\"stream\":\"stderr\",\"T\"}\n"
	           "{\"log\":\"two\\n\",\"stream\":\"stdout\",\"T\"}\n"
	           "{\"log\":\"\\n\",\"stream\":\"stdout\",\"T\"}\n"
	           "{\"log\":\"rest\",\"stream\":\"stdout\",\"T\"}\n");
	jsonlog_close(&l);
	struct stat st;
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0640);
}

static void test_attrs(void)
{
	fresh(0, 1, "{\"tag\":\"x\"}");
	feed(0, "a\n", 2);
	expect_log("{\"log\":\"a\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"x\"},\"T\"}\n");
	jsonlog_close(&l);
}

// How a line is cut must not depend on how it arrives.
static void test_pieces(void)
{
	static const size_t lengths[] = {16383, 16384, 16385, 32768, 40000};
	static char line[40001], expected[100000];
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		for (size_t chunk = 1; chunk <= 65536; chunk = chunk * 7 + 3) {
			size_t length = lengths[i], left = length;
			memset(line, 'z', length);
			line[length] = '\n';
			char *at = expected;
			do {
				size_t piece = left < 16384 ? left : 16384;
				bool last = piece < 16384;
				at += sprintf(at, "{\"log\":\"%.*s%s\",\"stream\":\"stdout\",\"T\"}\n", (int)piece, line, last ? "\\n" : "");
				left -= piece;
				if (last)
					break;
			} while (true);
			fresh(0, 1, "");
			for (size_t from = 0; from < length + 1; from += chunk)
				feed(0, line + from, length + 1 - from < chunk ? length + 1 - from : chunk);
			expect_log(expected);
			jsonlog_close(&l);
		}
	}
}

static void test_piece_times(void)
{
	static char text[100000], line[20000];
	fresh(0, 1, "");
	memset(line, 'q', sizeof line);
	feed(0, line, 17000);
	usleep(2000);
	feed(0, "\n", 1);
	jsonlog_close(&l);
	read_file(path, text, sizeof text);
	char *first = strstr(text, "\"time\""), *second = strstr(first + 1, "\"time\"");
	CHECK(strncmp(first, second, 35) == 0);
}

static void test_rotation(void)
{
	char name[80], text[4096];
	struct stat st;
	fresh(200, 3, "");
	for (int i = 0; i < 20; i++) {
		char line[32];
		feed(0, line, (size_t)sprintf(line, "line %d\n", i));
	}
	jsonlog_close(&l);
	read_file(path, text, sizeof text);
	CHECK(strstr(text, "line 19\\n") != NULL);
	for (int i = 1; i <= 2; i++) {
		sprintf(name, "%s.%d", path, i);
		CHECK_INT(stat(name, &st), 0);
		CHECK(st.st_size >= 200 && st.st_size < 300); // the line that crosses the limit is still in it
		unlink(name);
	}
	sprintf(name, "%s.3", path);
	CHECK(stat(name, &st) < 0);
	fresh(200, 1, "");
	for (int i = 0; i < 9; i++)
		feed(0, "x\n", 2);
	jsonlog_close(&l);
	sprintf(name, "%s.1", path);
	CHECK(stat(name, &st) < 0);
	CHECK(stat(path, &st) == 0 && st.st_size <= 300);
}

static void write_file(const char *name, const char *text, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, text, size) == (ssize_t)size);
	close(fd);
}

static void open_spool(int64_t max_size, unsigned max_files, int64_t first)
{
	struct jsonlog_options o = {.path = path, .attrs = "", .max_size = max_size, .max_files = max_files, .first = first};
	memset(&l, 0, sizeof l);
	CHECK_INT(jsonlog_open(&l, &o), 0);
}

// A spool numbers its lines and keeps every byte.
static void test_spool(void)
{
	unlink(path);
	open_spool(0, 1, 41);
	feed(0, "a\xff\xc3(\n", 5);
	feed(1, "\xed\xa0\x80\n", 4);
	expect_log("{\"n\":41,\"log\":\"a\\udcff\\udcc3(\\n\",\"stream\":\"stdout\",\"T\"}\n"
	           "{\"n\":42,\"log\":\"\\udced\\udca0\\udc80\\n\",\"stream\":\"stderr\",\"T\"}\n");
	jsonlog_close(&l);
	// The longest line there is, all of it escaped, fits.
	static char worst[JSONLOG_PIECE], text[8 * JSONLOG_PIECE];
	memset(worst, 0xff, sizeof worst);
	unlink(path);
	open_spool(0, 1, INT64_MAX - 3);
	for (int i = 0; i < 3; i++)
		feed(0, worst, sizeof worst);
	jsonlog_close(&l);
	CHECK(read_file(path, text, sizeof text) == sizeof text - 1);
}

// What a power cut leaves: half a line, zeros, nothing whole at all.
static void test_torn(void)
{
	static const struct { const char *text; size_t size, kept; } cases[] = {
		{"{}\n{\"lo", 7, 3}, {"{}\n\0\0\0\0", 7, 3}, {"{\"l", 3, 0}, {"{}\n", 3, 3}, {"", 0, 0}};
	static char long_tail[10000], text[20000];
	struct stat st;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		write_file(path, cases[i].text, cases[i].size);
		open_spool(0, 1, 0);
		CHECK_INT(l.size, cases[i].kept);
		CHECK(stat(path, &st) == 0 && (size_t)st.st_size == cases[i].kept);
		feed(0, "new\n", 4);
		jsonlog_close(&l);
		read_file(path, text, sizeof text);
		CHECK(strncmp(text + cases[i].kept, "{\"log\":\"new\\n\"", 14) == 0);
	}
	for (size_t whole = 4090; whole < 4100; whole++) { // around the edge of a block
		memset(long_tail, 'x', sizeof long_tail);
		long_tail[whole - 1] = '\n';
		write_file(path, long_tail, sizeof long_tail);
		open_spool(0, 1, 0);
		CHECK_INT(l.size, whole);
		jsonlog_close(&l);
	}
}

static bool holds(unsigned number, const char *suffix, const char *expected)
{
	char name[96], text[400];
	if (number > 0)
		sprintf(name, "%s.%u%s", path, number, suffix);
	else
		sprintf(name, "%s%s", path, suffix);
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	close(fd);
	return expected ? fd >= 0 && strstr(text, expected) : fd < 0;
}

static void one_file(const char *line)
{
	feed(0, line, strlen(line)); // each line is longer than the limit: the next one begins a file
	jsonlog_flush(&l);
}

// Compressed files keep their place in the order, also when the compression took longer than the next rotation.
static void test_compressed(void)
{
	char packed[80];
	struct stat st;
	unlink(path);
	open_spool(10, 4, 1);
	sprintf(packed, "%s.gz", path);
	one_file("A\n");
	int held = open(path, O_RDONLY); // as the daemon does while it compresses: the inode's number is not given away
	CHECK_INT(fstat(held, &st), 0);
	one_file("B\n");
	one_file("C\n");
	CHECK(holds(2, "", "A") && holds(1, "", "B"));
	CHECK_INT(l.rotations, 2);
	write_file(packed, "packed A", 8);
	CHECK_INT(jsonlog_replace(&l, st.st_ino), 0);
	CHECK(holds(2, ".gz", "packed A") && holds(2, "", NULL) && holds(0, ".gz", NULL));
	one_file("D\n");
	CHECK(holds(3, ".gz", "packed A") && holds(2, "", "B") && holds(1, "", "C") && holds(2, ".gz", NULL));
	one_file("E\n");
	CHECK(holds(3, "", "B") && holds(3, ".gz", NULL)); // the oldest is gone, packed or not
	write_file(packed, "packed A", 8);
	CHECK_INT(jsonlog_replace(&l, st.st_ino), -ENOENT);
	CHECK(holds(0, ".gz", NULL));
	close(held);
	jsonlog_close(&l);
	for (int i = 1; i <= 3; i++) {
		char name[96];
		sprintf(name, "%s.%d", path, i);
		unlink(name);
	}
}

// A file size limit stands for the full disk: whole lines or nothing, and it goes on when there is room again.
static void test_full(void)
{
	struct rlimit small = {100, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
	signal(SIGXFSZ, SIG_IGN);
	fresh(0, 1, "");
	feed(0, "first\n", 6);
	jsonlog_flush(&l);
	CHECK_INT(l.error, 0);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
	feed(0, "lost, as it is longer\n", 22);
	jsonlog_flush(&l);
	CHECK(l.error != 0);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &none), 0);
	feed(0, "third\n", 6);
	expect_log("{\"log\":\"first\\n\",\"stream\":\"stdout\",\"T\"}\n{\"log\":\"third\\n\",\"stream\":\"stdout\",\"T\"}\n");
	CHECK_INT(l.error, 0);
	jsonlog_close(&l);
}

static void test_random_chunks(void)
{
	static char whole[1 << 16], a[1 << 20], b[1 << 20];
	srand(3);
	for (int round = 0; round < 30; round++) {
		for (size_t i = 0; i < sizeof whole; i++)
			whole[i] = rand() % (round < 5 ? 20000 : 200) ? (char)rand() : '\n';
		fresh(0, 1, "");
		feed(1, whole, sizeof whole);
		jsonlog_end(&l, 1);
		jsonlog_close(&l);
		read_file(path, a, sizeof a);
		fresh(0, 1, "");
		for (size_t at = 0; at < sizeof whole;) {
			size_t n = (size_t)rand() % 9000 + 1;
			n = n < sizeof whole - at ? n : sizeof whole - at;
			feed(1, whole + at, n);
			at += n;
		}
		jsonlog_end(&l, 1);
		jsonlog_close(&l);
		read_file(path, b, sizeof b);
		without_times(a);
		without_times(b);
		CHECK(strcmp(a, b) == 0);
	}
}

int main(void)
{
	CHECK(mkdtemp(dir));
	sprintf(path, "%s/log", dir);
	test_escape();
	test_escape_random();
	test_lines();
	test_attrs();
	test_pieces();
	test_piece_times();
	test_rotation();
	test_spool();
	test_torn();
	test_compressed();
	test_full();
	test_random_chunks();
	unlink(path);
	CHECK_INT(rmdir(dir), 0);
	return 0;
}
