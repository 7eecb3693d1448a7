// A runtime that is killed on demand while it makes a container: built from the product's sources with a look before each step. The wish is in a
// file, which goes when it is fulfilled.
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Edit, type Weakened, weaken } from "./weaken.ts";

/**
 * What is killed, and before which step: `berth`: berth at a place of its own code; `caller`: berth before a host operation, keel goes on; `keel`:
 * keel alone there; `both`: both; `inside`: both, while the container's first process is at an operation, at which it stays.
 */
export type Victim = "berth" | "caller" | "keel" | "both" | "inside";

/** Behind these lines of creation berth can be killed. */
const PLACES = [
  "  dir.make();\n  try {\n    return await launch(",
  "    saveIntent(claimed.dir, intentOf(spec, place, []));\n",
  "() => runLaunch(options, claimed, planned));\n",
  "    dir.save(state);\n",
  "    dropIntent(dir);\n",
  "    saveFrontPlan(dir, state);\n",
] as const;
export const BERTH_PLACES = PLACES.length;

const CREATE = "src/runtime/cli/life/create.ts";

function berthEdits(wish: string): Edit[] {
  return [
    ...PLACES.map((line, index): Edit => {
      const [head = line, tail = ""] = line.includes("try {")
        ? [line.slice(0, line.indexOf("return")), line.slice(line.indexOf("return"))]
        : [line];
      return [CREATE, line, `${head}killedAt(${index});\n${tail}`];
    }),
    [
      CREATE,
      "interface Claimed {",
      `function killedAt(index: number): void {
  try {
    if (readFileSync(${JSON.stringify(wish)}, "utf8") !== \`berth \${index}\`) return;
  } catch {
    return;
  }
  unlinkSync(${JSON.stringify(wish)});
  process.kill(process.pid, "SIGKILL");
}

interface Claimed {`,
    ],
    [CREATE, "import { readFileSync, renameSync,", "import { readFileSync, renameSync, unlinkSync,"],
  ];
}

const keelEdits = (wish: string): readonly Edit[] => [
  [
    "native/fault.h",
    "void clean_fd(int *fd);",
    "int kill_wished(const char *victim);\nvoid kill_fulfil(int with_caller, int with_keel);\nvoid clean_fd(int *fd);",
  ],
  [
    "native/fault.c",
    "void clean_fd(int *fd)\n",
    `#include <fcntl.h>
#include <signal.h>
int kill_wished(const char *victim)
{
	char text[32] = "";
	int fd = open("${wish}", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	return n > 0 && strncmp(text, victim, strlen(victim)) == 0 ? atoi(text + strlen(victim)) : -1;
}

void kill_fulfil(int with_caller, int with_keel)
{
	unlink("${wish}");
	if (with_caller)
		kill(getppid(), SIGKILL);
	if (with_keel)
		raise(SIGKILL);
}

void clean_fd(int *fd)
`,
  ],
  [
    "native/hostops.c",
    "		// Not between an operation and the one that says how to undo it.\n",
    `		if (kill_wished("caller ") == index)
			kill_fulfil(1, 0);
		if (kill_wished("keel ") == index)
			kill_fulfil(0, 1);
		if (kill_wished("both ") == index)
			kill_fulfil(1, 1);
`,
  ],
  // From the container's pid namespace nobody outside can be killed: a child of keel's does it for whoever is there.
  [
    "native/spawn.c",
    "	int rc = open_joins(f);\n	if (rc == 0)\n		rc = make_stdio(p, &child, f);",
    `	int pair[2];
	kill_inside = kill_wished("inside ");
	if (kill_inside >= 0 && pipe2(pair, O_CLOEXEC) == 0) {
		char asked;
		kill_pipe = pair[1];
		pid_t keel = getpid(), caller = getppid();
		if (fork() == 0) {
			close(pair[1]);
			if (read(pair[0], &asked, 1) == 1) {
				kill_fulfil(0, 0);
				kill(caller, SIGKILL);
				kill(keel, SIGKILL);
			}
			_exit(0);
		}
		close(pair[0]);
	}
	int rc = open_joins(f);
	if (rc == 0)
		rc = make_stdio(p, &child, f);`,
  ],
  [
    "native/spawn.c",
    "	int keep[MAX_JOINS + 3] = {child->chan, shim.start_fifo};\n	size_t count = 2;",
    "	int keep[MAX_JOINS + 4] = {child->chan, shim.start_fifo, kill_pipe};\n	size_t count = 3;",
  ],
  ["native/container.h", "bool container_note(", "extern int kill_inside, kill_pipe;\nbool container_note("],
  [
    "native/container.c",
    "static int run_op(struct container *c, int64_t code, struct reader *op, struct fault *f)\n{\n",
    `int kill_inside = -1, kill_pipe = -1;
static int run_op(struct container *c, int64_t code, struct reader *op, struct fault *f)
{
	static int count; // each child counts its own
	if (kill_inside == count++)
		for (ssize_t n = write(kill_pipe, "", 1);; n++)
			pause();
`,
  ],
];

/** Such a build, and its wish. */
export class KilledBuild implements AsyncDisposable {
  readonly program: readonly string[];
  readonly #dir: string;
  readonly #build: Weakened;

  private constructor(dir: string, build: Weakened) {
    this.#dir = dir;
    this.#build = build;
    this.program = build.program;
  }

  static async make(): Promise<KilledBuild> {
    const dir = await mkdtemp(join(tmpdir(), "berth-killed-"));
    const wish = join(dir, "wish");
    return new KilledBuild(dir, await weaken([...berthEdits(wish), ...keelEdits(wish)]));
  }

  /** Has `victim` killed before the n-th step. */
  async wish(victim: Victim, step: number): Promise<void> {
    await writeFile(join(this.#dir, "wish"), `${victim} ${step}`);
  }

  /** Takes the wish back; returns whether it was still open: there was no such step. */
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
