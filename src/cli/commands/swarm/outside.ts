// Commands of a swarm. There are no clusters in this version: they ask the daemon, which answers as an engine outside of one does, and
// against an engine that is part of one they say that this client is not for it.

import { SWARM_OPERATIONS } from "../../../api/operations/swarm.ts";
import { anyArgs, type Command, defineCommand } from "../../command.ts";
import { exitWith } from "../../failure.ts";
import { print } from "../../output.ts";

const ask = (name: string) => SWARM_OPERATIONS.find((operation) => operation.name === name);

/** Returns the command for a verb; its own flags are not looked at. */
export function outsideOfSwarm(verb: string): Command {
  return defineCommand({
    operands: "[OPTIONS] [ARG...]",
    arity: anyArgs,
    flags: {},
    isRaw: true,
    async run(session, { path }) {
      const refusal = exitWith(1, `${path}: swarm clusters are not supported by this client`);
      if (verb === "init" || verb === "join") throw refusal;
      if (verb === "inspect") print("[]\n");
      const operation = ask(verb === "leave" ? "SwarmLeave" : "SwarmInspect");
      if (operation !== undefined) await (await session.client()).call(operation, {});
      if (verb !== "leave") throw refusal;
      print("Node left the swarm.\n");
    },
  });
}
