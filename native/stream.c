// The bytes of a process: its outputs go to the log and to every attached client, the input of clients goes to its stdin. What a slow client
// has not taken waits on disk; only one that lags by as much as the plan allows slows the process down, and one that takes nothing at all
// is dropped then (verbs.c: clients_sweep).
#include "shim.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READS_PER_TURN = 8, STREAM_HEAD = 8, PROBE_READ = 4096 };

static size_t in_memory(const struct client *c)
{
	return c->out_size - c->out_at;
}

size_t client_waiting(const struct client *c)
{
	return in_memory(c) + (size_t)spill_waiting(&c->spill);
}

bool client_is_full(const struct client *c)
{
	return in_memory(c) >= CLIENT_LIMIT;
}

static void forget_memory(struct client *c)
{
	free(c->out);
	c->out = NULL;
	c->out_at = c->out_size = c->out_room = 0;
}

// Memory holds the newest bytes: what is too much moves behind those that are on disk already.
static void relieve_memory(struct client *c)
{
	if (!client_is_full(c))
		return;
	c->out_at += spill_put(&c->spill, c->out + c->out_at, in_memory(c));
	if (in_memory(c) == 0)
		forget_memory(c);
}

// Keeps what the socket did not take.
static bool keep(struct client *c, const uint8_t *data, size_t size)
{
	if (c->out_at > 0 && c->out_size + size > c->out_room) {
		memmove(c->out, c->out + c->out_at, c->out_size - c->out_at);
		c->out_size -= c->out_at;
		c->out_at = 0;
	}
	if (c->out_size + size > c->out_room) {
		size_t room = c->out_room ? c->out_room : 1024;
		while (room < c->out_size + size)
			room *= 2;
		uint8_t *out = realloc(c->out, room);
		if (!out)
			return false;
		c->out = out;
		c->out_room = room;
	}
	memcpy(c->out + c->out_size, data, size);
	c->out_size += size;
	return true;
}

void client_send(struct client *c, const struct iovec *parts, int count)
{
	size_t sent = 0;
	if (c->is_deaf || c->is_dropped)
		return;
	if (client_waiting(c) == 0) {
		struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
		ssize_t n = sendmsg(c->w.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			c->is_deaf = true;
			return;
		}
		sent = n > 0 ? (size_t)n : 0;
		c->progress_at = now_ms();
	}
	for (int i = 0; i < count; i++) {
		size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
		sent -= skip;
		if (skip < parts[i].iov_len && !keep(c, (const uint8_t *)parts[i].iov_base + skip, parts[i].iov_len - skip)) {
			client_drop(c); // no memory: better one client than the container
			return;
		}
	}
	relieve_memory(c);
	if (client_waiting(c) > 0)
		watch_set(&c->w, c->w.events | EPOLLOUT);
}

void client_flush(struct client *c)
{
	while (client_waiting(c) > 0) {
		bool is_spilled = spill_waiting(&c->spill) > 0;
		ssize_t n = is_spilled ? spill_send(&c->spill, c->w.fd)
		                       : send(c->w.fd, c->out + c->out_at, in_memory(c), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) { // nothing: the spill cannot be read
			c->is_deaf = true;
			break;
		}
		c->progress_at = now_ms();
		if (!is_spilled)
			c->out_at += (size_t)n;
		relieve_memory(c);
	}
	spill_close(&c->spill);
	forget_memory(c);
	watch_set(&c->w, c->w.events & ~(uint32_t)EPOLLOUT);
}

static bool wants(const struct client *c, const struct process *p, unsigned stream)
{
	unsigned bit = stream ? STREAM_STDERR : STREAM_STDOUT;
	if (p->is_tty) // one stream for both
		bit = STREAM_STDOUT | STREAM_STDERR;
	return c->kind == CLIENT_STREAM && c->process == p && (c->streams & bit) && !c->is_dropped && !c->is_deaf;
}

// False when a client has as much waiting as it may. At the end of a process the rest (at most what pipes hold) is read regardless.
static bool has_room(const struct process *p, unsigned stream)
{
	for (const struct client *c = shim.clients; c; c = c->next)
		if (wants(c, p, stream) && (p->phase >= PHASE_EXITED ? in_memory(c) >= END_LIMIT : client_is_full(c)))
			return false;
	return true;
}

static void deliver(struct source *s, uint8_t *data, size_t size)
{
	const struct process *p = s->process;
	uint32_t length = (uint32_t)size;
	// Docker's multiplexing; a terminal is raw.
	uint8_t head[STREAM_HEAD] = {(uint8_t)(s->stream + 1), 0,   0, 0, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
	                             (uint8_t)(length >> 8),   (uint8_t)length};
	struct iovec parts[2] = {{head, sizeof head}, {data, size}};
	int skip = p->is_tty ? 1 : 0;
	if (p->is_probe) {
		health_output(data, size);
		return;
	}
	if (p == &shim.container)
		jsonlog_put(&shim_log, s->stream, data, size);
	for (struct client *c = shim.clients, *next; c; c = next) {
		next = c->next;
		if (!wants(c, p, s->stream))
			continue;
		// The log first: whoever has seen a line on the terminal finds it in the log. Without clients the batch may wait.
		jsonlog_flush(&shim_log);
		client_send(c, parts + skip, 2 - skip);
	}
}

static void source_end(struct source *s)
{
	watch_close(&s->w);
	if (s->process == &shim.container)
		jsonlog_end(&shim_log, s->stream);
}

