// Bytes that go through an engine: into its log and out of it, through attach and exec, and `cp`.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, openEngines } from "../field/engines.ts";
import { type Group, type Row, timed } from "./row.ts";

const LOG_MB = 50;
const STREAM_MB = 200;
const FILE_MB = 100;
const FILES = 10_000;
const LINE = "x".repeat(99);

const perSecond = async (mb: number, body: () => unknown): Promise<number> =>
  (1000 * mb) / (await timed(body));

/** Directory with what is copied; made once. */
let source: string | undefined;

function sourceDir(): string {
  if (source !== undefined) return source;
  source = mkdtempSync(join(tmpdir(), "bench-cp-"));
  process.once("exit", () => rmSync(source as string, { recursive: true, force: true }));
  writeFileSync(join(source, "big"), Buffer.alloc(FILE_MB * 1e6, "berth "));
  for (let i = 0; i < FILES; i++) {
    const dir = join(source, "many", String(i % 100));
    if (i < 100) mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, String(i)), `file ${i}\n`.repeat(50));
  }
  return source;
}

/**
 * Each copy goes to a place of its own, and what was copied is removed at the end: ext4 looks for an inode that was not freed in the last
 * seconds, so that ten thousand files made right behind ten thousand removed ones cost several times as much, whoever makes them.
 */
const place = (e: Engine, nth: number): string => `/in/${e.name}-${nth}`;
const copies = new WeakMap<Engine, number>();

const into = (name: string, what: string, entry: string): Row<Engine> => ({
  name,
  what,
  unit: "ms",
  goal: { faster: 1 },
  rounds: { full: 3, quick: 0 },
  hasWarmUp: false,
  only: ["berth", "docker"],
  prepare(e) {
    const nth = (copies.get(e) ?? 0) + 1;
    copies.set(e, nth);
    e.cli(["exec", "box", "mkdir", place(e, nth)]);
  },
  sample: (e) => timed(() => e.cli(["cp", join(sourceDir(), entry), `box:${place(e, copies.get(e) ?? 0)}`])),
});

const outOf = (name: string, what: string, entry: string): Row<Engine> => ({
  name,
  what,
  unit: "ms",
  goal: { faster: 1 },
  rounds: { full: 3, quick: 0 },
  hasWarmUp: false,
  only: ["berth", "docker"],
  async sample(e) {
    const dir = mkdtempSync(join(sourceDir(), "out-"));
    return await timed(() => e.cli(["cp", `box:${place(e, copies.get(e) ?? 0)}/${entry}`, dir]));
  },
});

const WRITE_LOG = `yes ${LINE} | head -n ${(LOG_MB * 1e6) / 100}`;

export const streams: Group<Engine> = {
  name: "streams",
  open: openEngines,
  setUp(e) {
    sourceDir();
    e.cli(["run", "-d", "--name", "box", "bench", "sh", "-c", "mkdir /in && exec sleep 86400"]);
    e.cli(["run", "-d", "--name", "logged", "bench", "sh", "-c", WRITE_LOG]);
    e.cli(["wait", "logged"]);
  },
  rows: [
    {
      name: "logs.write",
      what: `${LOG_MB} MB written to the log, until the container has ended`,
      unit: "ms",
      goal: { faster: 3 },
      rounds: { full: 3, quick: 1 },
      only: ["berth", "docker"],
      sample: (e) =>
        timed(() => {
          e.cli(["run", "-d", "--name", "writer", "bench", "sh", "-c", WRITE_LOG]);
          e.cli(["wait", "writer"]);
        }),
      after: (e) => e.remove("writer"),
    },
    {
      name: "logs.read",
      what: `\`logs\` of ${LOG_MB} MB`,
      unit: "ms",
      goal: { faster: 3 },
      rounds: { full: 3, quick: 1 },
      only: ["berth", "docker"],
      sample: (e) => timed(() => e.sh("$CLI logs logged >/dev/null")),
    },
    {
      name: "attach.stream",
      what: "output of an attached container, not logged",
      unit: "MB/s",
      goal: { faster: 1 },
      rounds: { full: 3, quick: 0 },
      sample: (e) =>
        perSecond(STREAM_MB, () =>
          e.sh(`$CLI run --rm --log-driver none bench head -c ${STREAM_MB}000000 /dev/zero >/dev/null`),
        ),
    },
    {
      name: "exec.stream",
      what: "output of `exec`",
      unit: "MB/s",
      goal: { faster: 1 },
      rounds: { full: 3, quick: 0 },
      sample: (e) =>
        perSecond(STREAM_MB, () => e.sh(`$CLI exec box head -c ${STREAM_MB}000000 /dev/zero >/dev/null`)),
    },
    {
      name: "exec.input",
      what: "input of `exec -i`",
      unit: "MB/s",
      goal: { faster: 1 },
      rounds: { full: 3, quick: 0 },
      sample: (e) =>
        perSecond(STREAM_MB, () =>
          e.sh(`head -c ${STREAM_MB}000000 /dev/zero | $CLI exec -i box sh -c 'cat >/dev/null'`),
        ),
    },
    into("cp.file.in", `\`cp\` of a file of ${FILE_MB} MB into a container`, "big"),
    outOf("cp.file.out", "the same out of it", "big"),
    into("cp.files.in", `\`cp\` of ${FILES} files into a container`, "many"),
    outOf("cp.files.out", "the same out of it", "many"),
  ],
};
