import { bool, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    "remove-orphans": bool("Remove containers for services not defined in the Compose file"),
    signal: string("SIGNAL to send to the container", { short: "s", initial: "SIGKILL" }),
  },
  async run(compose, { flags, args }) {
    const { containersOf, killContainers, removeContainers } = await import(
      "../../../../compose/execute/act.ts"
    );
    const { orphansOf } = await import("../../../../compose/plan/reconcile.ts");
    const { project, containers } = await compose.target(args);
    const work = await compose.work();
    const running = containersOf(containers, args).filter(({ state }) => state === "running");
    await compose.during(work, "kill", async () => {
      await killContainers(work, running, flags.signal);
      if (flags["remove-orphans"]) await removeContainers(work, orphansOf(project, containers), false);
    });
  },
});
