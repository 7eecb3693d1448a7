import { string, stringToString } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly, type Invocation } from "../../command.ts";
import { resolveContextName } from "../../config/endpoint.ts";
import { ENDPOINT_HELP, readEndpoint } from "../../contexts/endpoint.ts";
import type { PackedContext } from "../../contexts/archive.ts";
import { findContext, loadTlsFiles } from "../../contexts/read.ts";
import { checkNewName, replaceTlsFiles, saveMeta } from "../../contexts/write.ts";
import { complain } from "../../failure.ts";
import { print, printError } from "../../output.ts";
import type { Session } from "../../session.ts";

const flags = {
  description: string("Description of the context"),
  docker: stringToString("set the docker endpoint"),
  from: string("create context from a named context"),
};

export const command = defineCommand({
  operands: "[OPTIONS] CONTEXT",
  description: `Create a context\n\n${ENDPOINT_HELP}`,
  arity: exactly(1),
  flags,
  async run(session, invocation) {
    const [name = ""] = invocation.args;
    const dir = session.globals.config;
    checkNewName(dir, name);
    const isCopy = invocation.flags.from !== "" || !invocation.given.has("docker");
    const { meta, tls } = isCopy ? await copy(session, invocation) : make(session, invocation);
    saveMeta(dir, { ...meta, Name: name });
    replaceTlsFiles(dir, name, tls);
    print(`${name}\n`);
    printError(`Successfully created context ${JSON.stringify(name)}\n`);
  },
});

/** A context with the endpoint of `--docker`. */
function make({ globals }: Session, { flags: given }: Invocation<typeof flags>): PackedContext {
  const { endpoint, tls } = readEndpoint(given.docker, (from) => findContext(globals, from).meta);
  const Metadata = given.description === "" ? {} : { Description: given.description };
  return { meta: { Name: "", Metadata, Endpoints: { docker: endpoint } }, tls: new Map([["docker", tls]]) };
}

/** The context of `--from`, or the current one. */
async function copy(session: Session, { flags: given }: Invocation<typeof flags>): Promise<PackedContext> {
  const { globals } = session;
  if (Object.keys(given.docker).length > 0) throw complain("cannot use --docker flag when --from is set");
  const current = () => resolveContextName({ globals, given: new Set(), config: () => session.config() });
  const from = given.from || (await current());
  const { meta, description } = findContext(globals, from);
  const Description = given.description || description;
  const Metadata = Description === "" ? meta.Metadata : { ...meta.Metadata, Description };
  return { meta: { ...meta, Metadata }, tls: loadTlsFiles(globals.config, from) };
}
