// A workload that makes an engine emit its events, and the stream of them in a form that does not differ from run to run:
// ids become names, times go. Told to Docker Engine once (`tools/bun test/e2e/record-events.ts SOCKET` writes
// testdata/events.json), and to Berth by events.test.ts, which compares.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { baseImageTar } from "./base-image.ts";
import { Live, type Outcome, run } from "./command.ts";

/** Everything of the story has this in its name. */
const NAME = "berthstory";
const IMAGE = `${NAME}-base`;
const LABEL = `story=${NAME}`;
/** Fields are compared as this version has them. */
const VERSION = "v1.41";

export interface StoryEvent {
  readonly [field: string]: unknown;
  readonly Type: string;
  readonly Action: string;
}

export type Story = Readonly<Record<string, readonly StoryEvent[]>>;

/** An engine to tell the story to: its socket, and a directory for files. */
export interface Listener {
  readonly socket: string;
  readonly dir: string;
}

type Step = readonly string[];

/** Client commands, chapter by chapter, that succeed unless they say otherwise; `api:` steps are a method and a path. */
const CHAPTERS: Readonly<Record<string, readonly Step[]>> = {
  "life of a container": [
    ["create", "--name", `${NAME}-a`, "--label", LABEL, "--network", "none", IMAGE, "sleep", "1000"],
    ["start", `${NAME}-a`],
    ["pause", `${NAME}-a`],
    ["unpause", `${NAME}-a`],
    ["rename", `${NAME}-a`, `${NAME}-b`],
    ["update", "--cpu-shares", "512", `${NAME}-b`],
    ["restart", "-t", "0", `${NAME}-b`],
    ["stop", "-t", "0", `${NAME}-b`],
    ["start", `${NAME}-b`],
    ["kill", "-s", "CONT", `${NAME}-b`],
    ["kill", `${NAME}-b`],
    ["rm", `${NAME}-b`],
  ],
  "run in the foreground": [
    [
      "run",
      "--rm",
      "--name",
      `${NAME}-fg`,
      "--label",
      LABEL,
      "--network",
      "none",
      IMAGE,
      "sh",
      "-c",
      "exit 0",
    ],
  ],
  "removed by force": [
    ["run", "-d", "--name", `${NAME}-rm`, "--label", LABEL, "--network", "none", IMAGE, "sleep", "1000"],
    ["rm", "-f", `${NAME}-rm`],
  ],
  "inside of a container": [
    ["run", "-d", "--name", `${NAME}-in`, "--label", LABEL, "--network", "none", IMAGE, "sleep", "1000"],
    ["run", "-dt", "--name", `${NAME}-tty`, "--label", LABEL, "--network", "none", IMAGE, "sleep", "1000"],
    ["exec", `${NAME}-in`, "echo", "a b", "c"],
    ["exec", `${NAME}-in`, "true"],
    ["top", `${NAME}-in`],
    ["cp", `${NAME}-in:/etc/passwd`, "-"],
    ["cp", "file", `${NAME}-in:/tmp/file`],
    ["diff", `${NAME}-in`],
    ["logs", `${NAME}-in`],
    ["stats", "--no-stream", `${NAME}-in`],
    ["inspect", `${NAME}-in`],
    ["port", `${NAME}-in`],

    ["api:", "POST", `/containers/${NAME}-tty/resize?h=20&w=30`],
    ["export", "-o", "export.tar", `${NAME}-in`],
    ["commit", "-m", "a comment", `${NAME}-in`, `${NAME}-committed:1`],
    ["rmi", `${NAME}-committed:1`],
    ["rm", "-f", `${NAME}-in`],
    ["rm", "-f", `${NAME}-tty`],
  ],
  "command that is not there": [
    ["fails:", "run", "--name", `${NAME}-no`, "--label", LABEL, "--network", "none", IMAGE, "nosuch"],
    ["rm", `${NAME}-no`],
  ],
  "restart policy": [
    [
      "run",
      "-d",
      "--restart",
      "on-failure:1",
      "--name",
      `${NAME}-re`,
      "--label",
      LABEL,
      "--network",
      "none",
      IMAGE,
      "false",
    ],
    ["wait", `${NAME}-re`],
    ["wait", `${NAME}-re`],
    ["rm", `${NAME}-re`],
  ],
  "host network": [
    ["run", "--rm", "--name", `${NAME}-host`, "--label", LABEL, "--network", "host", IMAGE, "true"],
  ],
  bridge: [
    ["run", "--rm", "--name", `${NAME}-bridge`, "--label", LABEL, IMAGE, "true"],
    ["create", "--name", `${NAME}-first`, "--label", LABEL, "--network", "bridge", IMAGE, "true"],
    ["rm", `${NAME}-first`],
  ],
  "networks of users": [
    ["network", "create", "--label", LABEL, `${NAME}-net`],
    ["network", "create", `${NAME}-second`],
    [
      "run",
      "-d",
      "--name",
      `${NAME}-n`,
      "--label",
      LABEL,
      "--network",
      `${NAME}-net`,
      IMAGE,
      "sleep",
      "1000",
    ],
    ["network", "connect", `${NAME}-second`, `${NAME}-n`],
    ["network", "disconnect", `${NAME}-second`, `${NAME}-n`],
    ["rm", "-f", `${NAME}-n`],
    ["network", "rm", `${NAME}-net`, `${NAME}-second`],
  ],
  volumes: [
    ["volume", "create", "--label", LABEL, `${NAME}-vol`],
    [
      "run",
      "-d",
      "--name",
      `${NAME}-v`,
      "--label",
      LABEL,
      "--network",
      "none",
      "-v",
      `${NAME}-vol:/v:ro`,
      IMAGE,
      "sleep",
      "1000",
    ],
    ["restart", "-t", "0", `${NAME}-v`],
    ["rm", "-f", `${NAME}-v`],
    [
      "run",
      "--rm",
      "--name",
      `${NAME}-w`,
      "--label",
      LABEL,
      "--network",
      "none",
      "-v",
      `${NAME}-new:/w`,
      IMAGE,
      "true",
    ],
    ["volume", "rm", `${NAME}-vol`, `${NAME}-new`],
  ],
  images: [
    ["tag", IMAGE, `${NAME}-other:2`],
    ["tag", IMAGE, `${NAME}-third:3`],
    ["save", "-o", "save.tar", `${NAME}-other:2`],
    ["rmi", `${NAME}-other:2`],
    ["create", "--name", `${NAME}-i`, "--label", LABEL, "--network", "none", IMAGE, "true"],
    ["commit", `${NAME}-i`, `${NAME}-committed`],
    ["save", "-o", "committed.tar", `${NAME}-committed`],
    ["rmi", `${NAME}-committed`],
    ["load", "-q", "-i", "committed.tar"],
    ["rm", `${NAME}-i`],
    ["rmi", `${NAME}-committed`],
    ["rmi", `${NAME}-third:3`],
  ],
};

