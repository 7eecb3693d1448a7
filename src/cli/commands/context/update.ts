import { string, stringToString } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { ENDPOINT_HELP, readEndpoint } from "../../contexts/endpoint.ts";
import { checkContextName } from "../../contexts/meta.ts";
import { findContext, loadContext } from "../../contexts/read.ts";
import { replaceDockerTls, saveMeta } from "../../contexts/write.ts";
import { print, printError } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTEXT",
  description: `Update a context\n\n${ENDPOINT_HELP}`,
  arity: exactly(1),
  flags: {
    description: string("Description of the context"),
    docker: stringToString("set the docker endpoint"),
  },
  async run({ globals }, { args, flags, given }) {
    const [name = ""] = args;
    checkContextName(name);
    const { meta } = loadContext(globals.config, name);
    const changed = given.has("docker")
      ? readEndpoint(flags.docker, (from) => findContext(globals, from).meta)
      : undefined;
    const { description } = flags;
    saveMeta(globals.config, {
      Name: name,
      Metadata: description === "" ? meta.Metadata : { ...meta.Metadata, Description: description },
      Endpoints: changed === undefined ? meta.Endpoints : { ...meta.Endpoints, docker: changed.endpoint },
    });
    if (changed !== undefined) replaceDockerTls(globals.config, name, changed.tls);
    print(`${name}\n`);
    printError(`Successfully updated context ${JSON.stringify(name)}\n`);
  },
});
