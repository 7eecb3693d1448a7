// Bytes that go through an engine: into its log and out of it, through attach and exec.
import { type Engine, openEngines } from "../field/engines.ts";
import { type Group, timed } from "./row.ts";

const LOG_MB = 50;
const STREAM_MB = 200;
const LINE = "x".repeat(99);

const perSecond = async (mb: number, body: () => unknown): Promise<number> =>
  (1000 * mb) / (await timed(body));

const WRITE_LOG = `yes ${LINE} | head -n ${(LOG_MB * 1e6) / 100}`;

export const streams: Group<Engine> = {
  name: "streams",
  open: openEngines,
  setUp(e) {
    e.cli(["run", "-d", "--name", "box", "bench", "sleep", "86400"]);
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
  ],
};