/** Tells the story to an engine and returns what it had to say, chapter by chapter. */
export async function tellStory(listener: Listener): Promise<Story> {
  await writeFile(join(listener.dir, "file"), "text\n");
  const teller = new Teller(listener);
  try {
    await teller.importImage();
    const story: Record<string, StoryEvent[]> = {};
    for (const [name, steps] of Object.entries(CHAPTERS)) story[name] = await teller.tell(steps);
    story["image that is imported and removed"] = await teller.watch(async () => {
      await teller.importImage("again");
      await teller.docker(["rmi", `${IMAGE}:again`]);
    });
    return story;
  } finally {
    await teller.cleanUp();
  }
}

class Teller {
  readonly #listener: Listener;
  constructor(listener: Listener) {
    this.#listener = listener;
  }

  #curl(args: readonly string[], input?: Uint8Array): Promise<Outcome> {
    const argv = ["curl", "-sf", "-g", "--unix-socket", this.#listener.socket, ...args];
    return run(argv, input === undefined ? {} : { input });
  }

  docker(args: readonly string[]): Promise<Outcome> {
    const env = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: this.#listener.dir,
      DOCKER_HOST: `unix://${this.#listener.socket}`,
      DOCKER_BUILDKIT: "0",
    };
    return run(["docker", ...args], { env, cwd: this.#listener.dir });
  }

  async importImage(tag = "latest"): Promise<void> {
    const changes = encodeURIComponent(`LABEL ${LABEL} tag=${tag}`);
    const target = `http://d/${VERSION}/images/create?fromSrc=-&repo=${IMAGE}&tag=${tag}&changes=${changes}`;
    const { status, stdout } = await this.#curl(["-T", "-", "-X", "POST", target], await baseImageTar());
    assert.equal(status, 0, stdout);
  }

  tell(steps: readonly Step[]): Promise<StoryEvent[]> {
    return this.watch(async () => {
      for (const step of steps) await this.#take(step);
    });
  }

  async #take(step: Step): Promise<void> {
    const [first, method = "", path = ""] = step;
    if (first === "fails:") {
      assert.notEqual((await this.docker(step.slice(1))).status, 0, step.join(" "));
      return;
    }
    const { status, stdout, stderr } =
      first === "api:"
        ? await this.#curl(["-X", method, `http://d/${VERSION}${path}`])
        : await this.docker(step);
    assert.equal(status, 0, `${step.join(" ")}: ${stdout}${stderr}`);
  }

