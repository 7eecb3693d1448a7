import { bool, string } from "../../../../lib/flags/spec.ts";
import { atMost } from "../../../command.ts";
import { formatUsage } from "../../../format/usage.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE]",
  arity: atMost(1),
  flags: {
    all: bool("Show all containers (default shows just running)", { short: "a" }),
    format: string(formatUsage),
    "no-stream": bool("Disable streaming stats and only pull the first result"),
    "no-trunc": bool("Do not truncate output"),
  },
  async run(compose, { flags, args, path }) {
    const { containersOf } = await import("../../../../compose/execute/act.ts");
    const { command: stats } = await import("../../container/stats.ts");
    const { containers } = await compose.target(args);
    const own = containersOf(containers, args).filter(({ state }) => flags.all || state === "running");
    if (own.length === 0) return;
    const { all, format, "no-stream": once, "no-trunc": whole } = flags;
    return stats.run(compose.session, {
      flags: { all, format, "no-stream": once, "no-trunc": whole },
      given: new Set(),
      args: own.map(({ name }) => name),
      path,
    });
  },
});
