import assert from "node:assert/strict";
import { test } from "node:test";
import { HISTORY_EVENT, historyRequest } from "../../lib/build-protocol/history.ts";
import { Fault } from "../../lib/errors.ts";
import { ControlBuild } from "./control-build.ts";
import { BuildHistory } from "./history.ts";
import type { References } from "./references.ts";
import { solveRequest } from "../../lib/build-protocol/control.ts";

const buildOf = (ref: string, isInternal = false): ControlBuild =>
  new ControlBuild(
    { ...solveRequest.decode(new Uint8Array(0)), ref, isInternal, frontend: "dockerfile.v0" },
    {} as References,
  );

const asked = (more: Partial<ReturnType<typeof historyRequest.decode>> = {}) => ({
  ...historyRequest.decode(new Uint8Array(0)),
  earlyExit: true,
  ...more,
});

async function listed(history: BuildHistory, more = {}): Promise<[number | undefined, string | undefined][]> {
  const events: [number | undefined, string | undefined][] = [];
  for await (const { type, record } of history.listen(asked(more), new AbortController().signal))
    events.push([type, record?.ref]);
  return events;
}

function run(history: BuildHistory, ref: string, isInternal = false): void {
  history.begin(buildOf(ref, isInternal));
  history.end(ref, { response: {} });
}

test("builds are listed, those under way first, then the latest; internal ones are not, but say how they went", async () => {
  const history = new BuildHistory();
  run(history, "a");
  run(history, "hidden", true);
  run(history, "b");
  history.begin(buildOf("c"));
  const { started, complete } = HISTORY_EVENT;
  assert.deepEqual(await listed(history), [
    [started, "c"],
    [complete, "b"],
    [complete, "a"],
  ]);
  assert.deepEqual(await listed(history, { limit: 1, activeOnly: false }), [
    [started, "c"],
    [complete, "b"],
  ]);
  assert.deepEqual(await listed(history, { activeOnly: true }), [[started, "c"]]);
  assert.deepEqual(await listed(history, { ref: "a" }), [[complete, "a"]]);
  assert.deepEqual(await listed(history, { ref: "hidden" }), []);
  assert.ok(history.progressOf("hidden"));
  assert.equal(history.progressOf("c"), undefined);
});

test("the last ones are kept, the pinned ones beside them; internal ones push none out", () => {
  const history = new BuildHistory({ builds: 2, messages: 1000 });
  run(history, "pinned");
  history.update({ ref: "pinned", pinned: true, deletes: false, finalizes: false });
  for (const ref of ["a", "b", "c"]) run(history, ref);
  for (let i = 0; i < 20; i++) run(history, `i${i}`, true);
  const kept = (ref: string) => history.progressOf(ref) !== undefined;
  assert.deepEqual(["pinned", "a", "b", "c", "i0", "i19"].map(kept), [true, false, false, true, false, true]);
});

test("of builds that say much fewer are kept, the last one always", () => {
  const history = new BuildHistory({ builds: 50, messages: 10 });
  for (const ref of ["a", "b", "c"]) {
    const build = buildOf(ref);
    history.begin(build);
    build.progress.push(Array.from({ length: ref === "c" ? 20 : 4 }, () => ({})));
    history.end(ref, { response: {} });
  }
  assert.deepEqual(
    ["a", "b", "c"].map((ref) => history.progressOf(ref) !== undefined),
    [false, false, true],
  );
});

test("a record tells the counts, the result or the failure; removal is told and final", async () => {
  const history = new BuildHistory();
  const build = buildOf("a");
  const stop = new AbortController();
  const told = history.listen(asked({ earlyExit: false }), stop.signal);
  const next = async () => (await told.next()).value;
  const first = next();
  history.begin(build);
  assert.equal((await first)?.type, HISTORY_EVENT.started);
  const vertexes = [
    { digest: "1", isCached: true, completed: { seconds: 1 } },
    { digest: "2", completed: { seconds: 1 } },
    { digest: "3" },
  ];
  build.progress.push([{ vertexes }, { warnings: [{}] }]);
  history.end("a", { error: new Fault("cancelled", "build cancelled", { code: "build.cancelled" }) });
  const done = await next();
  assert.equal(done?.type, HISTORY_EVENT.complete);
  assert.deepEqual(done?.record?.error, { code: 1, message: "build cancelled" });
  const { totalSteps, cachedSteps, completedSteps, warnings } = done?.record ?? {};
  assert.deepEqual([totalSteps, cachedSteps, completedSteps, warnings], [3, 1, 2, 1]);
  const remove = { ref: "a", pinned: false, deletes: true, finalizes: false };
  history.update(remove);
  assert.equal((await next())?.type, HISTORY_EVENT.deleted);
  assert.throws(() => history.update(remove), { code: "build.no-record" });
  history.begin(buildOf("b"));
  assert.throws(() => history.update({ ...remove, ref: "b" }), { code: "build.running" });
  assert.equal((await next())?.record?.ref, "b");
  stop.abort();
  assert.equal((await told.next()).done, true);
});
