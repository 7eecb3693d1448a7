import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Fault } from "../lib/errors.ts";
import { tarStream } from "./_test-tar.ts";
import { buildEvents, toFault } from "./build-events.ts";
import { FakePorts } from "./solver/ports-fake.ts";

let ports: FakePorts;
beforeEach(() => {
  ports = new FakePorts();
  ports.addImage("base", { x: "" });
});
afterEach(() => {
  assert.equal(ports.layers.openDrafts, 0);
  ports.layers.remove();
});

const start = (dockerfile: string) =>
  buildEvents({ context: tarStream({ Dockerfile: dockerfile }) }, ports, new AbortController().signal);

test("buildEvents ends with built", async () => {
  const types: string[] = [];
  for await (const event of start("FROM base\nRUN x\n")) types.push(event.type);
  assert.deepEqual(types.slice(0, 2), ["planned", "step"]);
  assert.equal(types.at(-1), "built");
});

test("buildEvents ends with failed once the plan is known, and throws before", async () => {
  ports.step = () => 5;
  let last: unknown;
  for await (const event of start("FROM base\nRUN x\n")) last = event;
  assert.equal((last as { fault: Fault }).fault.detail["exitCode"], 5);
  await assert.rejects(async () => {
    for await (const _ of start("FROMM base\n"));
  }, /unknown instruction: FROMM/);
});

test("a reader that stops cancels the build and waits for it", async () => {
  let isStopped = false;
  ports.step = (_root, { signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        isStopped = true;
        reject(signal.reason);
      });
    });
  for await (const event of start("FROM base\nRUN x\n")) if (event.type === "running") break;
  assert.equal(isStopped, true);
});

test("toFault keeps Faults and wraps the rest", () => {
  const fault = new Fault("conflict", "x");
  assert.equal(toFault(fault), fault);
  assert.equal(toFault(new TypeError("odd")).message, "odd");
});
