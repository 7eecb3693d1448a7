import { string } from "../../../lib/flags/spec.ts";
import { goJson, withSortedMembers } from "../../../lib/json/go-json.ts";
import { anyArgs, defineCommand } from "../../command.ts";
import { resolveContextName } from "../../config/endpoint.ts";
import { contextPaths, DEFAULT_CONTEXT, findContext, listTlsFiles } from "../../contexts/read.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { inspectAll } from "../../inspect.ts";
import type { Session } from "../../session.ts";

export const command = defineCommand({
  operands: "[OPTIONS] [CONTEXT] [CONTEXT...]",
  arity: anyArgs,
  flags: { format: string(inspectFormatUsage, { short: "f" }) },
  async run(session, { args, flags }) {
    const { globals } = session;
    const current = () => resolveContextName({ globals, given: new Set(), config: () => session.config() });
    const names = args.length === 0 ? [await current()] : args;
    await inspectAll(names, flags.format, async (name) => ({
      text: describe(session, name),
    }));
  },
});

/** As Docker writes it: the members of objects sorted, file names by endpoint. */
function describe({ globals }: Session, name: string): string {
  const { meta } = findContext(globals, name);
  const paths = contextPaths(globals.config, name);
  const isDefault = name === DEFAULT_CONTEXT;
  return goJson({
    Name: meta.Name,
    Metadata: withSortedMembers(meta.Metadata),
    Endpoints: withSortedMembers(meta.Endpoints),
    TLSMaterial: isDefault ? {} : Object.fromEntries(listTlsFiles(globals.config, name)),
    Storage: {
      MetadataPath: isDefault ? "<IN MEMORY>" : paths.meta,
      TLSPath: isDefault ? "<IN MEMORY>" : paths.tls,
    },
  });
}
