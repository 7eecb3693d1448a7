// What connections to shim.sock ask for (PROTOCOL.md), and their life from accept to the last byte. Nothing here blocks: requests are
// gathered, answers are queued.
#include "shim.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum verb { VERB_STATE = 1, VERB_START, VERB_SIGNAL, VERB_RESIZE, VERB_EVENTS, VERB_ATTACH, VERB_EXEC, VERB_DNS, VERB_HEALTH, VERB_REPLACE_LOG };
enum { FRAME_HEAD = 4, LIST_HEAD = 9, EVENT_EXIT = 1, EVENT_EXEC = 2, EVENT_WARNINGS = 3, EVENT_ROTATION = 6 };
enum { ROTATIONS_WAITING = 64 << 10 }; // whoever reads no events need not hear of every rotation
enum { STATUS_CREATED = 0, STATUS_RUNNING = 1, STATUS_EXITED = 2 };

static void client_on(struct watch *w, uint32_t events);

void listener_on(struct watch *w, uint32_t events)
{
	(void)events;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof peer;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	struct client *c = peer.uid == 0 && shim.client_count < MAX_CLIENTS ? calloc(1, sizeof *c) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->w.fd = fd;
	c->w.on = client_on;
	c->next = shim.clients;
	shim.clients = c;
	shim.client_count++;
	if (!watch_set(&c->w, EPOLLIN))
		client_drop(c);
}

void client_drop(struct client *c)
{
	struct process *p = c->process;
	if (c->is_dropped)
		return;
	c->is_dropped = true;
	watch_close(&c->w);
	dns_detach(c);
	for (struct process *e = shim.execs; e; e = e->next)
		if (e->starter == c)
			e->starter = NULL;
	if (c->kind != CLIENT_STREAM)
		return;
	if ((c->streams & STREAM_STDIN) && !c->input_over && !p->is_tty && p->closes_stdin) {
		p->in.is_ending = true; // a client that is gone sends no more
		sink_flush(p);
	}
	process_resume(p);
}

// Closing a socket that has unread input would turn our last bytes into a connection reset: stop the peer first, then take what is
// on the way.
static void close_gracefully(struct client *c)
{
	shutdown(c->w.fd, SHUT_RDWR);
	while (recv(c->w.fd, shim_scratch, SCRATCH_SIZE, MSG_DONTWAIT) > 0)
		;
	c->input_over = true;
	client_drop(c);
}

void client_reply(struct client *c, struct writer *w)
{
	while (w->depth > 0 && !w->failed)
		write_close(w);
	if (w->failed) {
		client_drop(c);
	} else {
		uint32_t length = (uint32_t)(w->size - FRAME_HEAD);
		memcpy(w->data, &length, sizeof length);
		struct iovec part = {w->data, w->size};
		client_send(c, &part, 1);
	}
	write_free(w);
}

void client_fault(struct client *c, const struct fault *f)
{
	struct writer w = {0};
	write_begin(&w);
	write_int(&w, f->errno_);
	write_str(&w, f->op);
	write_str(&w, f->path);
	write_str(&w, f->text);
	write_int(&w, f->index);
	client_reply(c, &w);
}

static void fail(struct client *c, int err, const char *op, const char *path, const char *text)
{
	struct fault f = {0};
	fault_set(&f, err, op, path, text);
	client_fault(c, &f);
}

static void begin_reply(struct writer *w)
{
	memset(w, 0, sizeof *w);
	write_begin(w);
	write_int(w, 0);
}

static void no_warnings(struct writer *w)
{
	write_open(w);
	write_close(w);
}

static void reply_empty(struct client *c)
{
	struct writer w;
	begin_reply(&w);
	no_warnings(&w);
	client_reply(c, &w);
}

static void do_state(struct client *c)
{
	const struct process *p = &shim.container;
	struct writer w;
	begin_reply(&w);
	no_warnings(&w);
	write_int(&w, p->phase >= PHASE_EXITED ? STATUS_EXITED : p->phase == PHASE_RUNNING ? STATUS_RUNNING : STATUS_CREATED);
	write_int(&w, getpid());
	write_int(&w, p->pid);
	write_int(&w, p->exit_code);
	write_int(&w, p->started_at);
	write_int(&w, p->finished_at);
	write_int(&w, shim.oom_killed);
	client_reply(c, &w);
}

