import { atMost, defineCommand } from "../../command.ts";
import { eraseCredentials, hostOfKey, serverKey } from "../../config/credentials.ts";
import { describeFailure } from "../../failure.ts";
import { print, printError } from "../../output.ts";

export const command = defineCommand({
  operands: "[SERVER]",
  description: "Log out from a registry.\nDocker Hub if no server is specified.",
  arity: atMost(1),
  flags: {},
  async run(session, { args }) {
    const host = hostOfKey(args[0] ?? "docker.io");
    const key = serverKey(host);
    const config = await session.config();
    const known = Object.keys(config.auths ?? {}).filter(
      (name) => name === key || hostOfKey(name) === hostOfKey(key),
    );
    print(`Removing login credentials for ${key}\n`);
    for (const name of new Set([...known, key])) {
      try {
        await eraseCredentials(session.globals.config, config, name);
      } catch (error) {
        printError(`WARNING: could not erase credentials: ${describeFailure(error)}\n`);
      }
    }
  },
});
