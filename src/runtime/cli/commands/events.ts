// `events`: the numbers of a container's cgroup, once or again and again, and its OOM kills.

import { Fault } from "../../../lib/errors.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { parseDuration } from "../../../lib/units/duration.ts";
import { readOomKills, readStats } from "../../../linux/cgroupfs/stats.ts";
import { command } from "../invocation.ts";
import { print } from "../print.ts";
import { eventStats } from "../event-stats.ts";
import { ContainerDir, type ContainerState, isAlive } from "../life/store.ts";

/** How often the counter of OOM kills is looked at: version 1 tells of them over an eventfd only, which is out of reach here. */
const OOM_LOOK_MS = 100;

export const events = command({
  operands: "<container-id>",
  flags: {
    interval: string("set the stats collection interval", { initial: "5s" }),
    stats: bool("display the container's stats then exit"),
  },
  least: 1,
  most: 1,
  interspersed: true,
  async run(call, flags, [id = ""]) {
    const dir = new ContainerDir(call.root, id);
    const state = dir.load();
    const intervalMs = parseDuration(flags.interval) / 1e6;
    if (!(intervalMs > 0))
      throw new Fault("invalidParameter", "duration interval must be greater than 0", {
        code: "runtime.interval",
      });
    if (dir.statusOf(state) === "stopped")
      throw new Fault("conflict", `container with id ${id} is not running`, {
        code: "container.not-running",
      });
    if (flags.stats) tellStats(state);
    else await follow(state, intervalMs);
    return 0;
  },
});

function tell(event: object): void {
  print(`${JSON.stringify(event)}\n`);
}

function tellStats(state: ContainerState): void {
  const { paths } = state.cgroup;
  tell({ type: "stats", id: state.id, data: eventStats(readStats(paths), paths) });
}

/** Until the container has ended. */
async function follow(state: ContainerState, intervalMs: number): Promise<void> {
  let kills = readOomKills(state.cgroup.paths);
  let nextMs = performance.now() + intervalMs;
  while (isAlive(state)) {
    await new Promise((resolve) =>
      setTimeout(resolve, Math.min(OOM_LOOK_MS, Math.max(1, nextMs - performance.now()))),
    );
    const seen = readOomKills(state.cgroup.paths);
    for (; kills < seen; kills++) tell({ type: "oom", id: state.id });
    if (performance.now() < nextMs || !isAlive(state)) continue;
    tellStats(state);
    nextMs += intervalMs;
  }
}