static void reply_started(struct client *c, struct process *p)
{
	struct writer w;
	begin_reply(&w);
	write_warnings(&w, p);
	write_int(&w, p->pid);
	write_int(&w, p->started_at);
	client_reply(c, &w);
}

static void do_start(struct client *c)
{
	struct process *p = &shim.container;
	if (p->phase == PHASE_RUNNING)
		reply_started(c, p); // asked twice, as a daemon does that died between request and reply
	else if (p->has_fault)
		client_fault(c, &p->fault);
	else if (p->phase != PHASE_CREATED)
		fail(c, p->phase == PHASE_STARTING ? EBUSY : ESRCH, "start", "", p->phase == PHASE_STARTING ? NULL : "the container has exited");
	else {
		c->awaits_start = p->is_released = true;
		watch_set(&c->w, c->w.events & ~(uint32_t)EPOLLIN);
		send(p->chan.w.fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT); // ignored: a second byte, or a child that is dead anyway
	}
}

static void do_signal(struct client *c, struct reader *r)
{
	int64_t signo = 0, all = 0;
	if (!wire_int(r, &signo) || !wire_int(r, &all) || !wire_done(r) || signo < 0 || signo > SIGRTMAX) {
		fail(c, EINVAL, "protocol", "signal", NULL);
		return;
	}
	int rc = process_signal((int)signo, all != 0);
	if (rc < 0)
		fail(c, -rc, "kill", "", rc == -ESRCH ? "the container is not running" : NULL);
	else
		reply_empty(c);
}

static struct process *find_by_id(const char *id)
{
	if (id[0] == 0)
		return &shim.container;
	for (struct process *p = shim.execs; p; p = p->next)
		if (strcmp(p->id, id) == 0)
			return p;
	return NULL;
}

static void do_resize(struct client *c, struct reader *r)
{
	int64_t rows = 0, columns = 0;
	const char *id = "";
	if (!wire_str(r, &id) || !wire_int(r, &rows) || !wire_int(r, &columns) || !wire_done(r) || rows < 0 || rows > 0xFFFF ||
	    columns < 0 || columns > 0xFFFF) {
		fail(c, EINVAL, "protocol", "resize", NULL);
		return;
	}
	struct process *p = find_by_id(id);
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
	if (!p || p->phase >= PHASE_EXITED)
		fail(c, ESRCH, "resize", id, "no such process");
	else if (!p->is_tty || p->out[0].w.fd < 0)
		fail(c, ENOTTY, "resize", id, "not a terminal");
	else if (ioctl(p->out[0].w.fd, TIOCSWINSZ, &size) < 0)
		fail(c, errno, "resize", id, NULL);
	else
		reply_empty(c);
}

void write_exit_event(struct writer *w)
{
	memset(w, 0, sizeof *w);
	write_begin(w);
	write_int(w, EVENT_EXIT);
	write_int(w, shim.container.exit_code);
	write_int(w, shim.container.signal);
	write_int(w, shim.container.finished_at);
	write_int(w, shim.oom_killed);
}

void clients_event(struct writer *w, size_t most_waiting)
{
	for (struct client *c = shim.clients, *next; c; c = next) {
		next = c->next;
		if (c->kind != CLIENT_EVENTS || c->is_dropped || client_waiting(c) > most_waiting)
			continue;
		struct writer copy = {.data = malloc(w->size), .size = w->size, .capacity = w->size, .depth = w->depth, .failed = w->failed};
		if (!copy.data) {
			client_drop(c);
			continue;
		}
		memcpy(copy.data, w->data, w->size);
		memcpy(copy.open, w->open, sizeof copy.open);
		client_reply(c, &copy);
	}
	write_free(w);
}

static void do_health(struct client *c)
{
	struct writer w;
	begin_reply(&w);
	no_warnings(&w);
	health_write(&w);
	client_reply(c, &w);
}

static void do_events(struct client *c)
{
	struct writer w;
	reply_empty(c);
	c->kind = CLIENT_EVENTS;
	if (shim.is_finished) {
		write_exit_event(&w);
		client_reply(c, &w);
	}
}

