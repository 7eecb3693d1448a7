import { string } from "../../../lib/flags/spec.ts";
import { anyArgs, defineCommand } from "../../command.ts";
import { loadContext } from "../../config/contexts.ts";
import { environmentHost, normaliseHost, resolveContextName } from "../../config/endpoint.ts";
import { DEFAULT_HOST } from "../../failure.ts";
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
      text: JSON.stringify(describe(session, name)),
    }));
  },
});

function describe({ globals }: Session, name: string): unknown {
  if (name === "default") {
    const chosen = globals.host[0] ?? environmentHost();
    return {
      Name: "default",
      Metadata: {},
      Endpoints: {
        docker: { Host: chosen === undefined ? DEFAULT_HOST : normaliseHost(chosen), SkipTLSVerify: false },
      },
      TLSMaterial: {},
      Storage: { MetadataPath: "<IN MEMORY>", TLSPath: "<IN MEMORY>" },
    };
  }
  const { meta, metadataPath, tlsPath } = loadContext(globals.config, name);
  return {
    Name: name,
    Metadata: meta.Metadata ?? {},
    Endpoints: meta.Endpoints ?? {},
    TLSMaterial: {},
    Storage: { MetadataPath: metadataPath, TLSPath: tlsPath },
  };
}