  /** Returns the events of the work, which ends with one of its own that tells that the stream has got so far. */
  async watch(work: () => Promise<void>): Promise<StoryEvent[]> {
    const since = `http://d/${VERSION}/events?since=${Date.now() / 1000}`;
    const stream = new Live(["curl", "-sN", "--unix-socket", this.#listener.socket, since], {
      timeoutMs: 120_000,
    });
    await work();
    await this.docker(["tag", IMAGE, `${NAME}-end:1`]);
    await stream.prints(`${NAME}-end:1`);
    stream.kill("SIGKILL");
    await stream.ended;
    await this.docker(["rmi", `${NAME}-end:1`]);
    return normalised(ownLines(stream.output).filter((line) => !line.includes(`${NAME}-end`)));
  }

  async cleanUp(): Promise<void> {
    const ids = (await this.docker(["ps", "-aq", "--filter", `label=${LABEL}`])).stdout
      .split("\n")
      .filter(Boolean);
    if (ids.length > 0) await this.docker(["rm", "-f", ...ids]);
    for (const kind of ["network", "volume"]) {
      const names = await this.docker([kind, "ls", "-q", "--filter", `name=${NAME}`]);
      const left = names.stdout.split("\n").filter(Boolean);
      if (left.length > 0) await this.docker([kind, "rm", ...left]);
    }
    const images = await this.docker(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    const ours = images.stdout.split("\n").filter((name) => name.startsWith(NAME));
    if (ours.length > 0) await this.docker(["rmi", ...ours]);
    for (const name of ["export.tar", "save.tar", "committed.tar"])
      await rm(join(this.#listener.dir, name), { force: true });
  }
}

/** Returns the story's events among those of an engine that others may use as well: what bears its name, and its objects' ids. */
function ownLines(output: string): string[] {
  const lines = output.split("\n").filter(Boolean);
  const ids = new Set(
    lines
      .filter((line) => line.includes(NAME))
      .flatMap((line) => (JSON.parse(line) as { Actor: { ID: string } }).Actor.ID),
  );
  return lines.filter((line) => line.includes(NAME) || [...ids].some((id) => line.includes(id)));
}

/**
 * Replaces what differs from run to run: ids become numbers in the order in which they appear. What newer engines than the
 * recorded one do is taken for right: a container that ends leaves its networks and volumes just before it dies, and
 * nothing is said twice.
 */
function normalised(lines: readonly string[]): StoryEvent[] {
  const names = new Map<string, string>();
  const nameOf = (id: string): string => {
    const name = names.get(id) ?? `<id ${names.size + 1}>`;
    names.set(id, name);
    return name;
  };
  const events = lines.map((line) => withoutTimes(line.replace(/(?:sha256:)?[0-9a-f]{64}/g, nameOf)));
  for (const [i, event] of events.entries()) {
    const next = events[i + 1];
    if (event.Action === "die" && next !== undefined && ["disconnect", "unmount"].includes(next.Action))
      [events[i], events[i + 1]] = [next, event];
  }
  return events.filter((event, i) => JSON.stringify(event) !== JSON.stringify(events[i - 1]));
}

function withoutTimes(line: string): StoryEvent {
  const {
    time,
    timeNano,
    Sequence: _,
    ...event
  } = JSON.parse(line) as StoryEvent & {
    Actor: { Attributes: Record<string, string> };
  };
  assert.equal(typeof time, "number");
  assert.equal(typeof timeNano, "number");
  // Since Docker 23, too.
  const { execDuration = "0", ...rest } = event.Actor.Attributes;
  assert.match(execDuration, /^\d+$/);
  return { ...event, Actor: { ...event.Actor, Attributes: rest } };
}
