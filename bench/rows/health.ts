// Processor time of 50 health checks every second: of the engine and of the checks themselves, all that runs in the engine's cgroup.
import { type DaemonEngine, openDaemons } from "../field/engines.ts";
import type { Group } from "./row.ts";

const CONTAINERS = 50;
const WINDOW_MS = 10_000;

export const healthChecks: Group<DaemonEngine> = {
  name: "health",
  open: () => openDaemons(),
  async setUp(e) {
    const Healthcheck = { Test: ["CMD", "true"], Interval: 1e9, Timeout: 10e9, Retries: 3 };
    const body = { Image: "bench", Cmd: ["sleep", "86400"], Healthcheck };
    for (let n = 0; n < CONTAINERS; n++) {
      await e.api("POST", `/containers/create?name=checked${n}`, body);
      await e.api("POST", `/containers/checked${n}/start`);
    }
    for (let n = 0; n < CONTAINERS; n++)
      while (!e.cli(["inspect", "-f", "{{.State.Health.Status}}", `checked${n}`]).includes("healthy"));
  },
  rows: [
    {
      name: "health",
      what: `processor time of ${CONTAINERS} health checks each second, of one processor`,
      unit: "%",
      goal: { faster: 1 },
      rounds: { full: 2, quick: 0 },
      hasWarmUp: false,
      async sample(e) {
        const [cpu, start] = [e.room.cpuMs(), performance.now()];
        await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
        return (100 * (e.room.cpuMs() - cpu)) / (performance.now() - start);
      },
    },
  ],
};
