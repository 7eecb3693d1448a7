// What the measurements were made on.
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

export interface Machine {
  readonly processor: string;
  readonly processors: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly system: string;
  /** Load of the machine before the run, averages of 1, 5 and 15 minutes: what else ran. */
  readonly load: string;
}

export function describeMachine(): Machine {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
  return {
    processor: cpus()[0]?.model.trim() ?? "",
    processors: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release().split("-", 1)[0] ?? "", // what comes behind the number is the distribution's
    system,
    load: readFileSync("/proc/loadavg", "utf8").split(" ").slice(0, 3).join(" "),
  };
}