static void become_stream(struct client *c, struct process *p, unsigned streams)
{
	c->kind = CLIENT_STREAM;
	c->process = p;
	c->streams = streams;
	watch_set(&c->w, c->w.events | EPOLLIN);
}

static void do_attach(struct client *c, struct reader *r)
{
	int64_t streams = 0;
	struct writer w;
	if (!wire_int(r, &streams) || !wire_done(r) || streams < 0 || streams > 7) {
		fail(c, EINVAL, "protocol", "attach", NULL);
		return;
	}
	if (shim.container.phase >= PHASE_EXITED) {
		fail(c, ESRCH, "attach", "", "the container is not running");
		return;
	}
	begin_reply(&w);
	no_warnings(&w);
	write_int(&w, shim.container.is_tty);
	client_reply(c, &w);
	become_stream(c, &shim.container, (unsigned)streams);
}

static void start_exec(struct client *c, unsigned streams, const struct exec_plan *plan)
{
	struct fault f = {0};
	struct process *p = malloc(sizeof *p);
	if (!p) {
		fail(c, ENOMEM, "exec", plan->id, NULL);
		return;
	}
	process_init(p, plan->id, plan->flags);
	p->closes_stdin = true;
	p->next = shim.execs;
	shim.execs = p;
	if (spawn_exec(p, plan, &f) < 0) {
		shim.execs = p->next;
		process_release(p);
		free(p);
		client_fault(c, &f);
		return;
	}
	watch_set(&p->chan.w, EPOLLIN);
	p->starter = c;
	c->streams = streams;
	watch_set(&c->w, c->w.events & ~(uint32_t)EPOLLIN); // stdin may follow at once; it is read when the process is there
}

static void do_exec(struct client *c, struct reader *r)
{
	struct exec_plan plan;
	struct fault f = {0};
	int64_t streams = 0;
	if (!wire_int(r, &streams) || streams < 0 || streams > 7)
		fail(c, EINVAL, "protocol", "exec", NULL);
	else if (exec_plan_decode(r, &plan, &f) < 0)
		client_fault(c, &f);
	else if (shim.container.phase != PHASE_RUNNING)
		fail(c, ESRCH, "exec", plan.id, shim.container.phase < PHASE_RUNNING ? "the container is not started" : "the container is not running");
	else if (find_by_id(plan.id))
		fail(c, EEXIST, "exec", plan.id, "an exec with this id is running");
	else
		start_exec(c, (unsigned)streams, &plan);
}

static void do_dns(struct client *c, struct reader *r)
{
	struct fault f = {0};
	struct writer w;
	int64_t port = 0;
	if (!wire_int(r, &port) || !wire_done(r) || port <= 0 || port > 0xFFFF) {
		fail(c, EINVAL, "protocol", "dns", NULL);
		return;
	}
	bool has_process = shim.container.phase == PHASE_CREATED || shim.container.phase == PHASE_RUNNING;
	int opened = has_process ? dns_open((int)port, &f) : fault_set(&f, ESRCH, "dns", "", "the container is not running");
	if (opened < 0) {
		client_fault(c, &f);
		return;
	}
	begin_reply(&w);
	no_warnings(&w);
	write_int(&w, opened);
	write_int(&w, MAX_KEPT);
	client_reply(c, &w);
	dns_attach(c);
}

static void do_replace_log(struct client *c, struct reader *r)
{
	int64_t inode = 0;
	if (!wire_int(r, &inode) || !wire_done(r)) {
		fail(c, EINVAL, "protocol", "replaceLog", NULL);
		return;
	}
	int rc = shim_log.fd < 0 ? -ESRCH : jsonlog_replace(&shim_log, (uint64_t)inode);
	if (rc < 0)
		fail(c, -rc, "replaceLog", rc == -ESRCH ? "" : shim_log.path, NULL);
	else
		reply_empty(c);
}

