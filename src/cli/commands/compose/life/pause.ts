import { anyArgs } from "../../../command.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[SERVICE...]",
  arity: anyArgs,
  flags: {},
  async run(compose, { args }) {
    const { containersOf, pauseContainers } = await import("../../../../compose/execute/act.ts");
    const { containers } = await compose.target(args);
    const work = await compose.work();
    const own = containersOf(containers, args).filter(({ state }) => ["running", "paused"].includes(state));
    await compose.during(work, "pause", () => pauseContainers(work, own));
  },
});
