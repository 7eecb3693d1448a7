// The shim's event loop: epoll, level-triggered, one round at a time. Owners of watches may close them in the middle of a round.
#include "shim.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <time.h>
#include <unistd.h>

enum { ROUND = 16, IDLE_MS = 1000 };

static struct epoll_event ready[ROUND];
static int ready_count;
static int64_t buffers_used_at; // 0: they are released

int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int loop_open(struct fault *f)
{
	shim.epoll = epoll_create1(EPOLL_CLOEXEC);
	return shim.epoll < 0 ? fault_set(f, errno, "epoll_create1", "", NULL) : 0;
}

bool watch_set(struct watch *w, uint32_t events)
{
	if (w->fd < 0)
		return false;
	if (w->is_on && w->events == events)
		return true;
	struct epoll_event e = {.events = events, .data.ptr = w};
	if (epoll_ctl(shim.epoll, w->is_on ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e) < 0)
		return false;
	w->is_on = true;
	w->events = events;
	return true;
}

void watch_off(struct watch *w)
{
	if (w->is_on)
		epoll_ctl(shim.epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->is_on = false;
	// Events of this round that were fetched already must not reach an owner that may be gone.
	for (int i = 0; i < ready_count; i++)
		if (ready[i].data.ptr == w)
			ready[i].data.ptr = NULL;
}

void watch_close(struct watch *w)
{
	watch_off(w);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

void loop_round(int timeout_ms)
{
	int n = epoll_wait(shim.epoll, ready, ROUND, timeout_ms);
	ready_count = MAX(n, 0);
	for (int i = 0; i < ready_count; i++) {
		struct watch *w = ready[i].data.ptr;
		if (w)
			w->on(w, ready[i].events);
	}
	ready_count = 0;
}

void loop_touch_buffers(void)
{
	buffers_used_at = now_ms();
}

// Whole pages of a static buffer go back to the kernel and read as zeros afterwards.
static void release(void *data, size_t size)
{
	const uintptr_t page = 4096;
	uintptr_t from = ((uintptr_t)data + page - 1) & ~(page - 1), to = ((uintptr_t)data + size) & ~(page - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

int loop_buffer_timeout(int64_t now)
{
	if (buffers_used_at == 0)
		return -1;
	if (now - buffers_used_at < IDLE_MS)
		return (int)(buffers_used_at + IDLE_MS - now) + 1;
	buffers_used_at = 0;
	release(shim_scratch, sizeof shim_scratch);
	if (shim_log.used == 0)
		release(shim_log.buffer, sizeof shim_log.buffer);
	for (int i = 0; i < 2; i++)
		if (shim_log.streams[i].size == 0)
			release(shim_log.streams[i].pending, sizeof shim_log.streams[i].pending);
	return -1;
}