static void serve(struct client *c)
{
	struct reader r;
	int64_t verb = 0;
	if (!wire_open(&r, c->body, c->size - FRAME_HEAD)) {
		fail(c, EINVAL, "protocol", "request", NULL);
		return;
	}
	if (c->kind == CLIENT_DNS) {
		if (!dns_take(r))
			client_drop(c);
		return;
	}
	wire_int(&r, &verb);
	bool takes_nothing = verb == VERB_STATE || verb == VERB_START || verb == VERB_EVENTS || verb == VERB_HEALTH;
	if (takes_nothing && !wire_done(&r))
		verb = 0;
	switch (verb) {
	case VERB_STATE:
		return do_state(c);
	case VERB_START:
		return do_start(c);
	case VERB_SIGNAL:
		return do_signal(c, &r);
	case VERB_RESIZE:
		return do_resize(c, &r);
	case VERB_EVENTS:
		return do_events(c);
	case VERB_ATTACH:
		return do_attach(c, &r);
	case VERB_EXEC:
		return do_exec(c, &r);
	case VERB_DNS:
		return do_dns(c, &r);
	case VERB_HEALTH:
		return do_health(c);
	case VERB_REPLACE_LOG:
		return do_replace_log(c, &r);
	default:
		fail(c, EINVAL, "protocol", "request", "unknown verb or wrong arguments");
	}
}

static bool awaits_exec(const struct client *c)
{
	for (const struct process *p = shim.execs; p; p = p->next)
		if (p->starter == c)
			return true;
	return false;
}

static bool is_pending(const struct client *c)
{
	return c->awaits_start || client_waiting(c) > 0 || awaits_exec(c);
}

// Reads exactly one frame and not a byte more: what follows may be a stream.
static bool read_frame(struct client *c)
{
	for (;;) {
		uint8_t *at = c->got < FRAME_HEAD ? c->head + c->got : c->body + (c->got - FRAME_HEAD);
		size_t want = c->got < FRAME_HEAD ? FRAME_HEAD - c->got : c->size - c->got;
		ssize_t n = recv(c->w.fd, at, want, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			c->input_over = true;
			watch_set(&c->w, c->w.events & ~(uint32_t)EPOLLIN);
			return false;
		}
		c->got += (uint32_t)n;
		if (c->got == FRAME_HEAD) {
			uint32_t length;
			memcpy(&length, c->head, sizeof length);
			c->body = length >= LIST_HEAD && length <= WIRE_MAX_FRAME ? malloc(length) : NULL;
			c->size = length + FRAME_HEAD;
			if (!c->body) {
				client_drop(c);
				return false;
			}
		}
		if (c->got > FRAME_HEAD && c->got == c->size)
			return true;
	}
}

static bool takes_frames(const struct client *c)
{
	return c->kind == CLIENT_CONTROL || c->kind == CLIENT_DNS;
}

static void read_requests(struct client *c)
{
	while (!c->is_dropped && takes_frames(c) && !c->awaits_start && !awaits_exec(c) && read_frame(c)) {
		serve(c);
		free(c->body);
		c->body = NULL;
		c->got = c->size = 0;
	}
}

static void client_on(struct watch *w, uint32_t events)
{
	struct client *c = (struct client *)w;
	if (events & EPOLLERR)
		c->is_deaf = true;
	if (events & EPOLLOUT) {
		client_flush(c);
		if (c->kind == CLIENT_STREAM)
			process_resume(c->process);
		else if (c->kind == CLIENT_DNS)
			dns_resume();
	}
	if (events & EPOLLIN) {
		if (takes_frames(c))
			read_requests(c);
		else if (c->kind == CLIENT_STREAM)
			client_read_stdin(c);
		else if (recv(c->w.fd, shim_scratch, SCRATCH_SIZE, MSG_DONTWAIT) == 0)
			watch_set(&c->w, c->w.events & ~(uint32_t)EPOLLIN);
	}
	if ((events & EPOLLHUP) && !c->is_dropped) {
		// Both directions are shut. Input that waits for a busy stdin is still to be read; epoll would report this for ever.
		c->is_deaf = true;
		if (c->kind != CLIENT_STREAM || c->input_over)
			client_drop(c);
		else if (c->process->in.size > 0)
			watch_off(&c->w);
	}
}

