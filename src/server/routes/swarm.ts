// What an engine outside of a swarm answers to those who ask for one: clients tell by it that there is none (docker-py's and
// Compose's clean-up among them).

import { SWARM_OPERATIONS } from "../../api/operations/swarm.ts";
import { Fault } from "../../lib/errors.ts";
import type { Route } from "../route.ts";

const refusal = (operation: string): Fault => {
  if (operation === "SwarmInit" || operation === "SwarmJoin")
    return new Fault("notImplemented", "swarm mode is not supported by this version", {
      code: "swarm.unsupported",
    });
  // compat: the words are Docker's.
  const message =
    operation === "SwarmLeave"
      ? "This node is not part of a swarm"
      : 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
  return new Fault("unavailable", message, { code: "swarm.inactive" });
};

export function swarmRoutes(): Route[] {
  return SWARM_OPERATIONS.map((operation) => ({
    operation,
    handle: () => Promise.reject(refusal(operation.name)),
  }));
}
