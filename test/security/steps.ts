// The steps in which a container is made, and a wish about one of them: a build of the product's sources that looks at the wish before each host
// operation, each start of a container's or an exec's first process, and each of its operations. What comes of the wish is not said here, but by
// faults.ts (the step fails) and killed.ts (somebody is killed before it). The wish is in a file, a word and a number, and is fulfilled once.
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Edit, type Weakened, weaken } from "./weaken.ts";

/**
 * C that is called at the steps. It may call `step_wish(word)`, the number that is wished with this word or -1; `step_put(word, number)`; and
 * `step_fulfil()`, which takes the wish back.
 *
 *     int step_host(int index, int is_undo, struct fault *f);  before a host operation of a request; not 0: it has failed
 *     void step_spawn(void);                                   before a container's or an exec's first process
 *     int step_inner(int index, struct fault *f);              in that process, before its operation; not 0: it has failed
 */
export interface StepHooks {
  /** The three functions. */
  readonly code: string;
  /** What else is told to the other files, in fault.h. */
  readonly declarations?: string;
}

/** Returns the edits that call the hooks. */
export function stepEdits(file: string, { code, declarations = "" }: StepHooks): Edit[] {
  return [
    [
      "native/fault.h",
      "void clean_fd(int *fd);",
      `int step_wish(const char *word);
int step_host(int index, int is_undo, struct fault *f);
void step_spawn(void);
int step_inner(int index, struct fault *f);
${declarations}
void clean_fd(int *fd);`,
    ],
    [
      "native/fault.c",
      "void clean_fd(int *fd)\n",
      `#include <fcntl.h>
#include <signal.h>
int step_wish(const char *word)
{
	char text[32] = "";
	int fd = open("${file}", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	return n > 0 && strncmp(text, word, strlen(word)) == 0 ? atoi(text + strlen(word)) : -1;
}

static void step_put(const char *word, int number)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%s%d", word, number);
	int fd = open("${file}", O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, (size_t)n) < 0)
		n = 0;
	clean_fd(&fd);
}

static void step_fulfil(void)
{
	unlink("${file}");
}

${code}
void clean_fd(int *fd)
`,
    ],
    [
      "native/hostops.c",
      "		// Not between an operation and the one that says how to undo it.\n",
      `		rc = step_host(index, is_undo(op), f);
		if (rc < 0) {
			f->index = index;
			break;
		}
`,
    ],
    [
      "native/container.c",
      "static int run_op(struct container *c, int64_t code, struct reader *op, struct fault *f)\n{\n",
      `static int run_op(struct container *c, int64_t code, struct reader *op, struct fault *f)
{
	static int count; // each child counts its own
	int failed = step_inner(count++, f);
	if (failed < 0)
		return failed;
`,
    ],
    [
      "native/spawn.c",
      "	int rc = open_joins(f);\n	if (rc == 0)\n		rc = make_stdio(p, &child, f);",
      "	step_spawn();\n	int rc = open_joins(f);\n	if (rc == 0)\n		rc = make_stdio(p, &child, f);",
    ],
    [
      "native/spawn.c",
      "int spawn_exec(struct process *p, const struct exec_plan *plan, struct fault *f)\n{\n",
      "int spawn_exec(struct process *p, const struct exec_plan *plan, struct fault *f)\n{\n	step_spawn();\n",
    ],
  ];
}

/** Such a build, and its wish. */
export class WishedBuild<Word extends string> implements AsyncDisposable {
  readonly program: readonly string[];
  readonly #dir: string;
  readonly #build: Weakened;

  private constructor(dir: string, build: Weakened) {
    this.#dir = dir;
    this.#build = build;
    this.program = build.program;
  }

  /** Builds with the edits, which are told where the wish is. */
  static async make<Word extends string>(
    edits: (file: string) => readonly Edit[],
  ): Promise<WishedBuild<Word>> {
    const dir = await mkdtemp(join(tmpdir(), "berth-step-"));
    return new WishedBuild(dir, await weaken(edits(join(dir, "wish"))));
  }

  /** Wishes something for the n-th step. */
  async wish(word: Word, step: number): Promise<void> {
    await writeFile(join(this.#dir, "wish"), `${word} ${step}`);
  }

  /** Takes the wish back; returns whether it was still open: there was no such step, or it is not taken back by what fulfils it. */
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