// An exec, or the container after its barrier, came through exec or failed.
void verbs_started(struct process *p)
{
	for (struct client *c = shim.clients, *next; c; c = next) {
		next = c->next;
		if (c->is_dropped || (p == &shim.container ? !c->awaits_start : p->starter != c))
			continue;
		c->awaits_start = false;
		p->starter = NULL;
		if (p->has_fault)
			client_fault(c, &p->fault);
		else
			reply_started(c, p);
		if (p == &shim.container) {
			watch_set(&c->w, c->w.events | EPOLLIN);
			continue;
		}
		if (p->has_fault || c->streams == 0)
			c->is_closing = true;
		else
			become_stream(c, p, c->streams);
	}
	if (p->in.w.fd >= 0 && p != &shim.container) {
		// Nobody will ever send: the program must not wait for it.
		bool is_fed = false;
		for (const struct client *c = shim.clients; c; c = c->next)
			is_fed |= c->process == p && (c->streams & STREAM_STDIN);
		p->in.is_ending |= !is_fed && !p->is_tty;
		if (p->in.is_ending)
			sink_flush(p);
	}
}

// A stream that is over waits for its client as long as that is there: it may be a pager.
bool client_is_stuck(const struct client *c)
{
	if (c->kind == CLIENT_STREAM && c->process->phase == PHASE_OVER)
		return false;
	return client_is_full(c) || (c->is_closing && client_waiting(c) > 0);
}

static void check_client(struct client *c, int64_t now)
{
	if (c->is_deaf && (c->kind != CLIENT_STREAM || c->input_over || c->is_closing)) {
		client_drop(c);
	} else if (client_is_stuck(c) && now - c->progress_at >= CLIENT_PATIENCE_MS) {
		if (c->kind == CLIENT_STREAM)
			process_warn(&shim.container, "an attached client that takes no output was disconnected");
		c->is_deaf = true;
		client_drop(c);
	} else if (c->is_closing && client_waiting(c) == 0) {
		close_gracefully(c);
	} else if (takes_frames(c) && c->input_over && !is_pending(c)) {
		client_drop(c);
	}
}

static void remove_client(struct client **link)
{
	struct client *c = *link;
	*link = c->next;
	shim.client_count--;
	free(c->body);
	free(c->out);
	spill_close(&c->spill);
	free(c);
}

static bool is_watched(const struct process *p)
{
	for (const struct client *c = shim.clients; c; c = c->next)
		if (c->process == p)
			return true;
	return false;
}

void exec_event(struct process *p)
{
	struct writer w = {0};
	if (p->is_told || p->has_fault)
		return;
	p->is_told = true;
	write_begin(&w);
	write_int(&w, EVENT_EXEC);
	write_str(&w, p->id);
	write_int(&w, p->exit_code);
	clients_event(&w, SIZE_MAX);
}

void rotation_event(void)
{
	struct writer w = {0};
	write_begin(&w);
	write_int(&w, EVENT_ROTATION);
	clients_event(&w, ROTATIONS_WAITING);
}

static void tell_warnings(void)
{
	struct process *p = &shim.container;
	struct writer w = {0};
	bool has_listener = false;
	for (const struct client *c = shim.clients; c; c = c->next)
		has_listener |= c->kind == CLIENT_EVENTS && !c->is_dropped;
	if (!has_listener || p->warning_count == 0 || p->phase < PHASE_RUNNING)
		return;
	write_begin(&w);
	write_int(&w, EVENT_WARNINGS);
	write_warnings(&w, p);
	clients_event(&w, SIZE_MAX);
}

// After every round: what is over goes, in the order output, stream end, event.
void clients_sweep(int64_t now)
{
	for (struct client *c = shim.clients; c; c = c->next) {
		if (c->kind == CLIENT_STREAM && c->process->phase == PHASE_OVER)
			c->is_closing = true;
		check_client(c, now);
	}
	for (struct client **link = &shim.clients; *link;) {
		if ((*link)->is_dropped)
			remove_client(link);
		else
			link = &(*link)->next;
	}
	for (struct process **link = &shim.execs; *link;) {
		struct process *p = *link;
		if (p->phase == PHASE_OVER && p->step == 0 && !p->starter && !is_watched(p)) {
			*link = p->next;
			if (p->is_probe)
				health_ended(p);
			exec_event(p);
			process_release(p);
			free(p);
		} else {
			link = &p->next;
		}
	}
	tell_warnings();
}
