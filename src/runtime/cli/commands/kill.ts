// `kill`: a signal for the first process, or for all.

import { bool } from "../../../lib/flags/spec.ts";
import {
  hasOwnPids,
  killContainer,
  notRunning,
  signalAll,
  signalContainer,
  thawForKill,
} from "../life/destroy.ts";
import { command } from "../invocation.ts";
import { parseSignal } from "../signals.ts";
import { ContainerDir, type ContainerState, isAlive } from "../life/store.ts";
import { pidsIn } from "../life/cgroup-end.ts";

const SIGKILL = 9;

export const kill = command({
  operands: "<container-id> [signal]",
  flags: { all: bool("send the signal to all processes in the container", { short: "a" }) },
  least: 1,
  most: 2,
  interspersed: true,
  async run(call, { all }, [id = "", signal = "SIGTERM"]) {
    const dir = new ContainerDir(call.root, id);
    const state = dir.load();
    const signo = parseSignal(signal);
    if (all) signalAll(state, signo);
    else if (signo === SIGKILL) killAny(state);
    else signalContainer(state, signo);
    if (signo === SIGKILL) await thawForKill(dir, state);
    return 0;
  },
});

/** Without a pid namespace of its own a container may go on without its first process. */
function killAny(state: ContainerState): void {
  if (!isAlive(state) && (hasOwnPids(state) || pidsIn(state.cgroup.paths).length === 0)) throw notRunning();
  killContainer(state);
}
