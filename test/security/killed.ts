// A runtime that is killed on demand while it makes a container.
import { stepEdits, WishedBuild } from "./steps.ts";
import type { Edit } from "./weaken.ts";

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

const HOOKS = `int kill_pipe = -1;
static int kill_inside = -1;

static void kill_fulfil(int with_caller, int with_keel)
{
	step_fulfil();
	if (with_caller)
		kill(getppid(), SIGKILL);
	if (with_keel)
		raise(SIGKILL);
}

int step_host(int index, int is_undo, struct fault *f)
{
	if (step_wish("caller ") == index)
		kill_fulfil(1, 0);
	if (step_wish("keel ") == index)
		kill_fulfil(0, 1);
	if (step_wish("both ") == index)
		kill_fulfil(1, 1);
	return 0;
}

// From the container's pid namespace nobody outside can be killed: a child of keel's does it for whoever is there.
void step_spawn(void)
{
	int pair[2];
	kill_inside = step_wish("inside ");
	if (kill_inside < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return;
	char asked;
	kill_pipe = pair[1];
	pid_t keel = getpid(), caller = getppid();
	if (fork() == 0) {
		close(pair[1]);
		if (read(pair[0], &asked, 1) == 1) {
			step_fulfil();
			kill(caller, SIGKILL);
			kill(keel, SIGKILL);
		}
		_exit(0);
	}
	close(pair[0]);
}

int step_inner(int index, struct fault *f)
{
	if (kill_inside == index)
		for (ssize_t n = write(kill_pipe, "", 1);; n++)
			pause();
	return 0;
}
`;

const KEPT_PIPE: Edit = [
  "native/spawn.c",
  "	int keep[MAX_JOINS + 3] = {child->chan, shim.start_fifo};\n	size_t count = 2;",
  "	int keep[MAX_JOINS + 4] = {child->chan, shim.start_fifo, kill_pipe};\n	size_t count = 3;",
];

export type KilledBuild = WishedBuild<Victim>;

/** Makes such a build; a wish for it has somebody killed before the n-th step. */
export function killedBuild(): Promise<KilledBuild> {
  const hooks = { code: HOOKS, declarations: "extern int kill_pipe;" };
  return WishedBuild.make((file) => [...berthEdits(file), ...stepEdits(file, hooks), KEPT_PIPE]);
}
