import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import type { BuildEvent } from "../events.ts";
import { ClassicRenderer, classicStream } from "./classic-stream.ts";

const id = (c: string) => `sha256:${c.repeat(64)}`;
const at = (stage: number, step: number) => ({ stage, step });
const output = (
  stage: number,
  step: number,
  text: string,
  stream: "stdout" | "stderr" = "stdout",
): BuildEvent => ({
  type: "output",
  at: at(stage, step),
  stream,
  bytes: Buffer.from(text),
});

function render(events: readonly BuildEvent[]): string {
  const renderer = new ClassicRenderer();
  return events
    .flatMap((e) => renderer.push(e))
    .map((l) => ("stream" in l ? l["stream"] : `${JSON.stringify(l)}\n`))
    .join("");
}

test("a build prints what Docker's classic builder prints", () => {
  const text = render([
    { type: "planned", total: 2, stages: [0] },
    { type: "step", at: at(0, 1), text: "FROM base" },
    { type: "pull", at: at(0, 1), line: { status: "Pulling from library/base", id: "latest" } },
    { type: "done", at: at(0, 1), imageId: id("a") },
    { type: "step", at: at(0, 2), text: "RUN x" },
    { type: "running", at: at(0, 2), containerId: "c".repeat(64) },
    output(0, 2, "out\n"),
    output(0, 2, "err\n", "stderr"),
    { type: "removed", at: at(0, 2), containerId: "c".repeat(64) },
    { type: "done", at: at(0, 2), imageId: id("b") },
    { type: "stage-done", stage: 0, imageId: id("b") },
    { type: "unused-args", names: ["X", "Y"] },
    { type: "built", imageId: id("b") },
    { type: "tagged", name: "app:latest" },
  ]);
  assert.equal(
    text,
    [
      "Step 1/2 : FROM base",
      '{"status":"Pulling from library/base","id":"latest"}',
      " ---> aaaaaaaaaaaa",
      "Step 2/2 : RUN x",
      " ---> Running in cccccccccccc",
      "out",
      "\u001b[91merr",
      "\u001b[0mRemoving intermediate container cccccccccccc",
      " ---> bbbbbbbbbbbb",
      `{"aux":{"ID":"${id("b")}"}}`,
      "[Warning] One or more build-args [X Y] were not consumed",
      "Successfully built bbbbbbbbbbbb",
      "Successfully tagged app:latest",
      "",
    ].join("\n"),
  );
});

test("what a later stage says waits until the stages before it are done", () => {
  const text = render([
    { type: "planned", total: 4, stages: [0, 2] },
    { type: "step", at: at(0, 1), text: "A" },
    { type: "step", at: at(2, 3), text: "C" },
    output(2, 3, "late\n"),
    output(0, 1, "early\n"),
    { type: "stage-done", stage: 2, imageId: id("c") },
    { type: "stage-done", stage: 0, imageId: "" },
  ]);
  assert.equal(text, `Step 1/4 : A\nearly\nStep 3/4 : C\nlate\n{"aux":{"ID":"${id("c")}"}}\n`);
});

test("pull progress of a step that has not begun waits for it", () => {
  const text = render([
    { type: "planned", total: 2, stages: [0] },
    { type: "step", at: at(0, 1), text: "A" },
    { type: "pull", at: at(0, 2), line: { status: "x" } },
    { type: "done", at: at(0, 1), imageId: "" },
    { type: "step", at: at(0, 2), text: "B" },
  ]);
  assert.equal(text, 'Step 1/2 : A\n ---> \nStep 2/2 : B\n{"status":"x"}\n');
});

test("a failure shows what waited and ends with Docker's error line", () => {
  const fault = new Fault("system", "The command 'x' returned a non-zero code: 3", {
    detail: { exitCode: 3 },
  });
  const text = render([
    { type: "planned", total: 4, stages: [0, 1, 2] },
    { type: "step", at: at(0, 1), text: "A" },
    { type: "step", at: at(1, 2), text: "B" },
    { type: "step", at: at(2, 3), text: "never begun" },
    output(1, 2, "the reason\n"),
    { type: "failed", fault },
  ]);
  assert.equal(
    text,
    `Step 1/4 : A\nStep 2/4 : B\nthe reason\n${JSON.stringify({ errorDetail: { code: 3, message: fault.message }, error: fault.message })}\n`,
  );
});

test("characters that are split between two pieces arrive whole", () => {
  const bytes = Buffer.from("ä€");
  const pieces = [bytes.subarray(0, 1), bytes.subarray(1, 4), bytes.subarray(4)];
  const events: BuildEvent[] = [{ type: "planned", total: 1, stages: [0] }];
  for (const part of pieces) events.push({ type: "output", at: at(0, 1), stream: "stdout", bytes: part });
  assert.equal(render(events), "ä€");
});

test("the output of a waiting stage is bounded", () => {
  const events: BuildEvent[] = [{ type: "planned", total: 2, stages: [0, 1] }];
  for (let i = 0; i < 40; i++) events.push(output(1, 2, "x".repeat(1 << 20)));
  events.push({ type: "stage-done", stage: 0, imageId: "" });
  const text = render(events);
  assert(text.length < 17 << 20);
  assert.match(text, /\[output clipped, more than 16777216 bytes were waiting\]\n$/);
});

test("classicStream renders a stream of events", async () => {
  async function* events(): AsyncGenerator<BuildEvent> {
    yield { type: "built", imageId: id("d") };
  }
  const lines: unknown[] = [];
  for await (const line of classicStream(events())) lines.push(line);
  assert.deepEqual(lines, [{ stream: "Successfully built dddddddddddd\n" }]);
});
