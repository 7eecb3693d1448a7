import { networkDisconnect } from "../../../api/operations/network.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";

export const command = defineCommand({
  operands: "[OPTIONS] NETWORK CONTAINER",
  arity: exactly(2),
  flags: { force: bool("Force the container to disconnect from a network", { short: "f" }) },
  async run(session, { args, flags }) {
    const [id = "", Container = ""] = args;
    const client = await session.client();
    await client.call(networkDisconnect, { id, body: { Container, Force: flags.force } });
  },
});
