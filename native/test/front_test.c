// berth-runtime's plans: a whole one is understood, every wrong one refused, mutated ones upset nothing. And the operations on a process that
// somebody else has made: what they do to it, and that they do nothing to another one with its number.
#include "check.h"
#include "front.h"
#include "hostops.h"
#include "lifetime.h"
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct wish {
	int64_t version, pid;
	bool has_more, has_no_ops, has_flat_words;
};

static void put_words(struct writer *w, bool is_flat, ...)
{
	va_list words;
	write_open(w);
	va_start(words, is_flat);
	for (const char *word; (word = va_arg(words, const char *)) != NULL;) {
		if (!is_flat)
			write_open(w);
		write_str(w, word);
		if (!is_flat) {
			write_str(w, "-x");
			write_close(w);
		}
	}
	va_end(words);
	write_close(w);
}

static void put_command(struct writer *w, const struct wish *v, int64_t statuses, const char *first, const char *second)
{
	write_open(w);
	put_words(w, v->has_flat_words, first, second, NULL);
	write_int(w, statuses);
	write_int(w, 0);
	if (!v->has_no_ops) {
		write_open(w);
		write_close(w);
	}
	write_str(w, first);
	write_close(w);
}

static const uint8_t *make(struct writer *w, const struct wish *v, size_t *size)
{
	write_begin(w);
	write_int(w, v->version);
	write_int(w, v->pid);
	write_int(w, 77);
	write_str(w, "/freezer");
	write_str(w, "THAWED");
	write_open(w);
	put_command(w, v, FRONT_CREATED, "start", "box");
	put_command(w, v, FRONT_STOPPED, "state", "box");
	put_command(w, v, FRONT_RUNNING | FRONT_CREATED, "state", "box");
	write_close(w);
	if (v->has_more)
		write_int(w, 1);
	const uint8_t *bytes = frame_bytes(w, size);
	CHECK(bytes);
	return bytes;
}

static bool finds(const struct front_plan *plan, int statuses, const char *first, const char *second, const char *third)
{
	char *words[] = {(char *)first, (char *)second, (char *)third, NULL};
	struct front_command command;
	int count = third ? 3 : second ? 2 : 1;
	if (!front_find(plan, count, words, statuses, &command))
		return false;
	CHECK_INT(command.output_size, strlen(first));
	return true;
}

static void test_finding(void)
{
	struct writer w = {0};
	struct front_plan plan;
	size_t size;
	const uint8_t *bytes = make(&w, &(struct wish){.version = 1, .pid = 5}, &size);
	CHECK(front_decode(bytes, size, &plan));
	CHECK_INT(plan.pid, 5);
	CHECK_INT(plan.started, 77);
	CHECK(strcmp(plan.freezer, "/freezer") == 0 && strcmp(plan.thawed, "THAWED") == 0);
	CHECK(finds(&plan, FRONT_ANY, "start", "box", NULL));
	CHECK(finds(&plan, FRONT_CREATED, "start", "-x", NULL));
	CHECK(!finds(&plan, FRONT_RUNNING, "start", "box", NULL));
	CHECK(!finds(&plan, 0, "start", "box", NULL)); // frozen: nothing is planned for that
	CHECK(finds(&plan, FRONT_STOPPED, "state", "box", NULL));
	CHECK(finds(&plan, FRONT_RUNNING, "state", "box", NULL));
	CHECK(!finds(&plan, FRONT_ANY, "start", "bo", NULL));
	CHECK(!finds(&plan, FRONT_ANY, "start", NULL, NULL));
	CHECK(!finds(&plan, FRONT_ANY, "start", "box", "box"));
	CHECK(!finds(&plan, FRONT_ANY, "kill", "box", NULL));
	write_free(&w);
}

static bool is_taken(const struct wish *v)
{
	struct writer w = {0};
	struct front_plan plan;
	size_t size;
	const uint8_t *bytes = make(&w, v, &size);
	bool taken = front_decode(bytes, size, &plan) && finds(&plan, FRONT_ANY, "start", "box", NULL);
	write_free(&w);
	return taken;
}

static void test_refusing(void)
{
	CHECK(is_taken(&(struct wish){.version = 1, .pid = 5}));
	CHECK(!is_taken(&(struct wish){.version = 2, .pid = 5}));
	CHECK(!is_taken(&(struct wish){.version = 1, .has_more = true}));
	CHECK(!is_taken(&(struct wish){.version = 1, .has_no_ops = true}));
	CHECK(!is_taken(&(struct wish){.version = 1, .has_flat_words = true}));
}

