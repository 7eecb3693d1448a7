import { bool } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { confirm } from "../../../confirm.ts";
import { print, printError } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  description: `Removes stopped service containers

By default, anonymous volumes attached to containers will not be removed. You
can override this with -v. To list all volumes, use "docker volume ls".

Any data which is not in a volume will be lost.`,
  arity: anyArgs,
  flags: {
    all: bool("Deprecated - no effect", { short: "a", hidden: true }),
    force: bool("Don't ask to confirm removal", { short: "f" }),
    stop: bool("Stop the containers, if required, before removing", { short: "s" }),
    volumes: bool("Remove any anonymous volumes attached to containers", { short: "v" }),
  },
  async run(compose, { flags, args }) {
    const { removeContainers, stopProject } = await import("../../../../compose/execute/act.ts");
    const { withSelected } = await import("../../../../compose/model/select.ts");
    const { observeContainers } = await import("../../../../compose/observe/observe.ts");
    let { project, containers } = await compose.target(args);
    const work = await compose.work();
    if (flags.stop) {
      await compose.during(work, "stop", () =>
        stopProject(work, withSelected(project, args, "none"), containers, undefined),
      );
      containers = await observeContainers(work.client, project.name);
    }
    const stopped = containers.filter(
      ({ service, state }) =>
        (args.length === 0 || args.includes(service)) && !["running", "paused", "restarting"].includes(state),
    );
    if (stopped.length === 0) {
      printError("No stopped containers\n");
      return;
    }
    print(`Going to remove ${stopped.map(({ name }) => name).join(", ")}\n`);
    if (!flags.force) await confirm("Are you sure?");
    await compose.during(work, "remove", () => removeContainers(work, stopped, flags.volumes));
  },
});
