import { bool } from "../../../../lib/flags/spec.ts";
import { atLeast } from "../../../command.ts";
import { creationDefaults, creationOptions, parseScale, selectedProject, withScales } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[SERVICE=REPLICAS...]",
  arity: atLeast(1),
  flags: { "no-deps": bool("Don't start linked services") },
  async run(compose, { flags, args }) {
    const scales: Record<string, number> = {};
    for (const arg of args) Object.assign(scales, parseScale(arg));
    const services = Object.keys(scales);
    const selected = await selectedProject(compose, services, flags["no-deps"] ? "none" : "dependencies");
    const project = withScales(selected, scales);
    const { createProject } = await import("../../../../compose/execute/create.ts");
    const { startProject } = await import("../../../../compose/execute/start.ts");
    const work = await compose.work();
    const options = creationOptions(creationDefaults, services, undefined);
    await compose.during(work, "scale", async () => {
      const containers = await createProject(work, project, { ...options, ignoresOrphans: true });
      await startProject(work, project, { containers, waits: false, waitSeconds: 0 });
    });
  },
});
