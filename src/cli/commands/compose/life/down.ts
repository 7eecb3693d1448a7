import { bool, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { timeoutFlag } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICES]",
  arity: anyArgs,
  flags: {
    "remove-orphans": bool("Remove containers for services not defined in the Compose file"),
    rmi: string(
      'Remove images used by services. "local" remove only images that don\'t have a custom tag ("local"|"all")',
    ),
    timeout: timeoutFlag("Specify a shutdown timeout in seconds"),
    volumes: bool(
      'Remove named volumes declared in the "volumes" section of the Compose file and anonymous volumes attached to containers',
      { short: "v" },
    ),
  },
  async run(compose, { flags, given, args }) {
    const { rmi } = flags;
    if (rmi !== "" && rmi !== "all" && rmi !== "local")
      throw complain(`invalid value for --rmi: ${JSON.stringify(rmi)}`);
    const { takeDown } = await import("../../../../compose/execute/down.ts");
    const work = await compose.work();
    let { project, isDerived } = await compose.target(args);
    if (isDerived) {
      const { withResources } = await import("../../../../compose/observe/derive.ts");
      project = await withResources(work.client, project);
    }
    await compose.during(work, "down", () =>
      takeDown(work, project, {
        services: args.length === 0 ? undefined : args,
        removesOrphans: flags["remove-orphans"] || process.env["COMPOSE_REMOVE_ORPHANS"] === "true",
        removesVolumes: flags.volumes,
        images: rmi,
        timeoutSeconds: given.has("timeout") ? flags.timeout : undefined,
      }),
    );
  },
});
