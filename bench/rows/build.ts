// `build`: no cache, all cached, one file changed in a large context, and four stages that do not need each other. Docker is asked for the
// classic builder, which its package has.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DaemonEngine, openDaemons } from "../field/engines.ts";
import { type Group, timed } from "./row.ts";

const CONTEXT_FILES = 20_000;
/** As in images.ts: Docker removes each context it has copied, and without a journal all that follow pay for it with every file. */
const DISK_BYTES = 8 * 2 ** 30;
const FIVE_STEPS = Buffer.from(`FROM bench
ENV A=b
RUN echo one > /one
WORKDIR /w
RUN cat /one > two
CMD ["true"]
`);
const STAGES = [1, 2, 3, 4];
const FOUR_STAGES = Buffer.from(
  [
    ...STAGES.map((n) => `FROM bench AS s${n}\nRUN sleep 0.3 && echo ${n} > /out${n}`),
    "FROM bench",
    ...STAGES.map((n) => `COPY --from=s${n} /out${n} /`),
    "",
  ].join("\n"),
);

let context: string | undefined;

/** A directory of 20 000 small files with a Dockerfile that copies them; made once. */
function contextDir(): string {
  if (context !== undefined) return context;
  context = mkdtempSync(join(tmpdir(), "bench-context-"));
  process.once("exit", () => rmSync(context as string, { recursive: true, force: true }));
  writeFileSync(join(context, "Dockerfile"), "FROM bench\nCOPY . /src\n");
  for (let i = 0; i < CONTEXT_FILES; i++) {
    const dir = join(context, `d${i % 200}`);
    if (i < 200) mkdirSync(dir);
    writeFileSync(join(dir, `f${i}`), `file ${i}\n`.repeat(20));
  }
  return context;
}

export const build: Group<DaemonEngine> = {
  name: "build",
  open: () => openDaemons({ diskBytes: DISK_BYTES }),
  rows: [
    {
      name: "build.fresh",
      what: "`build` of five steps, no cache",
      unit: "ms",
      goal: { faster: 8 },
      rounds: { full: 7, quick: 2 },
      sample: (e) => timed(() => e.cli(["build", "--no-cache", "-q", "-"], FIVE_STEPS)),
    },
    {
      name: "build.cached",
      what: "the same, all cached",
      unit: "ms",
      goal: { faster: 1 },
      rounds: { full: 11, quick: 3 },
      sample: (e) => timed(() => e.cli(["build", "-q", "-"], FIVE_STEPS)),
    },
    {
      name: "build.changed",
      what: `one file changed in a context of ${CONTEXT_FILES}`,
      unit: "ms",
      goal: { faster: 1 },
      rounds: { full: 3, quick: 0 },
      prepare: (e, round) => writeFileSync(join(contextDir(), "d0/f0"), `changed ${round} for ${e.kind}\n`),
      sample: (e) => timed(() => e.cli(["build", "-q", contextDir()])),
    },
    {
      name: "build.stages",
      what: "four stages of 0.3 s that do not need each other",
      unit: "ms",
      goal: { faster: 1 },
      rounds: { full: 3, quick: 1 },
      sample: (e) => timed(() => e.cli(["build", "--no-cache", "-q", "-"], FOUR_STAGES)),
    },
  ],
};
