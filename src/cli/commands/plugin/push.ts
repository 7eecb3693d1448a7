import { pluginPush } from "../../../api/operations/plugin.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { familiarString, parseReference, withDefaultTag } from "../../../oci/reference.ts";
import { defineCommand, exactly } from "../../command.ts";
import { credentialsFor } from "../../config/credentials.ts";
import { complain } from "../../failure.ts";
import { displayOn } from "../../progress/display.ts";

export const command = defineCommand({
  operands: "[OPTIONS] PLUGIN[:TAG]",
  arity: exactly(1),
  flags: { "disable-content-trust": bool("Skip image signing", { initial: true }) },
  async run(session, { args }) {
    const [name = ""] = args;
    const named = parseReference(name);
    if (named.digest !== undefined) throw complain(`invalid name: ${name}`);
    const client = await session.client();
    const lines = await client.stream(pluginPush, {
      name: familiarString(withDefaultTag(named)),
      registryAuth: credentialsFor(await session.config(), named.domain),
    });
    await displayOn(1, lines);
  },
});
