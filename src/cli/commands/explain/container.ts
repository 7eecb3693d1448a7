import { containerInspect } from "../../../api/operations/container.ts";
import { defineCommand, exactly } from "../../command.ts";
import { explainContainer } from "../../explain/container.ts";
import { eventsOf, factsOf, formatFlag, lastLines, showExplanation } from "./_ask.ts";

/** Berth's own: Docker has no such command. */
export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER",
  description: "Why the container exited, does not start or does not do well, and what to do about it.",
  arity: exactly(1),
  flags: { format: formatFlag },
  async run(session, { args, flags }) {
    const client = await session.client();
    const inspect = await client.call(containerInspect, { id: args[0] ?? "" });
    const [events, log, facts] = await Promise.all([
      eventsOf(client, inspect),
      lastLines(client, inspect),
      factsOf(client, inspect.Id),
    ]);
    const asked = { program: session.program, nowMs: Date.now() };
    showExplanation(flags.format, explainContainer({ inspect, events, log, facts }, asked));
  },
});
