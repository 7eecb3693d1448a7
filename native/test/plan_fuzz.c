// libFuzzer target of the plan checkers: the shim's plan, an exec's, and the list of host operations, in the order in which they meet
// bytes. What was checked is walked as the executor walks it.
#include "../hostops.c"

#include "plan.h"
#include "wire_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// An accepted list: every operation has a code; exec, or what has an external runtime do it, is the last.
static void walk_ops(struct reader ops)
{
	int64_t code = 0;
	while (ops.left > 0) {
		struct reader op;
		if (!wire_list(&ops, &op) || !wire_int(&op, &code))
			__builtin_trap();
		feed_list(op);
	}
	if (code != OP_EXEC && code != OP_RUNTIME_START && code != OP_RUNTIME_EXEC)
		__builtin_trap();
}

static void walk_plan(const struct plan *p)
{
	feed_sink += (unsigned)(strlen(p->id) + strlen(p->state_dir) + strlen(p->cgroup2) + strlen(p->oom_file) + strlen(p->spill_dir));
	for (unsigned i = 0; i < p->join_count; i++)
		feed_sink += (unsigned)strlen(p->joins[i].path);
	for (unsigned i = 0; i < p->cgroup_count; i++)
		feed_sink += (unsigned)strlen(p->cgroups[i]);
	if (strlen(p->id) >= MAX_ID || strchr(p->id, '/') || p->state_dir[0] != '/')
		__builtin_trap();
	walk_ops(p->ops);
	feed_list(p->exit_ops);
	if (p->health.kind == HEALTH_EXEC)
		walk_ops(p->health.exec.ops);
	if (p->health.kind == HEALTH_CONNECT)
		feed_list(p->health.addresses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r, again;
	struct fault f = {0};
	static struct plan plan;
	struct exec_plan exec;
	if (!wire_open(&r, data, size))
		return 0;
	again = r;
	if (plan_decode(&again, &plan, &f) == 0)
		walk_plan(&plan);
	again = r;
	if (exec_plan_decode(&again, &exec, &f) == 0)
		walk_ops(exec.ops);
	check_all(r, &f);
	return 0;
}
