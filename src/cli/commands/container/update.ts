import { containerUpdate } from "../../../api/operations/container.ts";
import { int, string, strings, uint } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";
import { complain } from "../../failure.ts";
import { parsePorts, type PortBinding } from "../../options/ports.ts";
import { parseRestartPolicy } from "../../options/security.ts";
import { bytesFlag, cpusFlag, swapFlag } from "../../options/values.ts";
import { printError } from "../../output.ts";

const bindingsOf = (publish: readonly string[]): Record<string, PortBinding[]> =>
  parsePorts(publish, []).bindings;

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER [CONTAINER...]",
  arity: atLeast(1),
  flags: {
    "blkio-weight": uint("Weight of block IO, between 10 and 1000, or 0 to disable (default 0)", 16),
    "cpu-period": int("Period of the CPU quota in microseconds"),
    "cpu-quota": int("Microseconds of CPU in a period"),
    "cpu-rt-period": int("Period of real-time scheduling in microseconds", { since: "1.25" }),
    "cpu-rt-runtime": int("Microseconds of real-time scheduling in a period", { since: "1.25" }),
    "cpu-shares": int("CPU shares (relative weight)", { short: "c" }),
    cpus: cpusFlag("Number of CPUs", { since: "1.29" }),
    "cpuset-cpus": string("CPUs to run on (0-3, 0,1)"),
    "cpuset-mems": string("Memory nodes to use (0-3, 0,1)"),
    "kernel-memory": bytesFlag("Limit of kernel memory (deprecated)", { hidden: true }),
    memory: bytesFlag("Limit of memory", { short: "m" }),
    "memory-reservation": bytesFlag("Soft limit of memory"),
    "memory-swap": swapFlag("Limit of memory plus swap: -1 for unlimited swap"),
    "publish-add": strings("Publish a further port of the container to the host (not Docker's)"),
    "publish-rm": strings("Take a published port away: [IP:][HOST:]CONTAINER[/PROTO] (not Docker's)"),
    "pids-limit": int("Limit of processes (-1 for unlimited)", { since: "1.40" }),
    restart: string("What to do when the container exits"),
  },
  async run(session, { flags, given, args }) {
    if (given.size === 0) throw complain("you must provide one or more flags when using this command");
    const body = {
      BlkioWeight: flags["blkio-weight"],
      CpusetCpus: flags["cpuset-cpus"],
      CpusetMems: flags["cpuset-mems"],
      CpuShares: flags["cpu-shares"],
      Memory: flags.memory,
      MemoryReservation: flags["memory-reservation"],
      MemorySwap: flags["memory-swap"],
      CpuPeriod: flags["cpu-period"],
      CpuQuota: flags["cpu-quota"],
      CpuRealtimePeriod: flags["cpu-rt-period"],
      CpuRealtimeRuntime: flags["cpu-rt-runtime"],
      NanoCpus: flags.cpus,
      ...(given.has("kernel-memory") ? { KernelMemory: flags["kernel-memory"] } : {}),
      ...(given.has("pids-limit") ? { PidsLimit: flags["pids-limit"] } : {}),
      ...(given.has("publish-add") ? { PublishAdd: bindingsOf(flags["publish-add"]) } : {}),
      ...(given.has("publish-rm") ? { PublishRemove: bindingsOf(flags["publish-rm"]) } : {}),
      RestartPolicy: parseRestartPolicy(flags.restart),
    };
    const client = await session.client();
    const warnings: string[] = [];
    const update = async (id: string): Promise<void> => {
      const { Warnings } = await client.call(containerUpdate, { id, body });
      warnings.push(...(Warnings ?? []));
    };
    try {
      await runEach(args, update);
    } finally {
      if (warnings.length > 0) printError(`${warnings.join("\n")}\n`);
    }
  },
});