static void read_source(struct source *s)
{
	// What a check says is short: one page of the buffer, which need not be given back every time.
	size_t most = s->process->is_probe ? PROBE_READ : SCRATCH_SIZE;
	for (int turn = 0; turn < READS_PER_TURN && s->w.fd >= 0; turn++) {
		if (!has_room(s->process, s->stream)) {
			watch_off(&s->w); // client_flush's caller turns it on again
			return;
		}
		ssize_t n = read(s->w.fd, shim_scratch, most);
		if (n > 0) {
			deliver(s, shim_scratch, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		source_end(s); // end of file; EIO is a terminal's word for it
	}
}

void source_on(struct watch *w, uint32_t events)
{
	struct source *s = (struct source *)w;
	(void)events;
	if (!s->process->is_probe)
		loop_touch_buffers();
	read_source(s);
	jsonlog_flush(&shim_log);
}

bool process_is_silent(const struct process *p)
{
	return p->out[0].w.fd < 0 && p->out[1].w.fd < 0;
}

// Takes what is there and closes, although others may hold the other ends.
void process_end_output(struct process *p)
{
	// What an external runtime says when it fails is told as the failure, not as the container's words.
	bool is_foreign = p->has_fault && !p->is_probe && shim.plan.is_external;
	for (int i = 0; i < 2; i++) {
		if (!is_foreign)
			read_source(&p->out[i]);
		if (p->out[i].w.fd >= 0)
			source_end(&p->out[i]);
	}
}

void process_resume(struct process *p)
{
	for (int i = 0; i < 2; i++)
		if (p->out[i].w.fd >= 0 && !p->out[i].w.is_on && p->phase != PHASE_STARTING && has_room(p, (unsigned)i))
			watch_set(&p->out[i].w, EPOLLIN);
}

static void sink_close(struct sink *in)
{
	watch_close(&in->w);
	free(in->data);
	in->data = NULL;
	in->at = in->size = 0;
}

// Writes to stdin; false when something had to be kept.
static void sink_write(struct process *p, const uint8_t *data, size_t size)
{
	struct sink *in = &p->in;
	while (size > 0 && in->w.fd >= 0) {
		ssize_t n = write(in->w.fd, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) { // the process closed its end: what clients send from now on goes nowhere
			sink_close(in);
			return;
		}
		data += n;
		size -= (size_t)n;
	}
	if (size == 0 || in->w.fd < 0)
		return;
	in->data = malloc(size);
	if (!in->data)
		return; // ignored: input is lost rather than the container
	memcpy(in->data, data, size);
	in->at = 0;
	in->size = size;
	watch_set(&in->w, EPOLLOUT);
}

void sink_flush(struct process *p)
{
	struct sink *in = &p->in;
	while (in->at < in->size && in->w.fd >= 0) {
		ssize_t n = write(in->w.fd, in->data + in->at, in->size - in->at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			sink_close(in);
		else
			in->at += (size_t)n;
	}
	free(in->data);
	in->data = NULL;
	in->at = in->size = 0;
	if (in->is_ending)
		sink_close(in);
	else
		watch_off(&in->w);
	for (struct client *c = shim.clients, *next; c && in->size == 0; c = next) {
		next = c->next;
		if (c->kind == CLIENT_STREAM && c->process == p && !c->input_over && !c->is_dropped)
			client_read_stdin(c);
	}
}

void sink_on(struct watch *w, uint32_t events)
{
	struct sink *in = (struct sink *)w;
	if (in->size == 0 && (events & (EPOLLERR | EPOLLHUP))) {
		sink_close(in);
		return;
	}
	sink_flush(in->process);
}

// A client that has closed both ways at once, rather than ended its input first, is a daemon that has gone: a client of the next one may go
// on where this one was. What has come through an exec's only client nobody can go on with.
static bool is_lost(const struct client *c)
{
	struct pollfd both = {.fd = c->w.fd};
	return c->process == &shim.container && poll(&both, 1, 0) > 0 && both.revents & POLLHUP;
}

static void input_ended(struct client *c)
{
	struct sink *in = &c->process->in;
	c->input_over = true;
	watch_set(&c->w, c->w.events & ~(uint32_t)EPOLLIN);
	if (!(c->streams & STREAM_STDIN) || c->process->is_tty || !c->process->closes_stdin || is_lost(c))
		return;
	in->is_ending = true;
	if (in->size == 0)
		sink_close(in);
}

// Reads a client until its socket or the process's stdin has had enough. Input of a client that has no stdin is dropped, but
// read: its end of file must not go unnoticed.
void client_read_stdin(struct client *c)
{
	struct sink *in = &c->process->in;
	loop_touch_buffers();
	for (int turn = 0; turn < READS_PER_TURN && !c->is_dropped && !c->input_over; turn++) {
		bool feeds = (c->streams & STREAM_STDIN) && in->w.fd >= 0;
		if (feeds && in->size > 0) {
			watch_set(&c->w, c->w.events & ~(uint32_t)EPOLLIN);
			return;
		}
		ssize_t n = recv(c->w.fd, shim_scratch, SCRATCH_SIZE, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_set(&c->w, c->w.events | EPOLLIN);
			return;
		}
		if (n <= 0)
			input_ended(c);
		else if (feeds)
			sink_write(c->process, shim_scratch, (size_t)n);
	}
	if (!c->is_dropped && !c->input_over)
		watch_set(&c->w, c->w.events | EPOLLIN);
}
