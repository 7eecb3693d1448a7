// What the parts of the shim share (PROTOCOL.md "keel shim"): one process per container, one epoll loop, no threads, no stdio. Memory that
// only output needs is given back when output pauses, so that an idle container costs a few dozen pages.
//   shim.c    starting a shim; its life from plan to exit     spawn.c   clone, namespaces, cgroups
//   loop.c    watches, time, the loop                         process.c notes of a starting process, its end
//   stream.c  output, log, attached clients, stdin            verbs.c   what connections ask for
//   dns.c     questions to 127.0.0.11, carried to the daemon
//   answers.c those that the daemon lets the shim give itself
//   health.c  the health check's schedule and results         probe.c   a check that only connects
//   members.c the processes in the container's cgroup
//   listener.c a seccomp filter's listener on its way to who answers
//   spill.c   output that waits for slow clients
#ifndef KEEL_SHIM_H
#define KEEL_SHIM_H

#include "fault.h"
#include "jsonlog.h"
#include "plan.h"
#include "wire.h"

#include <sys/types.h>
#include <sys/uio.h>

enum {
	CLIENT_LIMIT = 256 << 10,     // bytes that wait for a client in memory; more goes to its spill
	END_LIMIT = 4 << 20,          // the same for what is left when a process has ended
	CLIENT_PATIENCE_MS = 10000,   // how long a client may take nothing when its spill is full
	DRAIN_MS = 1000,              // how long output may be held open by others after its process is gone
	MAX_CLIENTS = 512,
	SCRATCH_SIZE = 64 << 10,
	MAX_WARNINGS = 16,
};

enum stream_bit { STREAM_STDIN = 1, STREAM_STDOUT = 2, STREAM_STDERR = 4 };

// Something that epoll watches. Embedded first in its owner, so that `on` can cast.
struct watch {
	int fd; // -1: closed; late events of the same round are skipped
	uint32_t events;
	bool is_on;
	void (*on)(struct watch *w, uint32_t events);
};

enum phase {
	PHASE_STARTING, // between clone and exec
	PHASE_CREATED,  // waits at its barrier
	PHASE_RUNNING,
	PHASE_EXITED,   // reaped; output may still be open
	PHASE_OVER,     // and delivered
};

struct process;

struct source {
	struct watch w;
	struct process *process;
	unsigned stream; // 0 stdout or terminal, 1 stderr
};

struct sink {
	struct watch w; // stdin pipe or a second descriptor of the terminal; fd -1 when there is none
	struct process *process;
	uint8_t *data;  // what did not fit; clients are not read until it is gone
	size_t at, size;
	bool is_ending; // close when `data` is written
};

// Output that waits for a client on disk. All zeros: none does.
struct spill {
	bool is_open;
	int fd;
	int64_t head, tail; // bytes sent and put since it was opened; the file is a ring of plan.spill_limit bytes
};

struct channel {
	struct watch w;
	struct process *process;
};

struct client;

// The container's first process, or an exec.
struct process {
	struct process *next;
	char id[MAX_ID]; // of the exec, "" for the container
	bool is_relayed; // its terminal is shown on our stdio (launch.c)
	bool inherits_stdio; // has our own stdin, stdout and stderr instead of pipes (launch.c)
	bool is_tty, has_stdin, closes_stdin; // closes_stdin: the end of a client's input is the end of stdin
	enum phase phase;
	pid_t pid, step; // step: an intermediate process on the way to pid
	bool is_released; // from its barrier
	bool will_exec, has_fault;
	bool is_reaped; // with this status, but its channel is still open: the step lives
	int status;
	bool is_told;   // its exit event was sent
	bool is_probe;  // of the health check: nobody attaches, health.c has its output and its end
	struct fault fault;
	struct channel chan;
	struct source out[2];
	struct sink in;
	struct client *starter; // EXEC connection that waits for the outcome
	char *warnings[MAX_WARNINGS];
	unsigned warning_count;
	int exit_code, signal;
	int64_t started_at, finished_at; // ns since the epoch, 0 not yet
	int64_t drain_until;             // monotonic ms
};

enum client_kind { CLIENT_CONTROL, CLIENT_EVENTS, CLIENT_STREAM, CLIENT_DNS };

struct client {
	struct watch w;
	struct client *next;
	enum client_kind kind;
	struct process *process; // CLIENT_STREAM
	unsigned streams;
	bool awaits_start; // START was asked for
	bool is_closing;   // close when the output is delivered
	bool is_deaf;      // takes no output any more
	bool input_over;
	bool is_dropped;   // freed at the end of the round
	uint8_t head[4];
	uint8_t *body;
	uint32_t got, size; // of head and body together
	struct spill spill; // sent before `out`
	uint8_t *out;
	size_t out_at, out_size, out_room;
	int64_t progress_at; // monotonic ms of the last byte taken while something waits
};

