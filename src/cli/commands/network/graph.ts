import { containerList } from "../../../api/operations/container.ts";
import { networkInspect, networkList } from "../../../api/operations/network.ts";
import { string } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { complain } from "../../failure.ts";
import { graphText, networkGraph } from "../../format/network-graph.ts";
import { print } from "../../output.ts";

/** Berth's own: Docker has no such command. */
export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: { format: string('Form of the output ("text", "json")', { initial: "text" }) },
  async run(session, { flags }) {
    if (flags.format !== "text" && flags.format !== "json")
      throw complain(`unknown format ${JSON.stringify(flags.format)}: use text or json`);
    const client = await session.client();
    const networks = await client.call(networkList, { filters: {} });
    const [inspected, containers] = await Promise.all([
      Promise.all(networks.map(({ Id }) => client.call(networkInspect, { id: Id }))),
      client.call(containerList, { filters: {} }),
    ]);
    const graph = networkGraph(inspected, containers);
    print(flags.format === "json" ? `${JSON.stringify(graph, null, 2)}\n` : graphText(graph));
  },
});
