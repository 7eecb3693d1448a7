import { containerWait } from "../../../../api/operations/container.ts";
import { bool } from "../../../../lib/flags/spec.ts";
import { atLeast } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "SERVICE [SERVICE...] [OPTIONS]",
  arity: atLeast(1),
  flags: { "down-project": bool("Drops project when the first container stops") },
  async run(compose, { flags, args }) {
    const { containersOf } = await import("../../../../compose/execute/act.ts");
    const { project, containers } = await compose.target(args);
    const client = await compose.client();
    const own = containersOf(containers, args);
    if (own.length === 0) throw complain(`no containers for project ${JSON.stringify(project.name)}`);
    const waits = own.map(async ({ id }) => {
      const { StatusCode } = await client.call(containerWait, { id, condition: "not-running" });
      print(`container ${JSON.stringify(id.slice(0, 12))} exited with status code ${StatusCode}\n`);
      return StatusCode;
    });
    if (!flags["down-project"]) return (await Promise.all(waits)).at(-1) ?? 0;
    const code = await Promise.race(waits);
    const { takeDown } = await import("../../../../compose/execute/down.ts");
    const work = await compose.work();
    await compose.during(work, "down", () =>
      takeDown(work, project, {
        services: undefined,
        removesOrphans: false,
        removesVolumes: false,
        images: "",
        timeoutSeconds: undefined,
      }),
    );
    return code;
  },
});
