// The health check: the plan's schedule kept, its probes started, stopped when they take too long, counted, and their last results
// remembered for a daemon that was away. What a result means (starting, healthy, unhealthy) is not known here.
//
//   waiting   due_at: when the next probe starts      probe == NULL
//   probing   due_at: when the probe is killed        probe
//   killed    due_at 0: nothing but its end           probe, is_late
//
// A paused container is left alone: no probe is started, and one that was frozen with it has its time again.
#include "shim.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	RESULTS = 5,
	MAX_OUTPUT = 4096,
	START_MS = 30000,        // for what comes before the program; the program's own time starts with it
	MOST_WAITING = 64 << 10, // a daemon that is so far behind finds later results, and the counters in them, more useful
	LONGEST_SLEEP = 1 << 30,
	EVENT_PROBE = 4,
	EVENT_HEALTH = 5,
};

enum ending { ENDED, TIMED_OUT, NOT_STARTED };

struct result {
	int64_t number; // from 1; 0: none
	int64_t started_at, ended_at; // ns since the epoch
	enum ending ending;
	int exit_code;
	bool is_truncated;
	uint8_t *output;
	size_t size;
};

static struct {
	struct process *probe;
	int64_t due_at;      // monotonic ms, 0: nothing is due
	int64_t running_at;  // monotonic ms of the container's start
	bool is_late;        // the probe was killed for it
	bool in_start_period;
	struct result current, last[RESULTS];
	int64_t count, successes;
	int64_t failures, early_failures; // in a row; early: of those, what began in the start period before the first success
} health;

static const struct health_plan *plan_of(void)
{
	return &shim.plan.health;
}

static bool is_in_start_period(int64_t now)
{
	return now - health.running_at < plan_of()->start_period;
}

static void wait_for_next(int64_t now)
{
	bool starts = health.successes == 0 && is_in_start_period(now);
	health.due_at = now + (starts ? plan_of()->start_interval : plan_of()->interval);
}

void health_begin(void)
{
	if (plan_of()->kind == HEALTH_NONE)
		return;
	health.running_at = now_ms();
	wait_for_next(health.running_at);
}

static bool is_paused(void)
{
	char text[256];
	if (!plan_of()->freezer[0])
		return false;
	CLEAN_FD int fd = open(plan_of()->freezer, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n < 0)
		return false; // without a cgroup nobody can have paused it
	text[n] = 0;
	return strstr(text, plan_of()->thawed) == NULL;
}

static void write_result(struct writer *w, const struct result *r)
{
	write_open(w);
	write_int(w, r->number);
	write_int(w, r->started_at);
	write_int(w, r->ended_at);
	write_int(w, r->ending);
	write_int(w, r->exit_code);
	write_bytes(w, r->output ? (const void *)r->output : "", r->size);
	write_int(w, r->is_truncated);
	write_close(w);
}

static void write_counters(struct writer *w)
{
	write_int(w, health.successes);
	write_int(w, health.failures);
	write_int(w, health.early_failures);
}

void health_write(struct writer *w)
{
	write_counters(w);
	write_open(w);
	for (int i = 0; i < RESULTS; i++)
		if (health.last[i].number > 0)
			write_result(w, &health.last[i]);
	write_close(w);
}

static void tell_probe(void)
{
	struct writer w = {0};
	write_begin(&w);
	write_int(&w, EVENT_PROBE);
	write_int(&w, health.current.number);
	clients_event(&w, MOST_WAITING);
}

static void tell_result(const struct result *r)
{
	struct writer w = {0};
	write_begin(&w);
	write_int(&w, EVENT_HEALTH);
	write_counters(&w);
	write_result(&w, r);
	clients_event(&w, MOST_WAITING);
}

static void count(const struct result *r)
{
	if (r->ending == ENDED && r->exit_code == 0) {
		health.successes++;
		health.failures = health.early_failures = 0;
		return;
	}
	health.failures++;
	if (health.in_start_period && health.successes == 0)
		health.early_failures++;
}

static void remember(const struct result *r)
{
	free(health.last[0].output);
	memmove(&health.last[0], &health.last[1], sizeof health.last - sizeof health.last[0]);
	health.last[RESULTS - 1] = *r;
}

