import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import type { BuildEvent } from "../events.ts";
import { type StatusMessage, StatusRenderer } from "./status-stream.ts";

const at = { stage: 0, step: 2 };
const GRAPH: BuildEvent = {
  type: "graph",
  steps: [
    { at: { stage: 0, step: 1 }, stageName: "", text: "FROM docker.io/library/a:latest" },
    { at, stageName: "", text: "RUN x" },
  ],
};

function render(...events: BuildEvent[]): StatusMessage[] {
  let ms = 1_000_000;
  const renderer = new StatusRenderer({ buildId: "b", now: () => (ms += 500) });
  return [...events.flatMap((event) => renderer.push(event)), ...renderer.finish()];
}

/** `name: begun|done|cached|failed` of every vertex, as it was said. */
const told = (messages: readonly StatusMessage[]) =>
  messages.flatMap((m) =>
    (m.vertexes ?? []).map((v) => {
      const state = v.error
        ? `failed ${v.error}`
        : v.isCached
          ? "cached"
          : v.completed
            ? "done"
            : v.started
              ? "begun"
              : "named";
      return `${v.name}: ${state}`;
    }),
  );

test("steps are named with their place in the stage, begin and end once, and carry their output", () => {
  const messages = render(
    { type: "planned", total: 2, stages: [0] },
    GRAPH,
    { type: "step", at, text: "RUN x" },
    { type: "output", at, stream: "stderr", bytes: Buffer.from("oops\n") },
    { type: "done", at, imageId: "sha256:1" },
    { type: "built", imageId: "sha256:1" },
  );
  assert.deepEqual(told(messages).slice(2), [
    "[1/2] FROM docker.io/library/a:latest: named",
    "[2/2] RUN x: named",
    "[2/2] RUN x: begun",
    "[2/2] RUN x: done",
    "exporting to image: begun",
    "exporting to image: done",
  ]);
  const [log] = messages.flatMap((m) => m.logs ?? []);
  assert.equal(log?.stream, 2);
  assert.equal(Buffer.from(log?.data ?? []).toString(), "oops\n");
});

test("a cached step says so, a failed one why, in BuildKit's words", () => {
  const cached = render(GRAPH, { type: "cached", at }, { type: "done", at, imageId: "" });
  assert.equal(told(cached).at(-1), "[2/2] RUN x: cached");
  const fault = new Fault("system", "The command…", {
    code: "build.step-failed",
    detail: { exitCode: 3, command: "/bin/sh -c x" },
  });
  const failed = render(GRAPH, { type: "step-failed", at, fault });
  assert.equal(
    told(failed).at(-1),
    '[2/2] RUN x: failed process "/bin/sh -c x" did not complete successfully: exit code: 3',
  );
});

test("a pull before the graph is known has a line of its own, with its layers", () => {
  const first = { stage: 0, step: 1 };
  const line = { id: "abc", status: "Downloading", progressDetail: { current: 5, total: 10 } };
  const messages = render(
    { type: "step", at: first, text: "FROM --platform=linux/amd64 a AS b" },
    { type: "pull", at: first, line },
    GRAPH,
  );
  assert.deepEqual(told(messages).slice(0, 3), [
    "[internal] pull a: begun",
    "[internal] pull a: done",
    "[1/2] FROM docker.io/library/a:latest: named",
  ]);
  const [status] = messages.flatMap((m) => m.statuses ?? []);
  assert.deepEqual([status?.id, status?.current, status?.total], ["abc", 5, 10]);
});

test("work beside the steps has lines of its own, with what it transfers; the Dockerfile's is that of the definition", () => {
  const definition = "[internal] load build definition from Other";
  const ignore = "[internal] load .dockerignore";
  const messages = render(
    { type: "work", what: definition, isOver: false },
    { type: "work", what: definition, isOver: true },
    { type: "work", what: ignore, isOver: false },
    { type: "transferred", what: ignore, name: "transferring context:", bytes: 2, isOver: true },
    { type: "work", what: ignore, isOver: true },
    { type: "planned", total: 1, stages: [0] },
    { type: "work", what: "[internal] load git source x", isOver: false },
    { type: "work", what: "[internal] load git source x", isOver: true, error: "no such branch" },
  );
  assert.deepEqual(told(messages), [
    `${definition}: begun`,
    `${definition}: done`,
    `${ignore}: begun`,
    `${ignore}: done`,
    "[internal] load git source x: begun",
    "[internal] load git source x: failed no such branch",
  ]);
  const [status] = messages.flatMap((m) => m.statuses ?? []);
  assert.deepEqual([status?.id, status?.current], ["transferring context:", 2]);
  assert.ok(status?.started !== undefined && status.completed !== undefined);
});

test("stages that start from one image show it once, and count it each", () => {
  const from = "FROM docker.io/library/a:latest";
  const steps = [
    { at: { stage: 0, step: 1 }, stageName: "one", text: from },
    { at: { stage: 0, step: 2 }, stageName: "one", text: "RUN x" },
    { at: { stage: 1, step: 3 }, stageName: "two", text: from, isRepeated: true },
    { at: { stage: 1, step: 4 }, stageName: "two", text: "RUN y" },
  ];
  const messages = render({ type: "planned", total: 4, stages: [0, 1] }, { type: "graph", steps });
  assert.deepEqual(told(messages).slice(2), [
    `[one 1/2] ${from}: named`,
    "[one 2/2] RUN x: named",
    "[two 2/2] RUN y: named",
  ]);
});