struct shim {
	struct plan plan;
	uint8_t *plan_frame;
	size_t plan_size;
	int state_dir; // O_PATH
	int report;    // the agent waits here for the outcome; -1 when told
	int init_pidfd;
	uint64_t namespaces; // CLONE_NEW* that the container does not share with us
	bool is_launch;      // there is no shim, only launch.c: processes outlive us
	int start_fifo;      // for `awaitStart`, -1
	unsigned preserved;  // descriptors behind stdio that the program inherits
	int epoll;
	struct watch listener, children;
	struct process container;
	struct process *execs;
	struct client *clients;
	unsigned client_count;
	bool oom_killed;
	bool is_finished;     // exit.json, exitOps and events are done; only clients are left
	bool is_failed_start; // nobody was told of a container: nothing is left behind
	int log_error;        // that was warned about
	unsigned log_rotations; // that were told of
	struct { pid_t pid; int status; } early[MAX_CLIENTS]; // ended before their NOTE_PID was read; each has a client that waits
	unsigned early_count;
};

extern struct shim shim;
extern struct jsonlog shim_log;
extern uint8_t shim_scratch[SCRATCH_SIZE];

// loop.c
int64_t now_ms(void);
int64_t now_ns(void); // since the epoch
int loop_open(struct fault *f);
void loop_round(int timeout_ms);
bool watch_set(struct watch *w, uint32_t events); // 0: only hang-ups
void watch_off(struct watch *w);
void watch_close(struct watch *w);
void loop_touch_buffers(void);                    // output buffers were used: release them when idle
int loop_buffer_timeout(int64_t now);             // ms until they should be released, -1

// spawn.c: both return 0 or -errno; the process is in PHASE_STARTING and its notes come over `chan`
int spawn_container(struct process *p, struct fault *f);
int spawn_exec(struct process *p, const struct exec_plan *plan, struct fault *f);
int join_file(const char *directory, const char *name, struct fault *f); // moves the caller into a cgroup
int spawn_connect(struct process *p, const struct health_plan *plan, struct fault *f); // in the container's network only

// health.c
void health_begin(void);                                // the container runs
void health_started(void);                              // the probe does, or has failed to
void health_output(const uint8_t *data, size_t size);   // of the probe
void health_ended(struct process *p);                   // the probe, and its output
void health_tick(int64_t now);
int health_timeout(int64_t now);                        // ms until the next tick has something to do, -1
void health_write(struct writer *w);                    // the answer to HEALTH

// probe.c: runs in a process of its own; returns its exit code
int probe_connect(const struct health_plan *plan);

// members.c
bool members_first_is_ending(void);    // the first one; it is reaped after all others of its pid namespace
void members_signal(int signo);        // all of them
void members_kill_family(pid_t leader); // a child of ours that leads a session, with everything it started

// process.c
void process_init(struct process *p, const char *id, unsigned flags);
void process_release(struct process *p);
void process_reap(void);
int process_signal(int signo, bool all);
void process_warn(struct process *p, const char *text);
void write_warnings(struct writer *w, struct process *p); // as a list, and forgets them
void process_check_end(struct process *p, int64_t now);

// listener.c: `rest` are the path and the texts of a NOTE_LISTENER
void listener_forward(const struct process *p, int number, const void *rest, size_t size);

// stream.c
void source_on(struct watch *w, uint32_t events);
void sink_on(struct watch *w, uint32_t events);
void sink_flush(struct process *p);
void process_resume(struct process *p);
bool process_is_silent(const struct process *p); // both outputs are at their end
void process_end_output(struct process *p);
void client_send(struct client *c, const struct iovec *parts, int count);
void client_flush(struct client *c);
void client_read_stdin(struct client *c);
size_t client_waiting(const struct client *c); // bytes, in memory and on disk
bool client_is_full(const struct client *c); // as much waits as may

// spill.c
size_t spill_put(struct spill *s, const uint8_t *data, size_t size); // how much was taken: less when it is full, or the disk is
ssize_t spill_send(struct spill *s, int socket);                     // as send(2); 0 when it cannot be read
void spill_close(struct spill *s);
int64_t spill_waiting(const struct spill *s);

// verbs.c
void listener_on(struct watch *w, uint32_t events);
void client_drop(struct client *c);
void client_reply(struct client *c, struct writer *w); // finishes the frame and queues it; frees it
void client_fault(struct client *c, const struct fault *f);
bool client_is_stuck(const struct client *c); // dropped when it stays so for CLIENT_PATIENCE_MS
void clients_sweep(int64_t now);
void clients_event(struct writer *w, size_t most_waiting); // to every EVENTS connection that has not more waiting
void verbs_started(struct process *p); // exec succeeded or p->has_fault
void write_exit_event(struct writer *w);
void exec_event(struct process *p); // tells of its exit, once
void rotation_event(void);          // the log goes on in a new file

// answers.c
enum { MAX_KEPT = 8 };
struct kept_answers {
	unsigned count;
	size_t sizes[MAX_KEPT];
	const uint8_t *bytes[MAX_KEPT];
};
void answers_keep(const uint8_t *question, size_t size, const struct kept_answers *answers);
const uint8_t *answers_find(const uint8_t *question, size_t size, size_t *answer_size); // each time the next of them, or NULL
void answers_forget(void);

// dns.c
int dns_open(int port, struct fault *f); // listens in the container's network unless it does already; the port, or -errno
void dns_attach(struct client *c);       // from now on questions go to this connection
void dns_detach(struct client *c);       // it is being dropped
bool dns_take(struct reader r);          // one frame from it; false for a malformed one
void dns_resume(void);                   // the connection has taken something
void dns_close(void);                    // the container has ended: its namespace must not stay because of us

// shim.c
void shim_report(void); // tells the agent how the start went, once

#endif