// Takes over the output of `current`.
static void finish_probe(enum ending ending, int exit_code)
{
	struct result *r = &health.current;
	r->ended_at = now_ns();
	r->ending = ending;
	r->exit_code = exit_code;
	if (r->output) { // what was allocated for the most that is kept
		uint8_t *fitting = realloc(r->output, r->size);
		r->output = fitting ? fitting : r->output;
	}
	count(r);
	remember(r);
	tell_result(r);
	memset(r, 0, sizeof *r);
	health.probe = NULL;
	wait_for_next(now_ms());
}

void health_output(const uint8_t *data, size_t size)
{
	struct result *r = &health.current;
	if (size == 0)
		return;
	size_t room = MAX_OUTPUT - r->size, taken = size < room ? size : room;
	if (!r->output)
		r->output = malloc(MAX_OUTPUT);
	r->is_truncated |= taken < size || !r->output;
	if (!r->output)
		return;
	memcpy(r->output + r->size, data, taken);
	r->size += taken;
}

static void not_started(const struct fault *f)
{
	if (shim.plan.is_external && health.current.size > 0) // its runtime has said why
		return;
	const char *parts[] = {f->op, f->path[0] ? " " : "", f->path, ": ", f->text};
	bool is_exec = strcmp(f->op, "exec") == 0; // whose text says it all
	for (size_t i = is_exec ? 4 : 0; i < sizeof parts / sizeof parts[0]; i++)
		health_output((const uint8_t *)parts[i], strlen(parts[i]));
}

static void start_probe(int64_t now)
{
	const struct health_plan *plan = plan_of();
	struct fault f = {0};
	struct process *p = malloc(sizeof *p);
	health.is_late = false;
	health.in_start_period = is_in_start_period(now);
	health.current = (struct result){.number = ++health.count, .started_at = now_ns()};
	if (!p) {
		finish_probe(NOT_STARTED, 0);
		return;
	}
	process_init(p, "health", 0);
	p->is_probe = p->is_told = true;
	int rc = plan->kind == HEALTH_EXEC ? spawn_exec(p, &plan->exec, &f) : spawn_connect(p, plan, &f);
	if (rc < 0) {
		process_release(p);
		free(p);
		not_started(&f);
		finish_probe(NOT_STARTED, 0);
		return;
	}
	p->next = shim.execs;
	shim.execs = p;
	watch_set(&p->chan.w, EPOLLIN);
	health.probe = p;
	health.due_at = now + START_MS;
	if (plan->kind == HEALTH_EXEC)
		tell_probe();
}

void health_started(void)
{
	if (!health.is_late)
		health.due_at = now_ms() + plan_of()->timeout;
}

void health_ended(struct process *p)
{
	bool is_failure = p->has_fault || p->exit_code != 0;
	if (shim.container.phase != PHASE_RUNNING || (is_failure && members_first_is_ending())) {
		// It ended with its container, and says nothing about it.
		free(health.current.output);
		memset(&health.current, 0, sizeof health.current);
		health.probe = NULL;
		health.due_at = 0;
		return;
	}
	if (p->has_fault && !health.is_late)
		not_started(&p->fault);
	finish_probe(health.is_late ? TIMED_OUT : p->has_fault ? NOT_STARTED : ENDED, p->exit_code);
}

static void kill_probe(void)
{
	struct process *p = health.probe;
	health.due_at = 0;
	if (p->phase == PHASE_EXITED) // its output is still open, and will be for a second at most
		return;
	health.is_late = true;
	if (p->step > 0)
		kill(p->step, SIGKILL);
	if (p->pid > 0 && plan_of()->kind == HEALTH_EXEC)
		members_kill_family(p->pid);
	else if (p->pid > 0)
		kill(p->pid, SIGKILL);
}

void health_tick(int64_t now)
{
	if (shim.container.phase >= PHASE_EXITED && health.due_at > 0) {
		health.due_at = 0;
		if (health.probe && health.probe->pid > 0 && health.probe->phase < PHASE_EXITED)
			kill(health.probe->pid, SIGKILL); // one that only connects is not in the container
		return;
	}
	if (health.due_at == 0 || now < health.due_at)
		return;
	if (is_paused())
		health.due_at = now + (health.probe ? plan_of()->timeout : plan_of()->interval);
	else if (health.probe)
		kill_probe();
	else
		start_probe(now);
}

int health_timeout(int64_t now)
{
	if (health.due_at == 0)
		return -1;
	int64_t left = health.due_at - now;
	return left < 0 ? 0 : left > LONGEST_SLEEP ? LONGEST_SLEEP : (int)left;
}
