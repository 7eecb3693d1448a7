// What a wait answers at once, and what it waits for.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerStatus } from "../record.ts";
import { type ContainerTable, LiveContainer } from "../table.ts";
import { waitFor } from "./wait.ts";

const never = new AbortController().signal;

function tableWith(status: ContainerStatus): { table: ContainerTable; live: LiveContainer } {
  const live = new LiveContainer("c");
  const record = { id: "c", state: { status, exitCode: 3, error: "why" } };
  return { table: { find: () => record, live: () => live } as unknown as ContainerTable, live };
}

const answersAtOnce = async (status: ContainerStatus, condition: string | undefined): Promise<boolean> => {
  const { table } = tableWith(status);
  const wait = waitFor(table, "c", condition, never);
  const end = await Promise.race([wait, new Promise((resolve) => setImmediate(resolve))]);
  if (end !== undefined) assert.deepEqual([(await wait).exitCode, (await wait).error], [3, "why"]);
  return end !== undefined;
};

test("not-running, the default, answers at once for what has no process", async () => {
  for (const status of ["created", "exited", "dead", "removing"] as const) {
    assert.equal(await answersAtOnce(status, undefined), true, status);
    assert.equal(await answersAtOnce(status, "not-running"), true, status);
  }
  for (const status of ["running", "paused", "restarting"] as const)
    assert.equal(await answersAtOnce(status, undefined), false, status);
});

test("next-exit and removed wait whatever the state", async () => {
  for (const status of ["created", "exited", "running", "restarting"] as const)
    for (const condition of ["next-exit", "removed"])
      assert.equal(await answersAtOnce(status, condition), false, `${status} ${condition}`);
});

test("an exit ends next-exit and not-running, not removed; a removal ends all", async () => {
  const { table, live } = tableWith("running");
  const [next, gone] = ["next-exit", "removed"].map((c) => waitFor(table, "c", c, never));
  live.tellExit({ exitCode: 5, error: "" });
  assert.deepEqual(await next, { exitCode: 5, error: "" });
  const other = waitFor(table, "c", "next-exit", never);
  live.tellRemoved({ exitCode: 5, error: "unable" });
  assert.deepEqual(await gone, { exitCode: 5, error: "unable" });
  assert.deepEqual(await other, { exitCode: 5, error: "unable" });
});

test("an unknown condition is refused; an aborted wait is forgotten", async () => {
  const { table, live } = tableWith("running");
  assert.throws(() => waitFor(table, "c", "foo", never), { message: 'invalid condition: "foo"' });
  const abort = new AbortController();
  const wait = waitFor(table, "c", undefined, abort.signal);
  abort.abort(new Error("gone"));
  await assert.rejects(wait, { message: "gone" });
  assert.equal(live.exitWaiters.size, 0);
});
