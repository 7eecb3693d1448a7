// `buildx inspect`: the daemon's builder.

import { systemVersion } from "../../../api/operations/system.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[NAME]",
  arity: { ...exactly(1), min: 0 },
  flags: {},
  async run(session, { args }) {
    const [name = "default"] = args;
    if (name !== "default") throw complain(`no builder ${JSON.stringify(name)} found`);
    const client = await session.client();
    const { Version, Os, Arch } = await client.call(systemVersion, {});
    print(
      `Name:   default\nDriver: docker\n\nNodes:\nName:      default\nEndpoint:  ${client.host}\nStatus:    running\nVersion:   ${Version}\nPlatforms: ${Os}/${Arch}\n`,
    );
  },
});
