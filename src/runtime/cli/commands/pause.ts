// `pause` and `resume`: the cgroup's freezer.

import { Fault } from "../../../lib/errors.ts";
import { freezeCgroup, thawCgroup } from "../../../linux/cgroupfs/freezer.ts";
import { command, type Invocation } from "../invocation.ts";
import { runOps } from "../life/keel-run.ts";
import { withLock } from "../life/lock.ts";
import { ContainerDir, type ContainerState, type Status } from "../life/store.ts";

const common = { operands: "<container-id>", flags: {}, least: 1, most: 1, interspersed: true };

async function change(
  call: Invocation,
  id: string,
  from: readonly Status[],
  refusal: string,
  body: (dir: ContainerDir, state: ContainerState) => Promise<void>,
): Promise<number> {
  const dir = new ContainerDir(call.root, id);
  dir.load();
  await withLock(dir.path, async () => {
    const state = dir.load();
    const status = dir.statusOf(state);
    if (!from.includes(status))
      throw new Fault("conflict", `${refusal}: ${status}`, { code: "container.wrong-status" });
    await body(dir, state);
  });
  return 0;
}

export const pause = command({
  ...common,
  run: (call, _flags, [id = ""]) =>
    change(call, id, ["running", "created"], "container not running", (dir, state) =>
      freezeCgroup(async (ops) => runOps(ops, dir.path), state.cgroup.paths),
    ),
});

export const resume = command({
  ...common,
  run: (call, _flags, [id = ""]) =>
    change(call, id, ["paused"], "container not paused", (dir, state) =>
      thawCgroup(async (ops) => runOps(ops, dir.path), state.cgroup.paths),
    ),
});
