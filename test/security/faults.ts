// A keel that fails on demand: built from the product's sources with a counter before each host operation and a number before each
// operation of a container or an exec. The wish is in a file; it is fulfilled once.
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Edit, type Weakened, weaken } from "./weaken.ts";

/**
 * host: the n-th host operation from now on, whatever request it is in; inner: the n-th of the next container or exec; answer: the kernel has done
 * what it was asked for over netlink, and its n-th answer from now on is lost.
 */
export type Place = "host" | "inner" | "answer";

const EIO = 5;

const edits = (file: string): readonly Edit[] => [
  [
    "native/fault.h",
    "void clean_fd(int *fd);",
    "int fault_step(const char *place, int index, struct fault *f);\nint fault_answer(void);\nvoid fault_load(void);\nvoid clean_fd(int *fd);",
  ],
  [
    "native/fault.c",
    "void clean_fd(int *fd)\n",
    `#include <fcntl.h>
static int fault_inner = -1;

static int fault_read(const char *place)
{
	char text[32] = "";
	int fd = open("${file}", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	return n > 0 && strncmp(text, place, strlen(place)) == 0 ? atoi(text + strlen(place)) : -1;
}

static void fault_wish(const char *place, int left)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%s %d", place, left);
	int fd = open("${file}", O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, (size_t)n) < 0)
		n = 0;
	clean_fd(&fd);
}

static int fault_now(struct fault *f, int index)
{
	unlink("${file}");
	int rc = fault_set(f, ${EIO}, "injected", "", NULL);
	f->index = index;
	return rc;
}

void fault_load(void)
{
	fault_inner = fault_read("inner ");
}

int fault_step(const char *place, int index, struct fault *f)
{
	if (strcmp(place, "inner") == 0)
		return index == fault_inner ? fault_set(f, ${EIO}, "injected", "", NULL) : 0;
	int left = fault_read("host ");
	if (left == 0)
		return fault_now(f, index);
	if (left > 0)
		fault_wish("host", left - 1);
	return 0;
}

int fault_answer(void)
{
	int left = fault_read("answer ");
	if (left == 0)
		unlink("${file}");
	if (left > 0)
		fault_wish("answer", left - 1);
	return left == 0;
}

void clean_fd(int *fd)
`,
  ],
  [
    "native/hostops.c",
    '		rc = !is_undo(op) && is_cancelled() ? fault_set(f, ECANCELED, "cancelled", "", NULL) : run_one(&h, op, f);',
    `		rc = is_undo(op) ? 0 : is_cancelled() ? fault_set(f, ECANCELED, "cancelled", "", NULL) : fault_step("host", index, f);
		if (rc == 0)
			rc = run_one(&h, op, f);`,
  ],
  [
    "native/netns.c",
    "		if (n < 0 && errno == EAGAIN)\n			return wait ? -ETIMEDOUT : 0;",
    "		if (n >= 0 && fault_answer())\n			return -ENOBUFS;\n		if (n < 0 && errno == EAGAIN)\n			return wait ? -ETIMEDOUT : 0;",
  ],
  [
    "native/container.c",
    "static int run_op(struct container *c, int64_t code, struct reader *op, struct fault *f)\n{\n",
    `static int run_op(struct container *c, int64_t code, struct reader *op, struct fault *f)
{
	static int count; // each child counts its own
	int wanted = fault_step("inner", count++, f);
	if (wanted < 0)
		return wanted;
`,
  ],
  [
    "native/spawn.c",
    "	int rc = open_joins(f);\n	if (rc == 0)\n		rc = make_stdio(p, &child, f);",
    "	fault_load();\n	int rc = open_joins(f);\n	if (rc == 0)\n		rc = make_stdio(p, &child, f);",
  ],
  [
    "native/spawn.c",
    "int spawn_exec(struct process *p, const struct exec_plan *plan, struct fault *f)\n{\n",
    "int spawn_exec(struct process *p, const struct exec_plan *plan, struct fault *f)\n{\n	fault_load();\n",
  ],
];

/** Such a build, and its wish. */
export class FaultyBuild implements AsyncDisposable {
  readonly program: readonly string[];
  readonly #dir: string;
  readonly #build: Weakened;

  private constructor(dir: string, build: Weakened) {
    this.#dir = dir;
    this.#build = build;
    this.program = build.program;
  }

  static async make(): Promise<FaultyBuild> {
    const dir = await mkdtemp(join(tmpdir(), "berth-fault-"));
    return new FaultyBuild(dir, await weaken(edits(join(dir, "wish"))));
  }

  /** Lets the n-th operation fail. */
  async wish(place: Place, index: number): Promise<void> {
    await writeFile(join(this.#dir, "wish"), `${place} ${index}`);
  }

  /** Takes the wish back; returns whether it was still open. */
  async takeBack(): Promise<boolean> {
    const wasOpen = existsSync(join(this.#dir, "wish"));
    await rm(join(this.#dir, "wish"), { force: true });
    return wasOpen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
    await this.#build[Symbol.asyncDispose]();
  }
}
