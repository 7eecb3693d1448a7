// The daemon's numbers for Prometheus.
import { readdirSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import type { ContainerTable } from "../container/table.ts";
import type { EventBus } from "../event/bus.ts";

/** One number, or one for each set of labels. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly samples: readonly { readonly labels?: Readonly<Record<string, string>>; readonly value: number }[];
}

export interface MetricSources {
  readonly table: ContainerTable;
  readonly events: EventBus;
  /** Constant facts, as labels. */
  readonly info: Readonly<Record<string, string>>;
}

/** States as Docker counts them. */
const STATES = {
  running: ["running", "restarting"],
  paused: ["paused"],
  stopped: ["created", "exited", "dead"],
} as const;

/** Returns the numbers of this moment. */
export function collectMetrics({ table, events, info }: MetricSources): Metric[] {
  const records = table.all();
  const count = (names: readonly string[]): number =>
    records.filter((r) => names.includes(r.state.status)).length;
  const usage = process.resourceUsage();
  return [
    one("engine_daemon_engine_info", "The information related to the engine", 1, info),
    one(
      "engine_daemon_engine_cpus_cpus",
      "The number of cpus that the host system of the engine has",
      cpus().length,
    ),
    one(
      "engine_daemon_engine_memory_bytes",
      "The number of bytes of memory that the host system of the engine has",
      totalmem(),
    ),
    {
      name: "engine_daemon_container_states_containers",
      help: "The count of containers in various states",
      type: "gauge",
      samples: Object.entries(STATES).map(([state, names]) => ({ labels: { state }, value: count(names) })),
    },
    { ...one("engine_daemon_events_total", "The number of events logged", events.latest), type: "counter" },
    one(
      "engine_daemon_events_subscribers_total",
      "The number of current subscribers to events",
      events.readerCount,
    ),
    {
      ...one(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds",
        (usage.userCPUTime + usage.systemCPUTime) / 1e6,
      ),
      type: "counter",
    },
    one("process_resident_memory_bytes", "Resident memory size in bytes", process.memoryUsage.rss()),
    one("process_open_fds", "Number of open file descriptors", readdirSync("/proc/self/fd").length),
    one(
      "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds",
      Math.round(Date.now() / 1000 - process.uptime()),
    ),
  ];
}

function one(
  name: string,
  help: string,
  value: number,
  labels: Readonly<Record<string, string>> = {},
): Metric {
  return { name, help, type: "gauge", samples: [{ labels, value }] };
}
