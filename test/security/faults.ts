// A keel that fails on demand.
import { stepEdits, WishedBuild } from "./steps.ts";
import type { Edit } from "./weaken.ts";

/**
 * host: the n-th host operation from now on, whatever request it is in; inner: the n-th of the next container or exec; answer: the kernel has done
 * what it was asked for over netlink, and its n-th answer from now on is lost.
 */
export type Place = "host" | "inner" | "answer";

const EIO = 5;

const HOOKS = `static int fault_inner = -1;

static int fault_counted(const char *place)
{
	int left = step_wish(place);
	if (left == 0)
		step_fulfil();
	if (left > 0)
		step_put(place, left - 1);
	return left == 0;
}

int step_host(int index, int is_undo, struct fault *f)
{
	return !is_undo && fault_counted("host ") ? fault_set(f, ${EIO}, "injected", "", NULL) : 0;
}

// The process that runs the operations does not see the file any more.
void step_spawn(void)
{
	fault_inner = step_wish("inner ");
}

int step_inner(int index, struct fault *f)
{
	return index == fault_inner ? fault_set(f, ${EIO}, "injected", "", NULL) : 0;
}

int fault_answer(void)
{
	return fault_counted("answer ");
}
`;

const LOST_ANSWER: Edit = [
  "native/netns.c",
  "		if (n < 0 && errno == EAGAIN)\n			return wait ? -ETIMEDOUT : 0;",
  "		if (n >= 0 && fault_answer())\n			return -ENOBUFS;\n		if (n < 0 && errno == EAGAIN)\n			return wait ? -ETIMEDOUT : 0;",
];

export type FaultyBuild = WishedBuild<Place>;

/** Makes such a build; a wish for it lets the n-th step of a place fail. */
export function faultyBuild(): Promise<FaultyBuild> {
  const hooks = { code: HOOKS, declarations: "int fault_answer(void);" };
  return WishedBuild.make((file) => [...stepEdits(file, hooks), LOST_ANSWER]);
}