// Every prefix is refused, every flipped bit is survived.
static void test_mutations(void)
{
	struct writer w = {0};
	struct front_plan plan;
	size_t size;
	const uint8_t *bytes = make(&w, &(struct wish){.version = 1, .pid = 5}, &size);
	for (size_t n = 0; n < size; n++) {
		uint8_t *copy = malloc(n + 1); // exactly so much, for the sanitizer
		memcpy(copy, bytes, n);
		CHECK(!front_decode(copy, n, &plan));
		free(copy);
	}
	uint8_t *copy = malloc(size);
	memcpy(copy, bytes, size);
	for (size_t bit = 0; bit < size * 8; bit++) {
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (front_decode(copy, size, &plan))
			finds(&plan, FRONT_ANY, "state", "-x", NULL);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free(copy);
	write_free(&w);
}

// Runs one operation as an agent would; 0 or -errno.
static int run_op(int64_t code, const char *path, int64_t a, int64_t b, int64_t c)
{
	struct writer w = {0}, results = {0}, warnings = {0};
	struct reader ops;
	struct fault f = {0};
	size_t size;
	write_begin(&w);
	write_open(&w);
	write_int(&w, code);
	if (path)
		write_str(&w, path);
	else
		for (int i = 0; i < 3; i++)
			write_int(&w, i == 0 ? a : i == 1 ? b : c);
	write_close(&w);
	const uint8_t *bytes = frame_bytes(&w, &size);
	CHECK(bytes && wire_open(&ops, bytes + 4, size - 4));
	write_begin(&results);
	write_begin(&warnings);
	int rc = host_run(&ops, &results, &warnings, &f);
	write_free(&results);
	write_free(&warnings);
	write_free(&w);
	return rc;
}

static pid_t make_child(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	CHECK(pid > 0);
	return pid;
}

static void test_processes(void)
{
	pid_t pid = make_child();
	int64_t started = start_time(pid);
	CHECK(started > 0 && is_alive(pid, started));
	CHECK(!is_alive(pid, started + 1) && !is_alive(0, 0) && !is_alive(-1, 0) && !is_alive(1LL << 40, started));
	CHECK_INT(run_op(OP_SIGNAL_PROCESS, NULL, pid, started, 0), 0);
	CHECK_INT(run_op(OP_SIGNAL_PROCESS, NULL, pid, started + 1, SIGKILL), -ESRCH);
	CHECK_INT(run_op(OP_SIGNAL_PROCESS, NULL, pid, started, 1000), -EINVAL);
	CHECK_INT(run_op(OP_SIGNAL_PROCESS, NULL, -5, started, SIGKILL), -ESRCH);
	CHECK_INT(run_op(OP_END_PROCESS, NULL, pid, started + 1, 0), 0); // another process: nothing to end
	CHECK(is_alive(pid, started));
	CHECK_INT(run_op(OP_END_PROCESS, NULL, pid, started, 10000), 0);
	CHECK(!is_alive(pid, started)); // a zombie is as good as gone
	CHECK_INT(run_op(OP_SIGNAL_PROCESS, NULL, pid, started, 0), -ESRCH);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	CHECK_INT(start_time(pid), 0);
	CHECK_INT(run_op(OP_END_PROCESS, NULL, pid, started, 10000), 0);
}

static void test_release(const char *dir)
{
	char fifo[128], claimed[160], byte = 0;
	snprintf(fifo, sizeof fifo, "%s/exec.fifo", dir);
	snprintf(claimed, sizeof claimed, "%s.started", fifo);
	CHECK_INT(run_op(OP_RELEASE, fifo, 0, 0, 0), -ENOENT);
	CHECK_INT(mkfifo(fifo, 0600), 0);
	CHECK_INT(run_op(OP_RELEASE, fifo, 0, 0, 0), -ENXIO); // nobody waits
	CHECK(access(fifo, F_OK) < 0 && access(claimed, F_OK) < 0);
	CHECK_INT(mkfifo(fifo, 0600), 0);
	int waits = open(fifo, O_RDWR | O_CLOEXEC);
	CHECK_INT(run_op(OP_RELEASE, fifo, 0, 0, 0), 0);
	CHECK(read(waits, &byte, 1) == 1 && byte == '0');
	CHECK_INT(run_op(OP_RELEASE, fifo, 0, 0, 0), -ENOENT);
	CHECK(access(claimed, F_OK) < 0);
	close(waits);
}

int main(void)
{
	char dir[] = "/tmp/keel-front-XXXXXX";
	CHECK(mkdtemp(dir));
	test_finding();
	test_refusing();
	test_mutations();
	test_processes();
	test_release(dir);
	rmdir(dir);
	return 0;
}
