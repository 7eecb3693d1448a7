import { bool, int, list, string } from "../../../../lib/flags/spec.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] SERVICE [REPOSITORY[:TAG]]",
  arity: { min: 1, max: 2 },
  flags: {
    author: string('Author (e.g., "Ada Lovelace <ada@example.com>")', { short: "a" }),
    change: list("Apply Dockerfile instruction to the created image", { short: "c" }),
    index: int("index of the container if service has multiple replicas."),
    message: string("Commit message", { short: "m" }),
    pause: bool("Pause container during commit", { short: "p", initial: true }),
  },
  async run(compose, { flags, args, path }) {
    const [service = "", ...rest] = args;
    const { containerOf } = await import("../../../../compose/execute/act.ts");
    const { command: commit } = await import("../../container/commit.ts");
    const { containers } = await compose.target([service]);
    const { author, change, message, pause } = flags;
    return commit.run(compose.session, {
      flags: { author, change, message, pause },
      given: new Set(),
      args: [containerOf(containers, service, flags.index).id, ...rest],
      path,
    });
  },
});
