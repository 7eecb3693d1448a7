import type { Client } from "../../../api/client.ts";
import { networkDelete, networkInspect } from "../../../api/operations/network.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { describeFailure, exitWith, isNotFound, isUnreachable } from "../../failure.ts";
import { print, printError } from "../../output.ts";

const ingressWarning =
  "WARNING! Before removing the routing-mesh network, make sure all the nodes in your swarm run the same docker engine version. Otherwise, removal may not be effective and functionality of newly create ingress networks will be impaired.\nAre you sure you want to continue?";

export const command = defineCommand({
  operands: "NETWORK [NETWORK...]",
  arity: atLeast(1),
  flags: { force: bool("Do not error if the network does not exist", { short: "f" }) },
  async run(session, { args, flags }) {
    const client = await session.client();
    let hasFailed = false;
    for (const id of args) {
      try {
        if (await isIngress(client, id)) await confirm(ingressWarning);
        await client.call(networkDelete, { id });
        print(`${id}\n`);
      } catch (error) {
        if (flags.force && isNotFound(error)) continue;
        printError(`${describeFailure(error)}\n`);
        hasFailed = true;
      }
    }
    if (hasFailed) throw exitWith(1, "exit status 1");
  },
});

/** Where the network cannot be looked at, its removal says why. */
async function isIngress(client: Client, id: string): Promise<boolean> {
  try {
    return (await client.call(networkInspect, { id })).Ingress === true;
  } catch (error) {
    if (isUnreachable(error)) throw error;
    return false;
  }
}
