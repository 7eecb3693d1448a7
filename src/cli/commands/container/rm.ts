import { containerDelete } from "../../../api/operations/container.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";
import { complain, isNotFound } from "../../failure.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER [CONTAINER...]",
  arity: atLeast(1),
  flags: {
    force: bool("Remove running containers too (uses SIGKILL)", { short: "f" }),
    link: bool("Remove the specified link", { short: "l" }),
    volumes: bool("Remove the container's anonymous volumes", { short: "v" }),
  },
  async run(session, { flags, args }) {
    const client = await session.client();
    const remove = async (name: string): Promise<void> => {
      const id = name.replace(/^\/+|\/+$/g, "");
      if (id === "") throw complain("container name cannot be empty");
      await client.call(containerDelete, { id, ...flags });
    };
    await runEach(args, remove, {
      isParallel: true,
      isHarmless: (error) => flags.force && isNotFound(error),
    });
  },
});
